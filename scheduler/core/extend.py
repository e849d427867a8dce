"""A later or earlier end for a lease that is promised or runs. Nobody else's time moves for it.

What runs goes on on its own nodes. Scheduled leases in its way are placed on other nodes at the same start, one after the
other in the order in which they are in the way and as few as it takes, until one of them cannot be: that far it can be
extended, and no refusal is further than a grant would be. What is only scheduled has other nodes itself before anybody
else has, where that goes as far.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from scheduler.core import above, preemption
from scheduler.core.above import Rivals
from scheduler.core.ahead import first
from scheduler.core.book import Book
from scheduler.core.budget import lasts, left
from scheduler.core.calendar import Box, fits, free_from
from scheduler.core.decide import moves
from scheduler.core.draft import Draft
from scheduler.core.lease import stretched
from scheduler.core.model import Cause, Drain, Instant, Lease, LeaseId, NodeId, Policy, State
from scheduler.core.placement import kept
from scheduler.core.quota import FOR_EVER
from scheduler.core.reserve import RESERVE
from scheduler.core.shapes import most
from scheduler.core.spares import make_way, stands_on
from scheduler.core.walk_in import AHEAD, soon_of

EXTENDABLE = frozenset({State.SCHEDULED, State.ACTIVE})
"""The states in which a lease may be given another end."""

What = Literal["horizon", "quota", "longest", "budget", "reserve", "share", "walk_in", "drain", "promise", "capacity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """What a lease cannot be extended past: from `at` on it has not what it would need. `leases` are those in the way, or
    `drain` is, which may have begun before.
    """

    what: What
    at: Instant
    leases: tuple[LeaseId, ...] = ()
    drain: Drain | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """The lease with its new end, the book afterwards, and whom it moved to other nodes: before, after.

    `obstacle` is what kept it from going as far as was asked.
    """

    lease: Lease
    book: Book
    moves: tuple[tuple[Lease, Lease], ...]
    obstacle: Obstacle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotExtended:
    """What is in the way, and how many seconds more are possible."""

    obstacle: Obstacle
    longest_s: int


def is_extendable(lease: Lease) -> bool:
    """Whether it may be given another end: spot never is."""
    return lease.state in EXTENDABLE and not lease.is_spot


def closes_at(lease: Lease, closes_s: int) -> Instant | None:
    """From when on the lease is not extended any more, by its pool's policy; None while it has no end.

    That is never before half of its box is over, so that a short one can be extended at all.
    """
    if lease.ends_at is None:
        return None
    return Instant(lease.ends_at - min(closes_s, lease.duration_s // 2))


def closed(lease: Lease, policy: Policy, now: Instant) -> bool:
    """Whether it is too late to extend it. What has not started yet never is."""
    closes = closes_at(lease, policy.extension_closes_s)
    return lease.state is not State.SCHEDULED and (closes is None or now >= closes)


def closed_at(lease: Lease, policy: Policy, now: Instant) -> Instant | None:
    """When extending closed, if it has; at the latest when the grace before its end began."""
    runs_out = lease.state is State.ENDING and lease.end_cause is Cause.EXPIRED
    if runs_out or (lease.state is State.ACTIVE and closed(lease, policy, now)):
        return closes_at(lease, policy.extension_closes_s)
    return None


def extend(
    book: Book, lease_id: LeaseId, until: int, now: Instant, *, partly: bool = False, rivals: Rivals | None = None
) -> Extended | NotExtended:
    """The lease until then; with `partly`, as long as possible up to then. The lease is scheduled or active.

    `rivals` as `core.above` takes them.
    """
    lease = book.leases[lease_id]
    assert lease.ends_at is not None
    found = _on_its_own(book, lease, until, now, rivals)
    if lease.state is State.SCHEDULED and (found.obstacle is not None or found.moves):
        anywhere = _on_any(book, lease, until, now, rivals)
        found = max(found, anywhere, key=lambda one: (_end(one), -len(one.moves)))
    longest_s = _end(found) - lease.ends_at
    if found.obstacle is None or (partly and longest_s > 0):
        return found
    return NotExtended(obstacle=found.obstacle, longest_s=longest_s)


def _end(found: Extended) -> int:
    assert found.lease.ends_at is not None
    return found.lease.ends_at


def _on_its_own(book: Book, lease: Lease, until: int, now: Instant, rivals: Rivals | None) -> Extended:
    """As far as `until`, on the nodes that it has."""
    draft = preemption.opened(Draft(book), now)
    draft.lift(lease.id)
    way = _Way(draft=draft, lease=lease, limit=_limit(draft, book, lease, now, rivals), now=now)
    end, short = way.cleared(until)
    obstacle = None
    if end < until:
        obstacle = way.limit if short is None else way.obstacle(short, end + draft.policy.gap_s)
    reached = Instant(max(min(end, until), lease.ends_at or 0))
    return _sealed(book, draft, lease, stretched(lease, reached), obstacle)


def _on_any(book: Book, lease: Lease, until: int, now: Instant, rivals: Rivals | None) -> Extended:
    """As far as `until` at its own start, on any nodes, as many as possible of them those that it has."""
    assert lease.ends_at is not None
    draft = preemption.opened(Draft(book), now)
    draft.lift(lease.id)
    limit = _limit(draft, book, lease, now, rivals)
    start, end = max(now, lease.starts_at or 0), lease.ends_at
    box = Box.of(draft, lease.company, lease.shape, end - start).unlimited()
    goal = min(until, limit.at)
    more = most(lambda more: fits(draft, replace(box, duration_s=end - start + more), start), goal - end)
    reached = Instant(end + more)
    longer = stretched(lease, reached)
    placement = (
        kept(draft, lease.shape, lease.placement, start, reached + draft.policy.gap_s, lease.purpose) if more else None
    )
    obstacle = None
    if reached < until:
        obstacle = limit if reached == limit.at else Obstacle(what="capacity", at=reached)
    return _sealed(book, draft, lease, replace(longer, placement=placement or lease.placement), obstacle)


def _sealed(book: Book, draft: Draft, before: Lease, after: Lease, obstacle: Obstacle | None) -> Extended:
    draft.put(after)
    preemption.settle(draft)
    changed = tuple(pair for pair in moves(book, draft) if pair[0].id != before.id)
    return Extended(lease=after, book=draft.seal(), moves=changed, obstacle=obstacle)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """A lease, lifted out of the draft, and what is in its way on its own nodes. It goes no further than its `limit`."""

    draft: Draft
    lease: Lease
    limit: Obstacle
    now: Instant

    def cleared(self, goal: int) -> tuple[int, NodeId | None]:
        """The latest end up to `goal` or the first beyond it, once others made way; and the node that is short then.

        Who would make way is the same whatever the goal is; who did for nothing in the end is put back.
        """
        end, short = self._reached()
        in_vain: list[Lease] = []
        while short is not None and end < goal:
            was = self._made_way(short, end + self.draft.policy.gap_s)
            if was is None:
                break
            in_vain.append(was)
            further, short = self._reached()
            if further > end:
                end = further
                in_vain.clear()
        for was in reversed(in_vain):
            self.draft.put(was)
        return end, short

    def _reached(self) -> tuple[int, NodeId | None]:
        """The latest end at which nobody has to make way, and the node that is short then; None for the limit's."""
        found: tuple[int, NodeId | None] = self.limit.at, None
        gap_s = self.draft.policy.gap_s
        for node, gpus in self.lease.placement:
            if node in self.draft.rows:
                row, ends_at = self.draft.rows[node], self.lease.ends_at or 0
                end = free_from(self.draft, row, ends_at, gpus, self.limit.at + gap_s) - gap_s
                found = min(found, (end, node), key=lambda one: one[0])
        return found

    def _made_way(self, node: NodeId, at: int) -> Lease | None:
        standing, others = stretched(self.lease, self.limit.at), self.draft.leases.values()
        return make_way(self.draft, standing, others, node, at, self.now)

    def obstacle(self, node: NodeId, at: int) -> Obstacle:
        """Why the node does not have what it would take from that instant on."""
        drains = (drain for drain in self.draft.drains.values() if drain.node == node)
        drain = first(drain for drain in drains if drain.starts_at <= at < drain.ends_at)
        if drain is not None:
            return Obstacle(what="drain", at=Instant(at), drain=drain)
        promised = [
            other.id
            for other in self.draft.leases.values()
            if other.state is State.SCHEDULED and stands_on(self.draft, other, node, at)
        ]
        return Obstacle(what="promise" if promised else "capacity", at=Instant(at), leases=tuple(sorted(promised)))


