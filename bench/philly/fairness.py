"""What each company had beside its weighted max-min, when the Philly asks are served by shares."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.philly import ideal
from bench.philly.ideal import STRETCH_S, TOLERANCE, Backlog, Stretch
from bench.philly.lending import LendingDrive
from bench.philly.sharing import SharingDrive
from bench.philly.trace import CompanyJob
from bench.replay.metrics import Outcome, bounded_slowdown, mean, utilisation
from bench.results import Row, Value
from scheduler.core.model import Policy

HALF_LIFE_S = 14 * 86_400
"""Of this run: as long as the trace, so that what is owed on its first day is still worth half on its last."""

_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A replay by shares: every time that a job ran, and how everybody stood."""

    jobs: Sequence[CompanyJob]
    stretches: Sequence[Stretch]
    shares: Mapping[str, int]
    gpus: int
    backlogs: Sequence[Backlog]
    decisions_per_s: float

    @property
    def ends(self) -> Mapping[int, int]:
        """When each job was done."""
        return {one.job.id: one.end for one in sorted(self.stretches, key=lambda one: one.end)}


def replay(
    jobs: Sequence[CompanyJob],
    *,
    gpus: int,
    quota: int,
    policy: Policy,
    shares: Mapping[str, int],
    notice_s: int | None = None,
) -> Shared:
    """With a notice companies take spot too, of which they are told that long before it is preempted."""
    drive = (SharingDrive if notice_s is None else LendingDrive).among(
        jobs, gpus=gpus, quota=quota, policy=policy, shares=shares
    )
    if isinstance(drive, LendingDrive):
        drive.notice_s = notice_s or 0
    began = time.perf_counter()
    outcomes = drive.run()
    took_s = time.perf_counter() - began
    stretches = drive.stretches if isinstance(drive, LendingDrive) else list(map(_whole, jobs, outcomes))
    return Shared(
        jobs=jobs,
        stretches=stretches,
        shares=shares,
        gpus=gpus,
        backlogs=ideal.backlogs(list(ideal.moments(stretches)), shares, gpus),
        decisions_per_s=drive.decisions / took_s,
    )


def _whole(job: CompanyJob, found: Outcome) -> Stretch:
    """The one time that a job runs which is not preempted."""
    return Stretch(job=job, asked=job.submit, promised=found.first_promised, start=found.start, end=found.end)


def figures(found: Shared) -> dict[str, Value]:
    """A day is a stretch of `STRETCH_S` or longer of the time in which a company was backlogged."""
    late = [one.start - one.promised for one in found.stretches if one.start > one.promised]
    ends = found.ends
    starts = [ends[job.id] - job.run_s for job in found.jobs]
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
    } | _lent(found)


def _lent(found: Shared) -> dict[str, Value]:
    """What was had on spot, how often that was preempted, and what would be lost then if nothing were saved in the notice."""
    spot, ends = [one for one in found.stretches if one.spot], found.ends
    if not spot:
        return {}
    cut = [one for one in spot if one.end < ends[one.job.id]]
    return {
        "spot_gpu_hours": sum(one.gpu_seconds for one in spot) / _HOUR,
        "of_all_gpu_hours": sum(one.gpu_seconds for one in found.stretches) / _HOUR,
        "preempted": len(cut),
        "jobs_preempted": len({one.job.id for one in cut}),
        "gpu_hours_lost_without_a_checkpoint": sum(one.gpu_seconds for one in cut) / _HOUR,
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
