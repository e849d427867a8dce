"""Reads logs in the Standard Workload Format, plain or gzipped.

https://www.cs.huji.ac.il/labs/parallel/workload/swf.html: comments begin with `;`, a job is a line of 18 numbers, and -1 is
"not known". Of them are used: 1 id, 2 submit, 4 run time, 5 processors used, 8 processors asked for, 9 time asked for.
"""

import gzip
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

FIELDS = 18
NOT_KNOWN = -1
LARGEST = 10**12
"""No time or number in a log is larger: thirty thousand years."""

_USED = {
    1: "job number",
    2: "submit time",
    4: "run time",
    5: "processors used",
    8: "processors asked for",
    9: "time asked for",
}


class BadLog(Exception):
    """The log cannot be replayed; the sentence says which line, and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Instants and lengths in seconds; `run_s` is how long it really ran, never longer than `asked_s`."""

    id: int
    submit: int
    run_s: int
    asked_s: int
    processors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """`jobs` by when they were submitted, those of one second by their numbers. `unusable` says line by line which jobs have no size or no time, and are left out.

    `disorder` is the first line whose job was submitted before the one above it, if there is one.
    """

    name: str
    processors: int
    jobs: tuple[Job, ...]
    unusable: tuple[str, ...] = ()
    disorder: str | None = None


def read(path: Path) -> Log:
    """The log in a file. Raises BadLog."""
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            return parsed(path.name, file)
    except UnicodeDecodeError:
        raise BadLog(
            f"{path} is no text: a log is a Standard Workload Format file, gzipped if its name ends with .gz"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise BadLog(f"{path} cannot be read: {error}") from None


def parsed(name: str, lines: Iterable[str]) -> Log:
    """The log in these lines, its jobs by submission and then by number. Raises BadLog."""
    processors = 0
    jobs: dict[int, tuple[int, Job]] = {}
    unusable: list[str] = []
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith(";"):
            processors = _max_procs(line, number) or processors
        elif line.strip():
            found = _fields(line, number)
            job = _job(found)
            if isinstance(job, str):
                unusable.append(f"line {number}: job {found[0]} {job}")
            elif job.id in jobs:
                raise BadLog(
                    f"line {number}: job {job.id} is on line {jobs[job.id][0]} too: give each job a number of its own"
                )
            else:
                jobs[job.id] = number, job
    if processors < 1:
        raise BadLog(f"{name} does not say how large its machine is: its header needs a line like `; MaxProcs: 100`")
    if not jobs:
        raise BadLog(f"{name} has no job that could be replayed{_why(unusable)}")
    in_order = sorted((job for _, job in jobs.values()), key=lambda job: (job.submit, job.id))
    return Log(
        name=name,
        processors=processors,
        jobs=tuple(in_order),
        unusable=tuple(unusable),
        disorder=_disorder(jobs.values()),
    )


def _why(unusable: Sequence[str]) -> str:
    return f": {unusable[0]}" if unusable else ""


def _disorder(jobs: Iterable[tuple[int, Job]]) -> str | None:
    for (_, before), (number, job) in pairwise(jobs):
        if job.submit < before.submit:
            return (
                f"line {number}: job {job.id} was submitted at {job.submit}, before the job above it ({before.submit})"
            )
    return None


def _max_procs(line: str, number: int) -> int | None:
    label, _, value = line.lstrip("; ").partition(":")
    if label.strip() != "MaxProcs":
        return None
    try:
        return int(value)
    except ValueError:
        raise BadLog(
            f"line {number}: MaxProcs is a whole number, for example `; MaxProcs: 100`, not {value.strip()!r}"
        ) from None


def _fields(line: str, number: int) -> list[int]:
    words = line.split()
    if len(words) != FIELDS:
        raise BadLog(
            f"line {number}: a job is {FIELDS} numbers, -1 for what is not known, not {len(words)}: {line.strip()[:60]!r}"
        )
    return [_whole(word, place, number) if place in _USED else 0 for place, word in enumerate(words, 1)]


def _whole(word: str, place: int, number: int) -> int:
    try:
        found = float(word)
    except ValueError:
        found = 0.5
    if not found.is_integer() or abs(found) > LARGEST:
        raise BadLog(
            f"line {number}: field {place} ({_USED[place]}) is a whole number, for example 120, not {word[:30]!r}"
        )
    return int(found)


def _job(found: Sequence[int]) -> Job | str:
    """The job, or why it is none. What was not asked for is taken from what was used."""
    job, submit, run_s, used, asked, asked_s = (found[place - 1] for place in _USED)
    processors = asked if asked > 0 else used
    if submit < 0:
        return f"was submitted at {submit}, which is no time"
    if processors < 1:
        return f"has no size: it used {used} processors and asked for {asked}"
    if run_s < 1:
        return f"has no length: it ran for {run_s} s"
    if asked_s == 0 or asked_s < NOT_KNOWN:
        return f"has no length: it asked for {asked_s} s"
    asked_s = run_s if asked_s == NOT_KNOWN else asked_s
    return Job(id=job, submit=submit, run_s=min(run_s, asked_s), asked_s=asked_s, processors=processors)
