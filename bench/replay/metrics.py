"""What a schedule is judged by. Waits and lengths are in seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.replay.swf import Job

TAU_S = 10
"""A job shorter than this counts as this long, so that a second's wait of a second's job is no disaster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one job. `first_promised` is what it was told when it asked, `promised` what held in the end."""

    job: Job
    promised: int
    first_promised: int
    start: int

    @property
    def end(self) -> int:
        return self.start + self.job.run_s


def bounded_slowdown(job: Job, start: int) -> float:
    """How many times longer than it ran the job took from submission to end (Feitelson), at least 1."""
    return max(1.0, (start - job.submit + job.run_s) / max(job.run_s, TAU_S))


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    if not ordered:
        return 0.0
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def utilisation(jobs: Sequence[Job], starts: Sequence[int], processors: int) -> float:
    """Processor-seconds used of those there were, from the first submission to the last end."""
    if not jobs:
        return 0.0
    span = max(start + job.run_s for job, start in zip(jobs, starts, strict=True)) - jobs[0].submit
    return sum(job.run_s * job.processors for job in jobs) / (processors * span) if span else 0.0


def broken(outcomes: Sequence[Outcome]) -> list[int]:
    """By how much jobs started later than they were first promised; only those that did."""
    return [found.start - found.first_promised for found in outcomes if found.start > found.first_promised]
