"""The fleet at one instant, as `dure top` shows it: what the API's answers come to. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dure import wire
from dure.wire import GpuState, LeaseState

SICK = (GpuState.UNHEALTHY, GpuState.QUARANTINED, GpuState.UNKNOWN)
_HOLDS = (LeaseState.ACTIVE, LeaseState.ENDING)


class Top(wire.Wire):
    """`nodes` is null for whom it is not: companies see pools and leases alone. Calendars hold one of each pool."""

    at: wire.Instant
    pools: list[wire.Pool]
    calendars: list[wire.Calendar]
    queued: list[wire.Lease]
    """Those that wait, the oldest first."""
    nodes: list[wire.Node] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolNow:
    """GPUs by where they are; `draining` are those of nodes that are out of service, whatever else they are, and None where nodes are
    not to be seen.
    """

    name: str
    gpus: int
    free: int
    held: int
    cleaning: int
    sick: int
    draining: int | None
    queued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A lease that starts or ends."""

    starts: bool
    at: datetime
    pool: str
    gpus: int
    company: str | None
    lease: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyNow:
    """What a company has now. `busy_percent` is the mean over the GPUs that say it; None where none does."""

    name: str
    leases: int
    gpus: int
    busy_percent: int | None
    next_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeNow:
    name: str
    state: wire.NodeState
    drained: bool
    gpus: int
    free: int
    held: int
    sick: int
    busy_percent: int | None
    hottest_celsius: int | None
    silent_s: int | None

    @property
    def rank(self) -> tuple[bool, bool, int, str]:
        """Who needs somebody comes first."""
        return self.state is not wire.NodeState.UNKNOWN, not self.drained, -self.sick, self.name


def pools(found: Top, now: datetime) -> list[PoolNow]:
    """In the API's order."""
    draining = None if found.nodes is None else _draining(found.nodes, now)
    return [
        PoolNow(
            name=pool.name,
            gpus=sum(pool.gpus.values()),
            free=startable(pool),
            held=pool.gpus.get(GpuState.LEASED, 0),
            cleaning=pool.gpus.get(GpuState.CLEANING, 0),
            sick=sum(pool.gpus.get(state, 0) for state in SICK),
            draining=None if draining is None else draining.get(pool.name, 0),
            queued=pool.queued,
        )
        for pool in found.pools
    ]


def _draining(nodes: Iterable[wire.Node], now: datetime) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for node in nodes:
        for gpu in node.gpus if is_drained(node, now) else ():
            if gpu.pool is not None:
                found[gpu.pool] = found.get(gpu.pool, 0) + 1
    return found


def startable(pool: wire.Pool) -> int:
    """GPUs that a lease could start on now: the free ones of nodes that are in service."""
    return pool.gpus.get(GpuState.FREE, 0) - pool.free_draining


def free_on(node: wire.Node, now: datetime) -> int:
    """The same of a node."""
    return 0 if is_drained(node, now) else sum(gpu.state is GpuState.FREE for gpu in node.gpus)


def is_drained(node: wire.Node, now: datetime) -> bool:
    """Out of service now."""
    return any(one.starts_at <= now < one.ends_at for one in node.drains)


def edges(found: Top) -> list[Edge]:
    """What starts and ends within the calendars, the next first."""
    made = [_edge(calendar.pool, one) for calendar in found.calendars for one in calendar.bookings]
    return sorted(
        (one for one in made if one is not None), key=lambda one: (one.at, one.starts, one.pool, one.lease or "")
    )


def _edge(pool: str, one: wire.Booking) -> Edge | None:
    starts = one.state is LeaseState.SCHEDULED
    if not starts and one.state not in _HOLDS:
        return None
    at = one.starts_at if starts else one.ends_at
    return Edge(starts=starts, at=at, pool=pool, gpus=one.gpus, company=one.company, lease=one.lease)


def companies(found: Top) -> list[CompanyNow]:
    """Those that have GPUs now, the largest first. Whose is not to be seen is left out."""
    busy = _busy_by_lease(found.nodes or ())
    held: dict[str, list[wire.Booking]] = {}
    for calendar in found.calendars:
        for one in calendar.bookings:
            if one.company is not None and one.state in _HOLDS:
                held.setdefault(one.company, []).append(one)
    made = [
        CompanyNow(
            name=name,
            leases=len(bookings),
            gpus=sum(one.gpus for one in bookings),
            busy_percent=_mean([value for one in bookings for value in busy.get(one.lease or "", ())]),
            next_end=min(one.ends_at for one in bookings),
        )
        for name, bookings in held.items()
    ]
    return sorted(made, key=lambda one: (-one.gpus, one.name))


def _busy_by_lease(nodes: Iterable[wire.Node]) -> Mapping[str, Sequence[int]]:
    found: dict[str, list[int]] = {}
    for gpu in (gpu for node in nodes for gpu in node.gpus):
        if gpu.lease is not None and gpu.utilization_percent is not None:
            found.setdefault(gpu.lease, []).append(gpu.utilization_percent)
    return found


def nodes(found: Top, now: datetime) -> list[NodeNow]:
    """Those that need somebody first."""
    return sorted((_node(one, now) for one in found.nodes or ()), key=lambda one: one.rank)


def _node(found: wire.Node, now: datetime) -> NodeNow:
    heat = [gpu.temperature_celsius for gpu in found.gpus if gpu.temperature_celsius is not None]
    return NodeNow(
        name=found.name,
        state=found.state,
        drained=is_drained(found, now),
        gpus=len(found.gpus),
        free=free_on(found, now),
        held=sum(gpu.state is GpuState.LEASED for gpu in found.gpus),
        sick=sum(gpu.state in SICK for gpu in found.gpus),
        busy_percent=_mean([gpu.utilization_percent for gpu in found.gpus if gpu.utilization_percent is not None]),
        hottest_celsius=max(heat, default=None),
        silent_s=found.silent_s,
    )


def _mean(values: Sequence[int]) -> int | None:
    return round(sum(values) / len(values)) if values else None
