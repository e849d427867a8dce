"""What each company had beside its weighted max-min, when the Philly asks are served by shares."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.philly import ideal
from bench.philly.ideal import STRETCH_S, TOLERANCE, Backlog
from bench.philly.sharing import SharingDrive
from bench.philly.trace import CompanyJob
from bench.replay.metrics import Outcome, bounded_slowdown, broken, mean, utilisation
from bench.results import Row, Value
from scheduler.core.model import Policy

HALF_LIFE_S = 14 * 86_400
"""Of this run: as long as the trace, so that what is owed on its first day is still worth half on its last."""

_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A replay by shares, and how everybody stood in it."""

    jobs: Sequence[CompanyJob]
    outcomes: Sequence[Outcome]
    shares: Mapping[str, int]
    gpus: int
    backlogs: Sequence[Backlog]
    decisions_per_s: float


def replay(jobs: Sequence[CompanyJob], *, gpus: int, quota: int, policy: Policy, shares: Mapping[str, int]) -> Shared:
    drive = SharingDrive.among(jobs, gpus=gpus, quota=quota, policy=policy, shares=shares)
    began = time.perf_counter()
    outcomes = drive.run()
    took_s = time.perf_counter() - began
    moments = list(ideal.moments(jobs, [one.start for one in outcomes]))
    return Shared(
        jobs=jobs,
        outcomes=outcomes,
        shares=shares,
        gpus=gpus,
        backlogs=ideal.backlogs(moments, shares, gpus),
        decisions_per_s=drive.decisions / took_s,
    )


def figures(found: Shared) -> dict[str, Value]:
    """A day is a stretch of `STRETCH_S` or longer of the time in which a company was backlogged."""
    late, starts = broken(found.outcomes), [one.start for one in found.outcomes]
    slowdowns = [bounded_slowdown(job, start) for job, start in zip(found.jobs, starts, strict=True)]
    days = [one for one in found.backlogs if one.seconds >= STRETCH_S]
    boxes = largest(found.jobs)
    return {
        "jobs": len(found.jobs),
        "promises_broken": len(late),
        "worst_lateness_s": max(late, default=0),
        "mean_bounded_slowdown": mean(slowdowns),
        "utilisation": utilisation(found.jobs, starts, found.gpus),
        "companies_backlogged_a_day": len(days),
        "of_them_within_2_percent_in_all": sum(abs(one.off) <= TOLERANCE for one in days),
        "of_them_with_every_day_within_2_percent_and_a_box": sum(one.worst <= boxes[one.company] for one in days),
        "decisions_per_s": found.decisions_per_s,
    }


def rows(found: Shared) -> list[Row]:
    """A row a company that was ever backlogged, the one with the fewest shares first."""
    boxes, total = largest(found.jobs), sum(found.shares.values())
    return [
        {
            "company": one.company,
            "share, %": 100 * found.shares[one.company] / total,
            "backlogged, h": one.seconds / _HOUR,
            "had, GPU-h": one.had / _HOUR,
            "ideal, GPU-h": one.ideal / _HOUR,
            "off, %": 100 * one.off,
            "worst day beyond 2 %, GPU-h": one.worst / _HOUR,
            "largest box, GPU-h": boxes[one.company] / _HOUR,
        }
        for one in found.backlogs
        if one.seconds
    ]


def largest(jobs: Sequence[CompanyJob]) -> dict[str, int]:
    """The GPU-seconds of each company's largest box."""
    found: dict[str, int] = {}
    for job in jobs:
        found[job.company] = max(found.get(job.company, 0), job.processors * job.run_s)
    return found
