"""Whether the gap after each lease may be longer: leases that follow one another more closely stand in the way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scheduler.core.book import Book
from scheduler.core.model import Instant, Lease, LeaseId, NodeId
from scheduler.core.quota import HOLDING


@dataclass(frozen=True, slots=True, kw_only=True)
class TooClose:
    """Leases that begin sooner after others than the longer gap allows, and until when the last of these gaps lasts."""

    leases: tuple[LeaseId, ...]
    until: Instant


def too_close(before: Book, after: Book, now: Instant) -> TooClose | None:
    """What stands in the way of `after`, which is `before` with a longer gap; None where nothing does."""
    on = _by_node(after)
    short = [(node, at) for node in after.names for at in _short(before, after, node, now)]
    if not short:
        return None
    gap_s = after.policy.gap_s
    close = {lease.id for node, at in short for lease in _followers(on.get(node, ()), at, gap_s)}
    ends = [
        (lease.stops_at or 0) + gap_s for node, at in short for lease in on.get(node, ()) if _in_gap(lease, at, gap_s)
    ]
    return TooClose(leases=tuple(sorted(close)), until=Instant(max(ends, default=max(at for _, at in short))))


def _short(before: Book, after: Book, node: NodeId, now: Instant) -> Iterator[int]:
    """The instants from which the node has less than nothing, and less than before."""
    old, new = before.free.steps(before.rows[node]), after.free.steps(after.rows[node])
    for at in sorted({max(now, at) for at in (*old.times, *new.times)}):
        if new.at(at) < min(0, old.at(at)):
            yield at


def _followers(on: tuple[Lease, ...] | list[Lease], at: int, gap_s: int) -> Iterator[Lease]:
    """Who stands in its box at that instant, and began in what would be another's gap."""
    for lease in on:
        begins = lease.starts_at or 0
        if lease.state in HOLDING and begins <= at < (lease.stops_at or 0):
            others = (other for other in on if other is not lease)
            if any((other.stops_at or 0) <= begins < (other.stops_at or 0) + gap_s for other in others):
                yield lease


def _in_gap(lease: Lease, at: int, gap_s: int) -> bool:
    return (lease.stops_at or 0) <= at < (lease.stops_at or 0) + gap_s


def _by_node(book: Book) -> Mapping[NodeId, list[Lease]]:
    found: dict[NodeId, list[Lease]] = {}
    for lease in book.leases.values():
        for node, _ in lease.placement:
            found.setdefault(node, []).append(lease)
    return found