def _limit(draft: Draft, book: Book, lease: Lease, now: Instant, rivals: Rivals | None) -> Obstacle:
    """What nobody can make way for: the horizon, the company's quota and share, and the reserves; from then on one holds."""
    assert lease.ends_at is not None
    horizon = max(now + draft.policy.horizon_s, lease.ends_at)
    quota = draft.limits.steps(draft.account(lease.company)).lasting(lease.ends_at, lease.gpus, FOR_EVER)
    ends: list[tuple[int, What]] = [(horizon, "horizon"), (quota, "quota"), *_by_its_quota(draft, lease)]
    if draft.policy.reserve_ppm:
        ends.append((_reserve_allows(draft, book, lease, now), "reserve"))
    ends.append((above.lasts(draft, book, lease, now, rivals), "share"))
    if (soon := soon_of(draft.policy, lease, now)) is not None:
        ahead = draft.limits.steps(AHEAD)
        ends.append((ahead.lasting(max(lease.ends_at, soon), lease.gpus, FOR_EVER), "walk_in"))
    at, what = min(ends, key=lambda end: end[0])
    return Obstacle(what=what, at=Instant(at))


def _by_its_quota(draft: Draft, lease: Lease) -> Iterator[tuple[int, What]]:
    """Up to when it may last by what its company's quota limits beside GPUs at once; never before its end."""
    quota = draft.quotas.get(lease.company)
    if quota is None:
        return
    if quota.longest_s is not None:
        yield max(lease.ends_at or 0, (lease.starts_at or 0) + quota.longest_s), "longest"
    standing = draft.standing(lease.company)
    if quota.periods and standing is not None:
        yield lasts(left(quota, standing), lease), "budget"


def _reserve_allows(draft: Draft, book: Book, lease: Lease, now: Instant) -> int:
    """Up to when it may last: a box that grows long is held to the reserve from now on, one that is long goes on in it."""
    starts_at, ends_at = lease.starts_at or Instant(0), lease.ends_at or Instant(0)
    reserve = draft.limits.steps(RESERVE)
    if lease.id in book.reserved:
        return reserve.lasting(ends_at, lease.gpus, FOR_EVER)
    if draft.reserve(FOR_EVER, lease.gpus) < 0:
        return FOR_EVER
    short = starts_at + draft.policy.reserve_over_s
    return max(ends_at, short, reserve.lasting(max(now, starts_at), lease.gpus, FOR_EVER))
