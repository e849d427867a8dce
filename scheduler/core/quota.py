"""What a company may hold of a pool, and what it holds over time. The gap after a lease is not the company's."""

from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.core.model import CompanyId, Instant, Lease, State
from scheduler.core.steps import Steps

FOR_EVER = 1 << 40
"""Later than any end: what is not limited, and where estimates look, beyond the horizon."""

HOLDING = frozenset({State.SCHEDULED, State.ACTIVE, State.ENDING})
"""The states in which a lease counts against its company's concurrent limit."""


def held(leases: Iterable[Lease]) -> Steps:
    """The GPUs that these leases hold together over time."""
    total = Steps.flat(0)
    for lease in leases:
        if not lease.is_spot and lease.state in HOLDING and lease.starts_at is not None and lease.stops_at is not None:
            total = total.add(lease.starts_at, lease.stops_at, lease.gpus)
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """So many GPU-seconds may be used in `[begins_at, ends_at)`, of which leases that are over have used `spent`."""

    begins_at: Instant
    ends_at: Instant
    gpu_seconds: int
    spent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a company may hold in a pool: `gpus` at every instant, and more, where that is limited too.

    A lease lasts `longest_s` at most, extensions among it, and starts `furthest_s` from when it is asked for at the
    latest. What has not started yet comes to `ahead_gpu_seconds` at most, and to `open_asks` with what is queued.
    `periods` are those of its budget, in order, and outside of them nothing may be held; without a budget there are none.
    """

    company: CompanyId
    gpus: int
    longest_s: int | None = None
    furthest_s: int | None = None
    ahead_gpu_seconds: int | None = None
    open_asks: int | None = None
    periods: tuple[Period, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether what the company's leases come to is limited, beside what it holds at once."""
        return bool(self.periods) or self.ahead_gpu_seconds is not None or self.open_asks is not None

    def last_start(self, now: Instant, ahead_gpu_seconds: int) -> int:
        """The latest start that may be booked at `now`, if that makes so many GPU-seconds that have not started."""
        if self.ahead_gpu_seconds is not None and ahead_gpu_seconds > self.ahead_gpu_seconds:
            return now
        return FOR_EVER if self.furthest_s is None else now + self.furthest_s
