"""Whatever happens: spot leases are in nobody's way, are told in time, and have what nobody else does."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.book import Book
from scheduler.core.calendar import Box, earliest
from scheduler.core.contention import ALWAYS, NONE
from scheduler.core.decide import decide, foretold
from scheduler.core.draft import Draft
from scheduler.core.lease import advance
from scheduler.core.model import (
    Ask,
    Cause,
    CompanyId,
    Gang,
    Instant,
    Lease,
    LeaseId,
    Node,
    NodeId,
    Promise,
    Queued,
    State,
    Tier,
    Total,
)
from scheduler.core.preemption import Borrowers, cut
from scheduler.core.replan import replan
from scheduler.core.rules import RULES
from scheduler.core.shares import Share
from tests.builders import a_node, a_policy, an_ask
from tests.effort import examples
from tests.property import slow

NODES = (a_node("n1", 4), a_node("n2", 3), a_node("n3", 3), a_node("n4", 1))
QUOTAS = {CompanyId("acme"): 6, CompanyId("bolt"): 6}
SHARES = (Share(company=CompanyId("acme"), shares=2), Share(company=CompanyId("bolt"), shares=3))
GAP_S, LEAST_S, HORIZON_S = 2, 4, 80
BEGIN = Instant(100)

shapes = st.one_of(
    st.builds(Gang, nodes=st.integers(1, 3), gpus_per_node=st.integers(1, 3)),
    st.builds(Total, gpus=st.integers(1, 6)),
)
asks = st.builds(
    an_ask,
    shapes,
    company=st.sampled_from(["acme", "bolt"]),
    duration_s=st.integers(1, 30),
    notice_s=st.sampled_from([0, 1, 3, 7]),
    tier=st.sampled_from([Tier.RESERVED, Tier.SPOT, Tier.SPOT]),
    or_spot=st.booleans(),
    queue=st.booleans(),
    min_size=st.none() | st.just(1),
)
steps = st.lists(
    st.one_of(
        st.lists(asks, min_size=1, max_size=3),
        st.integers(1, 6),
        st.tuples(st.just("stop"), st.integers(0, 20)),
        st.tuples(st.just("lose"), st.sampled_from([node.id for node in NODES]), st.integers(0, 4)),
    ),
    min_size=1,
    max_size=25,
)


@dataclass
class World:
    """A pool, with everything that ever was in it; `told` is when each spot lease was told to stop, and when it stops."""

    book: Book
    now: Instant = BEGIN
    queue: list[tuple[LeaseId, Ask, Instant]] = field(default_factory=list[tuple[LeaseId, Ask, Instant]])
    leases: dict[LeaseId, Lease] = field(default_factory=dict[LeaseId, Lease])
    promised: dict[LeaseId, Instant] = field(default_factory=dict[LeaseId, Instant])
    asked: int = 0

    @classmethod
    def of(cls, **policy: Any) -> "World":
        plain = {
            "horizon_s": HORIZON_S,
            "gap_s": GAP_S,
            "spot_least_s": LEAST_S,
            "loss_grace_s": 0,
            "slack_ppm": 100_000,
        }
        return cls(Book.of(a_policy(**{**plain, **policy}), NODES, quotas=QUOTAS, fair=SHARES))

    def live(self, step: object) -> None:
        match step:
            case int():
                for _ in range(step):
                    self._second()
            case list():
                self._ask(step)  # pyright: ignore[reportUnknownArgumentType]
            case ("stop", int() as which):
                self._stop(which)
            case ("lose", str() as node, int() as capacity):
                old = self.book.nodes[NodeId(node)]
                self._lose(replace(old, capacity=min(capacity, old.nominal)))
            case _:
                raise AssertionError(step)
        self._plan()

    def _ask(self, asks: list[Ask]) -> None:
        pairs = [(LeaseId(f"lea_{self.asked + k:03}"), ask) for k, ask in enumerate(asks)]
        self.asked += len(asks)
        alone = self._without_spot()
        if len(asks) == 1:
            assert _same(foretold(self.book, asks[0], self.now), decide(self.book, pairs, self.now).verdicts[0])
        decided = decide(self.book, pairs, self.now)
        for (lease_id, ask), one in zip(pairs, decided.verdicts, strict=True):
            if isinstance(one, Promise):
                self.promised[lease_id] = one.promised
                lease = decided.book.leases[lease_id]
                assert lease.is_spot or (lease.promised_start, lease.starts_at) == (one.promised, one.start)
                assert not lease.is_spot or (one.start == self.now and one.stop == lease.stops_at)
            elif isinstance(one, Queued):
                self.queue.append((lease_id, ask, self.now))
        [(_, first), *_] = pairs
        if first.tier is Tier.RESERVED and first.min_size is None and self.book.policy.contended == NONE:
            self._check_in_time(first, alone, decided.verdicts[0])
        self._keep(decided.book)

    def _check_in_time(self, ask: Ask, alone: Book, one: object) -> None:
        """It starts no later than it would with no spot lease there from when their notice would be over."""
        spots = [self.book.leases[id_] for id_ in self.book.spots]
        gone_at = max((_told_now(spot, self.now) + GAP_S for spot in spots), default=int(self.now))
        box = Box.of(alone, ask.company, ask.shape, ask.duration_s)
        start = earliest(alone, box, max(gone_at, self.now), self.now + HORIZON_S - ask.duration_s)
        if start is not None and start + ask.duration_s // 10 <= self.now + HORIZON_S - ask.duration_s:
            assert isinstance(one, Promise)
            assert one.promised <= start + ask.duration_s // 10

    def _without_spot(self) -> Book:
        rest = [lease for lease in self.book.leases.values() if lease.id not in self.book.spots]
        return Book.of(self.book.policy, self.book.nodes.values(), rest, self.book.quotas, fair=SHARES)

    def _plan(self) -> None:
        plan = replan(self.book, self.queue, self.now)
        for lease_id, one in plan.pulled.items():
            self.promised[lease_id] = one.promised
        self.queue = [one for one in self.queue if one[0] not in plan.pulled]
        for move in plan.moves:
            assert (move.cause is Cause.PREEMPTED) == (cut(move.after) and _stop(move.after) < _stop(move.before))
            if move.slipped_s and not move.after.is_spot:
                assert move.after.promised_start is not None
                self.promised[move.after.id] = move.after.promised_start
            if move.after.state is State.QUEUED:
                lease = move.after
                ask = an_ask(lease.shape, company=lease.company, duration_s=lease.duration_s, notice_s=lease.notice_s)
                self.queue.append((lease.id, ask, lease.asked_at))
                self.promised.pop(lease.id)
        again = replan(plan.book, self.queue, self.now)
        # What is reserved may have one start more to move to, when the spot that was just granted can be gone.
        assert not again.moves or not all(move.after.is_spot for move in again.moves)
        self._keep(plan.book)

    def _keep(self, book: Book) -> None:
        for lease_id in book.spots:
            before, after = self.book.leases.get(lease_id), book.leases[lease_id]
            if before is not None and _stop(after) < _stop(before) and after.state in (State.SCHEDULED, State.ACTIVE):
                assert _stop(after) >= _told_now(after, self.now)
        self.book = book
        self.leases |= book.leases
        self._starts()
        self._check()

    def _starts(self) -> None:
        for lease in list(self.book.leases.values()):
            if lease.state is State.SCHEDULED and (lease.starts_at or 0) <= self.now:
                self._put(advance(lease, State.ACTIVE, Cause.STARTED, self.now))

    def _put(self, lease: Lease) -> None:
        self.leases[lease.id] = lease
        self.book = self.book.put_lease(lease)

    def _second(self) -> None:
        self.now = Instant(self.now + 1)
        for lease in list(self.book.leases.values()):
            if lease.state is State.ACTIVE and _stop(lease) <= self.now:
                cause = Cause.PREEMPTED if cut(lease) else Cause.EXPIRED
                self._put(advance(advance(lease, State.ENDING, Cause.EXPIRED, self.now), State.ENDED, cause, self.now))
        self._starts()
        self._plan()

    def _stop(self, which: int) -> None:
        live = [one for one in self.book.leases.values() if one.state in (State.SCHEDULED, State.ACTIVE)]
        if not live:
            return
        lease = live[which % len(live)]
        if lease.state is State.SCHEDULED:
            self._put(advance(lease, State.CANCELLED, Cause.CANCELLED, self.now))
        else:
            ending = advance(lease, State.ENDING, Cause.RELEASED, self.now)
            self._put(advance(ending, State.ENDED, Cause.RELEASED, self.now))

    def _lose(self, node: Node) -> None:
        lost_at = None if node.capacity == node.nominal else self.now
        self.book = self.book.changed([replace(node, lost_at=lost_at)])

    def _check(self) -> None:
        for lease in self.book.leases.values():
            if lease.state in (State.SCHEDULED, State.ACTIVE) and not lease.is_spot:
                assert (lease.starts_at or 0) <= self.promised[lease.id]
        reserved = [lease for lease in self.book.leases.values() if not lease.is_spot]
        for (company, _), gpus in slow.holdings(reserved).items():
            assert gpus <= QUOTAS[company]
        capacity = {node.id: node.nominal for node in self.book.nodes.values()}
        for (node, at), gpus in slow.usage(self.book.leases.values(), GAP_S).items():
            assert at < self.now or gpus <= capacity[node]
        fresh = Book.of(
            self.book.policy,
            self.book.nodes.values(),
            self.book.leases.values(),
            self.book.quotas,
            mix=self.book.mix,
            fair=self.book.fair.items(),
        )
        assert fresh.digest(self.now) == self.book.digest(self.now)
        assert fresh.spots == self.book.spots
        for row in self.book.rows.values():
            assert list(_levels(fresh, row, self.now)) == list(_levels(self.book, row, self.now))


def _levels(book: Book, row: int, now: int) -> Iterator[int]:
    return (book.free.at(row, now + at) for at in range(HORIZON_S))


def _stop(lease: Lease) -> int:
    return lease.stops_at or 0


def _told_now(lease: Lease, now: int) -> int:
    """When it stops if it is told now."""
    return max(now, lease.starts_at or 0) + lease.notice_s


def _same(one: object, other: object) -> bool:
    return one == other


@given(steps, st.sampled_from(list(RULES)), st.sampled_from([NONE, NONE, ALWAYS]))
@settings(max_examples=examples(200), deadline=None)
def test_spot_leases_are_in_nobodys_way_and_are_told_in_time(steps: list[object], rule: str, contended: str) -> None:
    world = World.of(rule=rule, contended=contended)
    for step in steps:
        world.live(step)


lent = st.builds(
    an_ask,
    st.builds(Total, gpus=st.integers(1, 5)),
    company=st.sampled_from(["acme", "acme", "bolt"]),
    duration_s=st.integers(20, 60),
    notice_s=st.sampled_from([0, 1, 3]),
    tier=st.just(Tier.SPOT),
)


class Lending(World):
    """A contended pool in which all is spot, so that whatever is preempted was reclaimed."""

    def _plan(self) -> None:
        plan = replan(self.book, self.queue, self.now)
        ranks = Borrowers(Draft(self.book), self.now).ranks()
        taken = [move.after for move in plan.moves if move.cause is Cause.PREEMPTED]
        gave = Counter[CompanyId]()
        for lease in taken:
            gave[lease.company] += lease.gpus
            assert (lease.starts_at or 0) + LEAST_S <= self.now
            assert _stop(lease) >= _told_now(lease, self.now)
        granted, reclaiming = Counter[CompanyId](), set[CompanyId]()
        for lease_id, promise in plan.pulled.items():
            lease = plan.book.leases[lease_id]
            granted[lease.company] += lease.gpus
            assert promise.start <= self.now + 3 + GAP_S
            if promise.start > self.now:
                reclaiming.add(lease.company)
        for one, other in product(reclaiming, gave):
            assert one == other or ranks.after(one, -gave[one]) < ranks.after(other, granted[other])
        super()._plan()


@given(st.lists(st.one_of(st.lists(lent, min_size=1, max_size=3), st.integers(1, 6)), min_size=3, max_size=15))
@settings(max_examples=examples(100), deadline=None)
def test_spot_is_reclaimed_of_who_has_more_and_not_of_what_has_just_started(steps: list[object]) -> None:
    world = Lending.of(contended=ALWAYS)
    for step in steps:
        world.live(step)
