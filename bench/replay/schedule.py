"""A replay's schedule as a file, for whoever wants to check it: `bench.replay.check` does, from the log alone."""

import csv
from collections.abc import Iterable
from pathlib import Path

from bench.replay.metrics import Outcome

HEADER = ("id", "submit", "promised_start", "first_promised_start", "start", "end", "gpus")


def write(path: Path, outcomes: Iterable[Outcome]) -> None:
    """CSV, a row a job, all in seconds; the second job of number 7 is `7#2`."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(HEADER)
        rows.writerows(_row(found) for found in outcomes)


def _row(found: Outcome) -> tuple[int | str, ...]:
    job = found.job
    return job.label, job.submit, found.promised, found.first_promised, found.start, found.end, job.processors
