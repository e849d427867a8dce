"""What would be different with another quota, fleet or policy, now: the pool planned twice, as it is and as it would be.

Nothing here changes anything: both plans are values. What would have been different in the past is `core.hindsight`'s.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from scheduler.core.book import Book
from scheduler.core.codec import Item
from scheduler.core.decide import decide
from scheduler.core.lease import asked
from scheduler.core.lines import Queue
from scheduler.core.model import Ask, CompanyId, Instant, Lease, LeaseId, Node, NodeId, Policy, Promise, State
from scheduler.core.quota import Quota
from scheduler.core.replan import expectation, replan


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is different: other quotas, nodes more or less, another policy."""

    quotas: Mapping[CompanyId, int] = field(default_factory=dict[CompanyId, int])
    added: tuple[Node, ...] = ()
    removed: tuple[NodeId, ...] = ()
    policy: Policy | None = None

    def __bool__(self) -> bool:
        return bool(self.quotas or self.added or self.removed or self.policy)

    def apply(self, book: Book, now: Instant) -> Book:
        """The book with them; a node that is not there cannot be less."""
        gone = (_without(book.nodes[node], book.policy, now) for node in self.removed if node in book.nodes)
        quotas = (_with_gpus(book, company, gpus) for company, gpus in self.quotas.items())
        items: list[Item] = [*([] if self.policy is None else [self.policy]), *self.added, *gone, *quotas]
        return book.changed(items)

    def keep(self, item: Item, policy: Policy, now: Instant) -> Item | None:
        """What becomes of something that really changed; None where it is one of those that are different."""
        match item:
            case Quota():
                gpus = self.quotas.get(item.company)
                return item if gpus is None else replace(item, gpus=gpus)
            case Node():
                return _without(item, policy, now) if item.id in self.removed else item
            case Policy():
                return None if self.policy is not None else item
            case _:
                return item


def _with_gpus(book: Book, company: CompanyId, gpus: int) -> Quota:
    """The company's quota with so many GPUs at once, all else in it as it is."""
    return replace(book.quotas.get(company, Quota(company=company, gpus=gpus)), gpus=gpus)


def _without(node: Node, policy: Policy, now: Instant) -> Node:
    """A node that gives nothing any more, and has not for so long that nobody waits for it."""
    return replace(node, capacity=0, nominal=0, open=False, lost_at=Instant(now - policy.loss_grace_s))


class Change(StrEnum):
    """What became of one lease."""

    SAME = "same"
    EARLIER = "earlier"
    LATER = "later"
    GRANTED = "granted"
    """It has a promise where it had none."""
    LOST = "lost"
    """It has none where it had one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How a lease stands: its state, its promise, its slot, and when it starts as far as is known."""

    state: State
    promised: Instant | None = None
    starts_at: Instant | None = None
    estimate: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One lease as it is and as it would be. `by_s` is how much earlier (below zero) or later it would start."""

    lease: LeaseId
    company: CompanyId
    gpus: int
    before: Outlook
    after: Outlook
    change: Change
    by_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Every lease that waits or is queued, those that were refused lately and would be granted, and those that run on
    nodes which would be gone.
    """

    waiting: tuple[Difference, ...]
    refused: tuple[Difference, ...]
    struck: tuple[LeaseId, ...]


def live(book: Book, queue: Queue, refused: Sequence[tuple[LeaseId, Ask]], changes: Changes, now: Instant) -> Live:
    """Both plans, compared. `refused` are asks whose windows are not over."""
    other = changes.apply(book, now)
    before, after = _outlooks(book, queue, now), _outlooks(other, queue, now)
    who = {lease.id: (lease.company, lease.gpus) for lease in book.leases.values()}
    who |= {lease_id: (ask.company, ask.shape.gpus) for lease_id, ask, _ in queue}
    return Live(
        waiting=tuple(difference(lease, *who[lease], before[lease], after[lease]) for lease in before),
        refused=tuple(found for one in refused if (found := _granted(book, other, *one, now)) is not None),
        struck=tuple(sorted(lease.id for lease in book.leases.values() if is_struck(lease, changes))),
    )


def difference(lease: LeaseId, company: CompanyId, gpus: int, before: Outlook, after: Outlook) -> Difference:
    """What became of a lease: its promise first, and where that is the same, when it starts."""
    change, by_s = Change.SAME, None
    if (before.promised is None) != (after.promised is None):
        change = Change.GRANTED if before.promised is None else Change.LOST
    else:
        by_s = _by(before.promised, after.promised) or _by(before.estimate, after.estimate)
        change = Change.SAME if not by_s else Change.EARLIER if by_s < 0 else Change.LATER
    return Difference(
        lease=lease, company=company, gpus=gpus, before=before, after=after, change=change, by_s=by_s or None
    )


def _by(before: int | None, after: int | None) -> int:
    return 0 if before is None or after is None else after - before


def _outlooks(book: Book, queue: Queue, now: Instant) -> dict[LeaseId, Outlook]:
    """Everything that waits, once the pool was planned again."""
    plan = replan(book, queue, now)
    dropped = [asked(move.after) for move in plan.moves if move.after.state is State.QUEUED]
    left = [one for one in queue if one[0] not in plan.pulled]
    rest = sorted((*left, *dropped), key=lambda one: (one[2], one[0])) if dropped else left
    expected = expectation(plan.book, rest, now).starts
    found = {
        lease.id: Outlook(
            state=State.SCHEDULED,
            promised=lease.promised_start,
            starts_at=lease.starts_at,
            estimate=expected.get(lease.id, lease.starts_at),
        )
        for lease in plan.book.leases.values()
        if lease.state is State.SCHEDULED
    }
    queued = {lease_id: Outlook(state=State.QUEUED, estimate=expected.get(lease_id)) for lease_id, _, _ in rest}
    return found | queued


def _granted(book: Book, other: Book, lease: LeaseId, ask: Ask, now: Instant) -> Difference | None:
    """One that would be refused as things are, and would not be as they would be."""
    ask = replace(ask, queue=False)
    before, after = (decide(one, [(lease, ask)], now).verdicts[0] for one in (book, other))
    if isinstance(before, Promise) or not isinstance(after, Promise):
        return None
    outlook = Outlook(state=State.SCHEDULED, promised=after.promised, starts_at=after.start, estimate=after.estimate)
    return difference(lease, ask.company, ask.shape.gpus, Outlook(state=State.REFUSED), outlook)


def is_struck(lease: Lease, changes: Changes) -> bool:
    """Whether it runs on a node that would be gone: what runs is never moved."""
    runs = lease.state in (State.ACTIVE, State.ENDING)
    return runs and any(node in changes.removed for node, _ in lease.placement)


def totals(found: Iterable[Difference]) -> dict[str, int]:
    """How many there are of each change, and by how many seconds together."""
    numbers = dict.fromkeys((change.value for change in Change), 0) | {"earlier_s": 0, "later_s": 0}
    for one in found:
        numbers[one.change.value] += 1
        if one.by_s is not None:
            numbers["earlier_s" if one.by_s < 0 else "later_s"] += abs(one.by_s)
    return numbers
