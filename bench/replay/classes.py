"""Who waits: by how wide a job is of its machine, and by how long it runs, beside what EASY does to the same class."""

from collections.abc import Sequence

from bench.replay.metrics import bounded_slowdown, mean
from bench.replay.run import Replay
from bench.replay.swf import Job
from bench.results import Value

WIDTHS = (("to 1 %", 0, 1), ("to 10 %", 1, 10), ("to 30 %", 10, 30), ("over 30 %", 30, 100))
"""In per cent of the machine: over the first number, up to the second."""

LENGTHS = (("to 10 min", 0, 600), ("to 1 h", 600, 3600), ("to 6 h", 3600, 21600), ("over 6 h", 21600, 1 << 60))
"""In seconds that the job ran, likewise."""


def table(found: Replay) -> list[dict[str, Value]]:
    """A row a class: how many, mean wait and bounded slowdown, EASY's, and how many times EASY's wait."""
    percents = [100 * one.job.processors / found.log.processors for one in found.outcomes]
    lengths = [one.job.run_s for one in found.outcomes]
    return [
        _row(f"{kind} {name}", found, [k for k, size in enumerate(sizes) if over < size <= most])
        for kind, classes, sizes in (("wide", WIDTHS, percents), ("long", LENGTHS, lengths))
        for name, over, most in classes
    ]


def _row(name: str, found: Replay, places: Sequence[int]) -> dict[str, Value]:
    jobs = [found.outcomes[place].job for place in places]
    ours = [found.outcomes[place].start for place in places]
    theirs = [found.easy_starts[place] for place in places]
    wait_s, easy_wait_s = _wait(jobs, ours), _wait(jobs, theirs)
    return {
        "class": name,
        "jobs": len(jobs),
        "wait_s": wait_s,
        "easy_wait_s": easy_wait_s,
        "x easy_wait": wait_s / easy_wait_s if easy_wait_s else 0.0,
        "slowdown": _slowdown(jobs, ours),
        "easy_slowdown": _slowdown(jobs, theirs),
    }


def _wait(jobs: Sequence[Job], starts: Sequence[int]) -> float:
    return mean([start - job.submit for job, start in zip(jobs, starts, strict=True)])


def _slowdown(jobs: Sequence[Job], starts: Sequence[int]) -> float:
    return mean([bounded_slowdown(job, start) for job, start in zip(jobs, starts, strict=True)])
