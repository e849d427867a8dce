"""The slow and obvious way to answer what the calendar answers: count every GPU of every node at every second.

Shares no code with the core but its values, so that the two can disagree.
"""

from collections import Counter
from collections.abc import Iterable

from scheduler.core.model import Ask, CompanyId, Gang, Instant, Lease, Node, NodeId, Policy, Shape, State

LIVE = (State.SCHEDULED, State.ACTIVE, State.ENDING)


def holds(lease: Lease, instant: int, gap_s: int = 0) -> bool:
    """Whether that second lies in the lease's time, with so much of a gap after it."""
    if lease.starts_at is None or lease.stops_at is None:
        return False
    return lease.starts_at <= instant < lease.stops_at + gap_s


def used(leases: Iterable[Lease], node: NodeId, instant: int, gap_s: int) -> int:
    """GPUs of the node that leases hold, or leave behind to be cleaned, at that second."""
    on_gpus = [lease for lease in leases if lease.state in LIVE or (lease.state == State.ENDED and lease.started_at)]
    return sum(dict(lease.placement).get(node, 0) for lease in on_gpus if holds(lease, instant, gap_s))


def held(leases: Iterable[Lease], company: CompanyId, instant: int) -> int:
    """GPUs that the company's leases hold at that second, by what they were granted."""
    own = [lease for lease in leases if lease.company == company and lease.state in LIVE]
    return sum(gpus for lease in own if holds(lease, instant) for _, gpus in lease.placement)


def on(lease: Lease, node: NodeId, instant: int, gap_s: int) -> bool:
    """Whether the lease has GPUs of the node at that second, or leaves some behind to be cleaned."""
    return _has_gpus(lease) and holds(lease, instant, gap_s) and any(its == node for its, _ in lease.placement)


def usage(leases: Iterable[Lease], gap_s: int) -> Counter[tuple[NodeId, int]]:
    """GPUs of each node that leases have at each second."""
    found: Counter[tuple[NodeId, int]] = Counter()
    for lease in leases:
        if _has_gpus(lease) and lease.starts_at is not None and lease.stops_at is not None:
            for instant in range(lease.starts_at, lease.stops_at + gap_s):
                for node, gpus in lease.placement:
                    found[node, instant] += gpus
    return found


def holdings(leases: Iterable[Lease]) -> Counter[tuple[CompanyId, int]]:
    """GPUs that each company holds at each second."""
    found: Counter[tuple[CompanyId, int]] = Counter()
    for lease in leases:
        if lease.state in LIVE and lease.starts_at is not None and lease.stops_at is not None:
            for instant in range(lease.starts_at, lease.stops_at):
                found[lease.company, instant] += sum(gpus for _, gpus in lease.placement)
    return found


def _has_gpus(lease: Lease) -> bool:
    return lease.state in LIVE or (lease.state == State.ENDED and lease.started_at is not None)


def fits(shape: Shape, nodes: Iterable[Node], leases: list[Lease], start: int, length: int, gap_s: int) -> bool:
    free = [
        min(node.capacity - used(leases, node.id, instant, gap_s) for instant in range(start, start + length))
        for node in nodes
        if node.open
    ]
    if isinstance(shape, Gang):
        return sum(1 for gpus in free if gpus >= shape.gpus_per_node) >= shape.nodes
    return sum(gpus for gpus in free if gpus > 0) >= shape.gpus


def earliest(
    ask: Ask, nodes: list[Node], leases: list[Lease], policy: Policy, quota_gpus: int, now: Instant
) -> int | None:
    """Every second of the ask's window, one after the other."""
    last = now + policy.horizon_s - ask.duration_s
    if ask.start_by is not None:
        last = min(last, ask.start_by)
    elif ask.start is not None:
        last = min(last, ask.start)
    for start in range(max(now, ask.start or now), last + 1):
        in_quota = all(
            held(leases, ask.company, instant) + ask.shape.gpus <= quota_gpus
            for instant in range(start, start + ask.duration_s)
        )
        if in_quota and fits(ask.shape, nodes, leases, start, ask.duration_s + policy.gap_s, policy.gap_s):
            return start
    return None


def charged(lease: Lease, instant: int) -> int:
    """GPUs that the company is charged with at that second: of its whole box, or once it is over of what it ran."""
    begin, end = lease.starts_at, lease.ends_at
    if lease.state is State.ENDED:
        begin, end = lease.started_at, lease.stops_at
    elif lease.state not in LIVE:
        return 0
    if begin is None or end is None or not begin <= instant < end:
        return 0
    before = [span.gpus for span in lease.history if span.starts_at <= instant < span.ends_at]
    return before[0] if before else lease.shape.gpus
