"""`python -m bench.replay.check LOG OUT.csv`: checks a schedule that a replay wrote against the log, from nothing but the two files.

Imports nothing of the replay and nothing of the scheduler, so that a mistake of theirs is not made here again.
"""

import argparse
import csv
import gzip
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HEADER = ["id", "submit", "promised_start", "first_promised_start", "start", "end", "gpus"]
SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A job of the log that the machine could hold."""

    submit: int
    run_s: int
    gpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the schedule."""

    number: int
    id: int
    submit: int
    promised_start: int
    first_promised_start: int
    start: int
    end: int
    gpus: int


def main(words: Sequence[str] | None = None) -> int:
    """0 and one line; 1 with what is wrong; 2 where a file cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m bench.replay.check", description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("schedule", type=Path)
    wanted = parser.parse_args(words)
    try:
        processors, jobs = log(wanted.log)
        rows = schedule(wanted.schedule)
    except (OSError, EOFError, ValueError) as error:
        print(f"bench.replay.check: {error}", file=sys.stderr)
        return 2
    wrong = list(check(processors, jobs, rows))
    for sentence in wrong[:SHOWN]:
        print(sentence)
    if wrong:
        print(f"{len(wrong)} things are wrong")
        return 1
    print(f"{len(rows)} jobs on {processors} processors: each is there, none late, never more used than there is")
    return 0


def log(path: Path) -> tuple[int, dict[int, Line]]:
    """The machine's size, and the jobs that it can hold and that have a size and a length, by their numbers."""
    processors = 0
    jobs: dict[int, Line] = {}
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for line in file:
            if line.startswith(";"):
                label, _, value = line.strip("; \n").partition(":")
                processors = int(value) if label == "MaxProcs" else processors
                continue
            if not line.strip():
                continue
            id_, submit, _, run_s, used, _, _, asked, asked_s = (int(float(word)) for word in line.split()[:9])
            gpus, box_s = asked if asked > 0 else used, run_s if asked_s == -1 else asked_s
            if submit >= 0 and gpus > 0 and run_s > 0 and box_s > 0:
                jobs[id_] = Line(submit=submit, run_s=min(run_s, box_s), gpus=gpus)
    return processors, {id_: job for id_, job in jobs.items() if job.gpus <= processors}


def schedule(path: Path) -> list[Row]:
    """Raises ValueError where the file is no schedule."""
    with path.open(newline="") as file:
        rows = csv.reader(file)
        if next(rows, None) != HEADER:
            raise ValueError(f"{path} does not begin with the line {','.join(HEADER)}")
        return [Row(number=rows.line_num, **dict(zip(HEADER, map(int, row), strict=True))) for row in rows]


def check(processors: int, jobs: Mapping[int, Line], rows: Sequence[Row]) -> Iterator[str]:
    """What is wrong, a sentence each."""
    yield from _presence(jobs, rows)
    for row in rows:
        if row.id in jobs:
            yield from _one(jobs[row.id], row)
    yield from _capacity(processors, rows)


def _presence(jobs: Mapping[int, Line], rows: Sequence[Row]) -> Iterator[str]:
    first: dict[int, int] = {}
    for row in rows:
        if row.id not in jobs:
            yield f"line {row.number}: job {row.id} is not in the log, or could never run"
        if row.id in first:
            yield f"line {row.number}: job {row.id} is on line {first[row.id]} too"
        first.setdefault(row.id, row.number)
    for id_ in sorted(jobs.keys() - first.keys()):
        yield f"job {id_} is not in the schedule"


def _one(job: Line, row: Row) -> Iterator[str]:
    where = f"line {row.number}: job {row.id}"
    if (row.submit, row.gpus) != (job.submit, job.gpus):
        yield f"{where} asked at {job.submit} for {job.gpus}, not at {row.submit} for {row.gpus}"
    if row.end - row.start != job.run_s:
        yield f"{where} runs for {job.run_s} s, not {row.end - row.start}"
    if row.start < job.submit:
        yield f"{where} starts {job.submit - row.start} s before it was submitted"
    if row.start > row.first_promised_start:
        yield f"{where} starts {row.start - row.first_promised_start} s later than it was first promised"
    if not row.start <= row.promised_start <= row.first_promised_start:
        yield f"{where} was promised {row.promised_start} in the end, and {row.first_promised_start} at first"


def _capacity(processors: int, rows: Sequence[Row]) -> Iterator[str]:
    """At one second what ends makes room before anything starts."""
    used = 0
    edges = sorted([(row.end, -row.gpus) for row in rows] + [(row.start, row.gpus) for row in rows])
    for k, (instant, change) in enumerate(edges):
        used += change
        last_of_second = k + 1 == len(edges) or edges[k + 1][0] > instant
        if last_of_second and used > processors:
            yield f"at second {instant} {used} processors are used of {processors}"


if __name__ == "__main__":
    sys.exit(main())
