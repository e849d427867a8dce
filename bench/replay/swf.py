"""Reads logs in the Standard Workload Format, plain or gzipped, as they are in the archives.

Comments begin with `;`, a job is a line of 18 numbers. What is left out, put in order or read in a way that the log does
not say itself is named, line by line.
"""

import gzip
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TextIO, cast

from bench.replay import fields
from bench.replay.fields import CANCELLED, PARTIAL, BadLog, Fields

__all__ = ["BadLog", "Job", "Log", "parsed", "read"]

NOT_KNOWN = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Instants and lengths in seconds; `run_s` is how long it really ran, never longer than `asked_s`."""

    id: int
    submit: int
    run_s: int
    asked_s: int
    processors: int
    nth: int = 1
    """Of several jobs with the same number which one it is, in the order of the log."""

    @property
    def label(self) -> int | str:
        """Its number; `7#2` for the second job of number 7."""
        return self.id if self.nth == 1 else f"{self.id}#{self.nth}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """`jobs` by when they were submitted, those of one second by their numbers. `unusable` says line by line which jobs have no size or no time, and are left out.

    `disorder` is the first line whose job was submitted before the one above it, if there is one. `notes` say what else
    was read otherwise than it stands there: repeated numbers, fractions of a second, the size of the machine.
    """

    name: str
    processors: int
    jobs: tuple[Job, ...]
    unusable: tuple[str, ...] = ()
    disorder: str | None = None
    notes: tuple[str, ...] = ()


def read(path: Path) -> Log:
    """The log in a file. Raises BadLog."""
    try:
        with _opened(path) as file:
            return parsed(path.name, file)
    except (OSError, EOFError, zlib.error) as error:
        raise BadLog(f"{path} cannot be read: {error}") from None


def _opened(path: Path) -> TextIO:
    """Comments have names of people and places in whatever their writers used."""
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8", errors="replace"))
    return path.open(encoding="utf-8", errors="replace")


@dataclass(slots=True)
class _Reading:
    """A log on its way from its lines."""

    sizes: dict[str, int] = field(default_factory=dict[str, int])
    jobs: list[tuple[int, Job]] = field(default_factory=list[tuple[int, Job]])
    unusable: list[str] = field(default_factory=list[str])
    rounded: list[int] = field(default_factory=list[int])
    seen: Counter[int] = field(default_factory=Counter[int])

    def comment(self, line: str, number: int) -> None:
        for label in ("MaxProcs", "MaxNodes"):
            found = fields.machine(line, number, label)
            if found is not None and found > 0:
                self.sizes[label] = found

    def job(self, line: str, number: int) -> None:
        found = fields.job(line, number)
        why = _unusable(found)
        if why is not None:
            self.unusable.append(f"line {number}: job {found.id} {why}")
            return
        self.seen[found.id] += 1
        self.jobs.append((number, _job(found, self.seen[found.id])))
        if found.rounded:
            self.rounded.append(number)


def parsed(name: str, lines: Iterable[str]) -> Log:
    """The log in these lines, its jobs by submission and then by number. Raises BadLog."""
    reading = _Reading()
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith(";"):
            reading.comment(line, number)
        elif line.strip():
            reading.job(line, number)
    processors = reading.sizes.get("MaxProcs", reading.sizes.get("MaxNodes"))
    if processors is None:
        raise BadLog(f"{name} does not say how large its machine is: its header needs a line like `; MaxProcs: 100`")
    if not reading.jobs:
        raise BadLog(f"{name} has no job that could be replayed{_why(reading.unusable)}")
    in_order = sorted((job for _, job in reading.jobs), key=lambda job: (job.submit, job.id, job.nth))
    return Log(
        name=name,
        processors=processors,
        jobs=tuple(in_order),
        unusable=tuple(reading.unusable),
        disorder=_disorder(reading.jobs),
        notes=tuple(_notes(reading)),
    )


def _why(unusable: Sequence[str]) -> str:
    return f": {unusable[0]}" if unusable else ""


def _disorder(jobs: Iterable[tuple[int, Job]]) -> str | None:
    for (_, before), (number, job) in pairwise(jobs):
        if job.submit < before.submit:
            return f"line {number}: job {job.label} was submitted at {job.submit}, before the job above it ({before.submit})"
    return None


def _notes(reading: _Reading) -> Iterator[str]:
    if "MaxProcs" not in reading.sizes:
        yield f"the header has no MaxProcs, so each of its {reading.sizes['MaxNodes']} nodes (MaxNodes) is one processor"
    if reading.rounded:
        yield (
            f"line {reading.rounded[0]}: a time has a fraction of a second, as on {len(reading.rounded)} lines in all; "
            f"submissions are rounded down, lengths up"
        )
    yield from _repeated(reading.jobs)


def _repeated(jobs: Sequence[tuple[int, Job]]) -> Iterator[str]:
    first: Mapping[int, int] = {job.id: number for number, job in reversed(jobs)}
    for number, job in jobs:
        if job.nth > 1:
            yield f"line {number}: job {job.id} is on line {first[job.id]} too, and is called {job.label} here"


def _unusable(found: Fields) -> str | None:
    """Why a line is no job."""
    if found.status in PARTIAL:
        return f"has status {found.status}: one execution of a job whose own line has the whole"
    if found.submit < 0:
        return f"was submitted at {found.submit}, which is no time"
    if _processors(found) < 1:
        return f"has no size: it used {found.used} processors and asked for {found.asked}"
    if found.run_s < 1:
        cancelled = ", cancelled before it started" if found.status == CANCELLED else ""
        return f"has no length: it ran for {found.run_s} s{cancelled}"
    if found.asked_s == 0 or found.asked_s < NOT_KNOWN:
        return f"has no length: it asked for {found.asked_s} s"
    return None


def _processors(found: Fields) -> int:
    """What was not asked for is taken from what was used."""
    return found.asked if found.asked > 0 else found.used


def _job(found: Fields, nth: int) -> Job:
    asked_s = found.run_s if found.asked_s == NOT_KNOWN else found.asked_s
    return Job(
        id=found.id,
        submit=found.submit,
        run_s=min(found.run_s, asked_s),
        asked_s=asked_s,
        processors=_processors(found),
        nth=nth,
    )
