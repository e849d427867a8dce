"""What was had and used, in GPU-seconds that add up: over any stretch of time, and in reports of whole days."""

from typing import Literal

from dure.wire.values import CompanyName, Day, Instant, PoolName, Wire

ReportCut = Literal["lease", "company", "pool", "day", "group"]
"""By what a report is cut."""


class Used(Wire):
    """GPU-seconds; leased = busy + idle + unknown, to the second. Energy is null where no GPU told of any."""

    leases: int
    leased_gpu_seconds: int
    """Inside boxes: from start (or promised start, when we were late) to stop, times GPUs, less what was lost."""
    busy_gpu_seconds: int
    """Of the leased ones, the GPU's measured utilisation times the time it was measured."""
    idle_gpu_seconds: int
    """Of the leased ones, the rest of the time it was measured."""
    unknown_gpu_seconds: int
    """Of the leased ones, those of which nobody measured anything: they are not idle."""
    lost_gpu_seconds: int
    """Inside boxes but not delivered because of us (late starts); refunded."""
    energy_joules: int | None
    """What the GPUs drew, by their own counters; null where none of them has one, as MIG instances have none. It is not zero then."""


class CompanyUsage(Used):
    """Of one company in one pool over `[since, until)`."""

    company: CompanyName
    pool: PoolName


class Usage(Wire):
    since: Instant
    until: Instant
    rows: list[CompanyUsage]


class ReportSum(Used):
    """A row's numbers, or the sum of all rows."""

    utilization_ppm: int | None
    """Busy of busy and idle, in millionths; null where nothing was measured."""
    memory_bytes: int | None
    """The memory in use, the mean over the GPUs while it was measured."""


class ReportRow(ReportSum):
    """What the report is not cut by is null; a lease has its company and its pool.

    `group` is the one that the company was in when the day ended, or `none`. Groups of one name are one, in whichever pools.
    """

    lease: str | None
    company: CompanyName | None
    pool: PoolName | None
    day: Day | None
    group: CompanyName | None = None


class UsageReport(Wire):
    """Whole days of the programme's zone, `[since, until)`; of a day that is not over, up to now.

    Every row is a sum of the same numbers, one for each lease and day: whatever it is cut by, the sums are the same.
    """

    zone: str
    since: Day
    until: Day
    at: Instant
    """As of when."""
    by: list[ReportCut]
    total: ReportSum | None
    """Of all rows, on whichever page; null on the pages after the first."""
    rows: list[ReportRow]
    next_cursor: str | None = None
