"""`python -m bench.replay.check LOG OUT.csv`: checks a schedule that a replay wrote against the log, from nothing but the two files.

Imports nothing of the replay and nothing of the scheduler, so that a mistake of theirs is not made here again.
"""

import argparse
import csv
import gzip
import math
import re
import sys
from collections import Counter
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
    id: str
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


def log(path: Path) -> tuple[int, dict[str, Line]]:
    """The machine's size, and the jobs that it can hold and that have a size and a length, by their numbers.

    The second job of number 7 is `7#2`. Bytes that are no text are in comments alone.
    """
    sizes: dict[str, int] = {}
    jobs: dict[str, Line] = {}
    seen: Counter[int] = Counter()
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for line in (each.decode("latin-1").strip() for each in file):
            if said := re.match(r";[; ]*(MaxProcs|MaxNodes)\s*:\s*([\d,]+)", line):
                sizes[said[1]] = int(said[2].replace(",", ""))
            elif line and not line.startswith(";") and (job := _line(line)) is not None:
                id_ = int(float(line.split()[0]))
                seen[id_] += 1
                jobs[str(id_) if seen[id_] == 1 else f"{id_}#{seen[id_]}"] = job
    processors = sizes.get("MaxProcs") or sizes.get("MaxNodes") or 0
    return processors, {id_: job for id_, job in jobs.items() if job.gpus <= processors}


def _line(line: str) -> Line | None:
    """None for what could not be run: submissions are rounded down, lengths up."""
    _, at, _, ran, used, _, _, wanted, box, _, status = (float(word) for word in line.split()[:11])
    submit, run_s, box_s = math.floor(at), math.ceil(ran), math.ceil(ran if box == -1 else box)
    gpus = int(wanted if wanted > 0 else used)
    if status in (2, 3, 4) or submit < 0 or min(gpus, run_s, box_s) < 1:
        return None
    return Line(submit=submit, run_s=min(run_s, box_s), gpus=gpus)


def schedule(path: Path) -> list[Row]:
    """Raises ValueError where the file is no schedule."""
    with path.open(newline="") as file:
        rows = csv.reader(file)
        if next(rows, None) != HEADER:
            raise ValueError(f"{path} does not begin with the line {','.join(HEADER)}")
        return [
            Row(number=rows.line_num, id=row[0], **dict(zip(HEADER[1:], map(int, row[1:]), strict=True)))
            for row in rows
        ]


def check(processors: int, jobs: Mapping[str, Line], rows: Sequence[Row]) -> Iterator[str]:
    """What is wrong, a sentence each."""
    yield from _presence(jobs, rows)
    for row in rows:
        if row.id in jobs:
            yield from _one(jobs[row.id], row)
    yield from _capacity(processors, rows)


def _presence(jobs: Mapping[str, Line], rows: Sequence[Row]) -> Iterator[str]:
    first: dict[str, int] = {}
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
