"""What a replay found, in figures, and what its reader should know of the log."""

from collections.abc import Iterator, Sequence

from bench.replay import metrics
from bench.replay.metrics import bounded_slowdown
from bench.replay.run import Replay
from bench.replay.swf import Log
from bench.results import Value

NAMED = 20
"""So many of a kind are named to people; the JSON has all."""


def figures(found: Replay) -> dict[str, Value]:
    """Slack is how much sooner than first promised a job started."""
    jobs = [outcome.job for outcome in found.outcomes]
    starts = [outcome.start for outcome in found.outcomes]
    broken = metrics.broken(found.outcomes)
    slack = [outcome.first_promised - outcome.start for outcome in found.outcomes]
    ours = metrics.mean([bounded_slowdown(job, at) for job, at in zip(jobs, starts, strict=True)])
    theirs = metrics.mean([bounded_slowdown(job, at) for job, at in zip(jobs, found.easy_starts, strict=True)])
    return {
        "processors": found.log.processors,
        "jobs": len(jobs),
        "jobs_that_never_fit": len(found.never_fit),
        "jobs_unusable": len(found.log.unusable),
        "promises_broken": len(broken),
        "worst_lateness_s": max(broken, default=0),
        "mean_bounded_slowdown": ours,
        "easy_mean_bounded_slowdown": theirs,
        "ratio_to_easy": ours / theirs if theirs else 0.0,
        "mean_slack_s": metrics.mean(slack),
        "median_slack_s": metrics.median(slack),
        "utilisation": metrics.utilisation(jobs, starts, found.log.processors),
        "easy_utilisation": metrics.utilisation(jobs, found.easy_starts, found.log.processors),
        "decisions_per_s": found.decisions_per_s,
    }


def named(found: Replay) -> dict[str, object]:
    """The jobs that were left out, each by its number or its line, where the log was out of order, and what was read otherwise."""
    return {
        "never_fit": [job.label for job in found.never_fit],
        "unusable": list(found.log.unusable),
        "disorder": found.log.disorder,
        "notes": list(found.log.notes),
    }


def warnings(log: Log) -> Iterator[str]:
    """The same for people, before the replay begins."""
    never = [
        f"job {job.label} asks for {job.processors} of {log.processors} processors and never fits"
        for job in log.jobs
        if job.processors > log.processors
    ]
    yield from _some(log.notes, "things that were read otherwise than they stand there")
    yield from _some(log.unusable, "lines that are left out")
    yield from _some(never, "jobs that never fit")
    if log.disorder is not None:
        yield f"{log.disorder}; the jobs were put in order"


def _some(said: Sequence[str], what: str) -> Iterator[str]:
    yield from said[:NAMED]
    if len(said) > NAMED:
        yield f"and {len(said) - NAMED} more {what}, {len(said)} in all"


def shown(found: dict[str, Value]) -> str:
    """A figure a line, for people."""
    width = max(len(name) for name in found) + 2
    return "\n".join(
        f"{name:{width}}{value:,.4g}" if isinstance(value, float) and abs(value) < 1000
        else f"{name:{width}}{value:,.0f}" if isinstance(value, int | float)
        else f"{name:{width}}{value}"
        for name, value in found.items()
    )  # fmt: skip
