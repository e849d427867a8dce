"""Reads logs in the Standard Workload Format, plain or gzipped.

https://www.cs.huji.ac.il/labs/parallel/workload/swf.html: comments begin with `;`, a job is a line of 18 numbers, and -1 is
"not known". Of them are used: 1 id, 2 submit, 4 run time, 5 processors used, 8 processors asked for, 9 time asked for.
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FIELDS = 18
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
    """`jobs` by when they were submitted. `unusable` says line by line which jobs have no size or no time, and are left out.

    `disorder` is the first line that was submitted before the line above it, if there is one.
    """

    name: str
    processors: int
    jobs: tuple[Job, ...]
    unusable: tuple[str, ...] = ()
    disorder: str | None = field(default=None)


def read(path: Path) -> Log:
    """The log in a file. Raises BadLog."""
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            return parsed(path.name, file)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise BadLog(f"{path} cannot be read: {error}") from None


def parsed(name: str, lines: Iterator[str]) -> Log:
    """The log in these lines. Raises BadLog."""
    processors, before = 0, -1
    jobs: list[Job] = []
    unusable: list[str] = []
    disorder = None
    for number, line in enumerate(lines, 1):
        if line.startswith(";"):
            processors = _max_procs(line, number) or processors
        elif line.strip():
            found = _fields(line, number)
            job = _job(found)
            if isinstance(job, str):
                unusable.append(f"line {number}: job {found[0]} {job}")
                continue
            if job.submit < before and disorder is None:
                disorder = (
                    f"line {number}: job {job.id} was submitted at {job.submit}, before the line above it ({before})"
                )
            before = job.submit
            jobs.append(job)
    if processors < 1:
        raise BadLog(f"{name} does not say how large its machine is: its header needs a line like `; MaxProcs: 100`")
    if not jobs:
        raise BadLog(f"{name} has no job that could be replayed")
    ordered = tuple(sorted(jobs, key=lambda job: job.submit))
    return Log(name=name, processors=processors, jobs=ordered, unusable=tuple(unusable), disorder=disorder)


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
        raise BadLog(f"line {number}: a job is {FIELDS} numbers, not {len(words)}: {line.strip()[:60]!r}")
    values: list[int] = []
    for place, word in enumerate(words, 1):
        try:
            values.append(int(float(word)) if place in _USED else 0)
        except (ValueError, OverflowError):
            what = _USED[place]
            raise BadLog(f"line {number}: field {place} ({what}) is a number, not {word[:30]!r}") from None
    return values


def _job(found: list[int]) -> Job | str:
    """The job, or why it is none."""
    processors = found[7] if found[7] > 0 else found[4]
    asked_s = found[8] if found[8] > 0 else found[3]
    if processors < 1:
        return f"asks for {processors} processors"
    if found[3] < 0 or asked_s < 1:
        return f"has no run time ({found[3]}) or asked for none ({found[8]})"
    if found[1] < 0:
        return f"was submitted at {found[1]}"
    return Job(id=found[0], submit=found[1], run_s=min(found[3], asked_s), asked_s=asked_s, processors=processors)
