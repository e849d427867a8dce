"""A small pool whose plan is kept as the service keeps it: decided, planned again after every second, started and ended.

`check` says after every step that everything which was promised still holds, counted second by second by `slow`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

from scheduler.core.book import Book, Draft
from scheduler.core.charge import charge
from scheduler.core.decide import decide, verdict
from scheduler.core.extend import EXTENDABLE, Extended, closes_at, extend
from scheduler.core.lease import advance, owner
from scheduler.core.model import (
    PPM,
    Ask,
    Cause,
    CompanyId,
    Drain,
    Instant,
    Lease,
    LeaseId,
    Node,
    NodeId,
    Policy,
    Promise,
    Queued,
    State,
)
from scheduler.core.quota import Period, Quota
from scheduler.core.replan import Move, Plan, replan
from scheduler.core.resize import NotResized, Resized, grow, shrink
from scheduler.core.shapes import size_of
from scheduler.core.shares import Share
from tests.builders import a_node
from tests.property import slow
from tests.property.lives import Asks, Drains, Extends, Loses, Passes, Resizes, Step, Stops

QUOTA = 6
ACME, BOLT = CompanyId("acme"), CompanyId("bolt")
QUOTAS = {ACME: QUOTA, BOLT: QUOTA}
SHARES = (Share(company=ACME, shares=2), Share(company=BOLT, shares=3))
BEGIN = Instant(100)
PERIODS = tuple(
    Period(begins_at=Instant(begin), ends_at=Instant(begin + 25), gpu_seconds=gpu_seconds)
    for begin, gpu_seconds in ((90, 40), (115, 25), (140, 0), (165, 200), (190, 1 << 40))
)
LIMITED = Quota(
    company=BOLT, gpus=QUOTA, longest_s=15, furthest_s=30, ahead_gpu_seconds=50, open_asks=6, periods=PERIODS
)
"""What bolt may have, where it is limited in more than GPUs at once."""
NODES = (a_node("n1", 4), a_node("n2", 3), a_node("n3", 3), a_node("n4", 1))
LOST = frozenset({Cause.DRAIN, Cause.CAPACITY_LOST})


@dataclass(kw_only=True)
class Pool:
    """`leases` are all that ever were, `promised` what each was promised first and since, `slipped` what lost capacity
    made of it."""

    policy: Policy
    limited: bool = False
    now: Instant = BEGIN
    nodes: dict[NodeId, Node] = field(default_factory=lambda: {node.id: node for node in NODES})
    drains: dict[str, Drain] = field(default_factory=dict[str, Drain])
    leases: dict[LeaseId, Lease] = field(default_factory=dict[LeaseId, Lease])
    asks: dict[LeaseId, tuple[Ask, Instant]] = field(default_factory=dict[LeaseId, tuple[Ask, Instant]])
    queue: list[LeaseId] = field(default_factory=list[LeaseId])
    promised: dict[LeaseId, Instant] = field(default_factory=dict[LeaseId, Instant])
    slipped: list[Move] = field(default_factory=list[Move])
    waited: set[LeaseId] = field(default_factory=set[LeaseId])
    """Those whose nodes were short when their start had come."""
    had_s: Counter[LeaseId] = field(default_factory=Counter[LeaseId])
    """GPU-seconds, counted second by second while they ran."""
    too_large: set[LeaseId] = field(default_factory=set[LeaseId])
    """Those that were larger than all that the reserve leaves long boxes, and so began beside it."""
    ahead: set[LeaseId] = field(default_factory=set[LeaseId])
    """Those that were promised more than what the policy says ahead, and that nobody has moved since."""
    book: Book = field(init=False)

    def __post_init__(self) -> None:
        self.book = Book.of(self.policy, self.nodes.values(), quotas=self.quotas, fair=SHARES)

    @property
    def quotas(self) -> Mapping[CompanyId, int | Quota]:
        """What each may have, with what leases that are over have used of it."""
        if not self.limited:
            return QUOTAS
        over = (lease for lease in self.leases.values() if lease.company == BOLT and lease.state is State.ENDED)
        return {ACME: QUOTA, BOLT: reduce(_spent, (lease for lease in over if owner(lease) == lease.id), LIMITED)}

    def live(self, step: Step) -> None:
        match step:
            case Asks():
                self._ask(step)
            case Passes():
                for _ in range(step.seconds):
                    self._second()
            case Stops():
                self._stop(step.which)
            case Extends():
                self._extend(step)
            case Resizes():
                self._resize(step)
            case Loses():
                old = self.nodes[step.node]
                lost = None if step.capacity >= old.nominal else self.now if old.lost_at is None else old.lost_at
                self._change(replace(old, capacity=step.capacity, open=step.open, lost_at=lost))
            case Drains():
                starts_at = Instant(self.now + step.start_in)
                ends_at = Instant(starts_at + step.seconds)
                self._change(Drain(id=str(len(self.drains)), node=step.node, starts_at=starts_at, ends_at=ends_at))
        self._plan()
        self.check()

    def _second(self) -> None:
        for lease in self.book.leases.values():
            if lease.state in (State.ACTIVE, State.ENDING) and (lease.stops_at or 0) > self.now:
                self.had_s[lease.id] += lease.gpus
        self.now = Instant(self.now + 1)
        self._edges()
        self._plan()

    def fresh_book(self) -> Book:
        """The same book, made anew from everything that ever was."""
        made = Book.of(
            self.policy,
            self.nodes.values(),
            self.leases.values(),
            self.quotas,
            self.drains.values(),
            fair=self.book.fair.items(),
        )
        return made.since(self.now)

    def waiting(self) -> list[tuple[LeaseId, Ask, Instant]]:
        """The queue: what its windows still allow, in order of arrival."""
        self.queue = [id_ for id_ in self.queue if _may_start(self.asks[id_][0], self.now)]
        return [(id_, *self.asks[id_]) for id_ in sorted(self.queue, key=lambda id_: (self.asks[id_][1], id_))]

    def had(self, node: NodeId, instant: int) -> int:
        """What the node has at that second: nothing while it is drained."""
        drained = any(
            drain.node == node and drain.starts_at <= instant < drain.ends_at for drain in self.drains.values()
        )
        return 0 if drained else self.nodes[node].capacity

    def short(self, leases: Iterable[Lease]) -> set[tuple[NodeId, int]]:
        """The nodes and seconds from now on at which more is booked than there is."""
        used = slow.usage(leases, self.policy.gap_s)
        return {(node, at) for (node, at), gpus in used.items() if at >= self.now and gpus > self.had(node, at)}

    def check(self) -> None:
        for lease in self.leases.values():
            self._check_one(lease)
        live = list(self.leases.values())
        for (company, at), gpus in slow.holdings(live).items():
            assert at < self.now or gpus <= QUOTAS[company]
        for node, at in self.short(live):
            there = [lease for lease in live if slow.on(lease, node, at, self.policy.gap_s)]
            if not self._may_come_back(node, at):
                assert all(lease.state is not State.SCHEDULED for lease in there)

    def check_reserve(self) -> None:
        """Long boxes leave a part of the pool alone, but for those that are larger than all that it leaves them."""
        policy, capacity = self.policy, sum(node.capacity for node in NODES)
        leaves = capacity - -(-capacity * policy.reserve_ppm // PPM)
        self.too_large |= {one.id for one in self.leases.values() if one.gpus > leaves}
        held = [one for one in self.leases.values() if one.id not in self.too_large]
        long = [one for one in held if one.duration_s > policy.reserve_over_s]
        together: Counter[int] = Counter()
        for (_, at), gpus in slow.holdings(long).items():
            together[at] += gpus
        assert all(gpus <= leaves for at, gpus in together.items() if at >= self.now)

    def check_walk_in(self) -> None:
        """Of what is not near yet, what was booked ahead and is where it was decided leaves the walk-in reserve alone."""
        policy, capacity = self.policy, sum(node.capacity for node in NODES)
        leaves, near = capacity - -(-capacity * policy.walk_in_ppm // PPM), self.now + policy.walk_in_within_s
        together: Counter[int] = Counter()
        for (_, at), gpus in slow.holdings([self.leases[id_] for id_ in self.ahead]).items():
            together[at] += gpus
        assert all(gpus <= leaves for at, gpus in together.items() if at > near)

    def check_limits(self) -> None:
        """What bolt has of each period, counted second by second, but for what lost capacity pushed there, and booked
        ahead; nothing is too long or too many."""
        mine = [one for one in self.leases.values() if one.company == BOLT and owner(one) == one.id]
        slipped = {move.after.id for move in self.slipped}
        for period in PERIODS:
            seconds = range(period.begins_at, min(period.ends_at, 400))
            asked_for = (one for one in mine if one.id not in slipped)
            assert sum(slow.charged(one, at) for one in asked_for for at in seconds) <= period.gpu_seconds
        waiting = [one for one in mine if one.state is State.SCHEDULED]
        assert all(one.duration_s <= (LIMITED.longest_s or 0) for one in mine)
        assert len(waiting) + sum(self.asks[id_][0].company == BOLT for id_ in self.queue) <= (LIMITED.open_asks or 0)

    def _check_one(self, lease: Lease) -> None:
        if lease.starts_at is None or lease.promised_start is None or owner(lease) != lease.id:
            return
        if lease.state is State.ENDED:
            assert charge(lease).delivered == self.had_s[lease.id]
        ask, _ = self.asks[lease.id]
        assert lease.starts_at <= lease.promised_start
        assert lease.promised_start <= self.promised[lease.id]
        slipped = any(move.after.id == lease.id for move in self.slipped)
        assert (
            lease.started_at is None or lease.started_at <= lease.promised_start or slipped or lease.id in self.waited
        )
        assert lease.starts_at >= (ask.start or 0)
        if not slipped and ask.start_by is not None:
            assert lease.promised_start <= ask.start_by
        if not slipped and not ask.movable:
            assert lease.starts_at == ask.start

    def _may_come_back(self, node: NodeId, at: int) -> bool:
        """Whether it is short only of what was lost a moment ago."""
        lost_at = self.nodes[node].lost_at
        return lost_at is not None and self.now < lost_at + self.policy.loss_grace_s and self.had(node, at) > -1

    def _ask(self, step: Asks) -> None:
        queued = Counter(self.asks[id_][0].company for id_ in self.queue)
        asks = [
            (LeaseId(f"lea_{len(self.asks) + k:03}"), replace(ask, queued_already=queued[ask.company]))
            for k, ask in enumerate(step.at(self.now))
        ]
        self.asks |= {id_: (ask, self.now) for id_, ask in asks}
        before = dict(self.book.leases)
        decided = decide(self.book, asks, self.now)
        assert {lease.id for lease, _ in decided.moves} == {
            id_ for id_, lease in before.items() if decided.book.leases[id_] != lease
        }
        for (id_, _), one in zip(asks, decided.verdicts, strict=True):
            if isinstance(one, Promise):
                lease = decided.book.leases[id_]
                assert (lease.promised_start, lease.starts_at) == (one.promised, one.start)
                self._promise(id_, one)
            elif isinstance(one, Queued):
                self.queue.append(id_)
        for old, new in decided.moves:
            self._check_earlier(old, new)
            self.ahead.discard(new.id)
        self._keep(decided.book)
        (_, ask), last = asks[-1], decided.verdicts[-1]
        if not isinstance(last, Promise):
            assert verdict(Draft(self.book), ask, self.now, at_once=True) == last
        self._edges()

    def _plan(self) -> Plan:
        before = [lease for lease in self.leases.values() if lease.state is not State.CANCELLED]
        short = self.short(before)
        plan = replan(self.book, self.waiting(), self.now)
        for id_, promise in plan.pulled.items():
            self.queue.remove(id_)
            self._promise(id_, promise)
        for move in plan.moves:
            self._check_move(move, short)
            if move.after.starts_at != move.before.starts_at:
                self.ahead.discard(move.after.id)
        for id_, old in self.book.leases.items():
            assert old.state is State.SCHEDULED or plan.book.leases[id_] == old
        self._keep(plan.book)
        self._edges()
        return plan

    def _promise(self, id_: LeaseId, promise: Promise) -> None:
        self.promised[id_] = promise.promised
        if self.policy.walk_in_ppm and promise.promised > self.now + self.policy.walk_in_within_s:
            self.ahead.add(id_)

    def _check_move(self, move: Move, short: set[tuple[NodeId, int]]) -> None:
        old, new = move.before, move.after
        if move.cause is Cause.EARLIER:
            self._check_earlier(old, new)
            return
        if move.cause is Cause.MADE_WAY:
            assert replace(old, placement=()) == replace(new, placement=())
            assert (old.starts_at or 0) > self.now
            return
        assert move.cause in LOST
        assert any(slow.on(old, node, at, self.policy.gap_s) for node, at in short)
        if new.state is State.QUEUED:
            self.leases[new.id] = new
            self.queue.append(new.id)
            self.slipped.append(move)
        elif move.slipped_s:
            self.promised[new.id] = Instant(new.promised_start or 0)
            self.slipped.append(move)

    def _check_earlier(self, old: Lease, new: Lease) -> None:
        slot = {"starts_at": None, "ends_at": None, "stops_at": None, "placement": ()}
        if (old.owed or 0) < (old.promised_start or 0):  # slipped, and on its way back
            assert (new.owed, new.promised_start) == (old.owed, max(old.owed or 0, new.starts_at or 0))
            slot |= {"promised_start": None, "slipped_from": None}
        assert replace(old, **slot) == replace(new, **slot)
        assert (new.starts_at or 0) < (old.starts_at or 0)
        assert (new.starts_at or 0) >= self.now + old.notice_s

    def _keep(self, book: Book) -> None:
        self.book = book
        self.leases |= book.leases

    def _change(self, item: Node | Drain) -> None:
        if isinstance(item, Node):
            self.nodes[item.id] = item
        else:
            self.drains[item.id] = item
        self.book = self.book.changed([item])

    def _put(self, lease: Lease) -> None:
        self.leases[lease.id] = lease
        self.book = self.book.put_lease(lease)
        if lease.state is State.ENDED and lease.company in self.book.standings:
            self.book = self.book.changed([_spent(self.book.quotas[lease.company], lease)])

    def _edges(self) -> None:
        """Ends first, so that what starts now may take their place. A start waits while its nodes are short."""
        for lease in self._due(State.ACTIVE, "stops_at"):
            self._put(advance(lease, State.ENDING, Cause.EXPIRED, self.now))
        for lease in self._due(State.ENDING, "stops_at"):
            self._put(advance(lease, State.ENDED, Cause.EXPIRED, self.now))
        for lease in self._due(State.SCHEDULED, "starts_at"):
            running = [other for other in self.leases.values() if other.state is not State.SCHEDULED]
            nodes = {node for node, _ in lease.placement}
            if not any(at == self.now and node in nodes for node, at in self.short([*running, lease])):
                self._put(advance(lease, State.ACTIVE, Cause.STARTED, self.now))
            else:
                self.waited.add(lease.id)
        self.book = self.book.since(self.now)

    def _due(self, state: State, edge: str) -> Sequence[Lease]:
        return [lease for lease in self.leases.values() if lease.state is state and getattr(lease, edge) <= self.now]

    def _stop(self, which: int) -> None:
        running = [lease for lease in self.leases.values() if lease.state in EXTENDABLE]
        if not running:
            return
        lease = running[which % len(running)]
        if lease.state is State.ACTIVE:
            ending = advance(lease, State.ENDING, Cause.RELEASED, self.now)
            self._put(advance(ending, State.ENDED, Cause.RELEASED, self.now))
        else:
            self._put(advance(lease, State.CANCELLED, Cause.CANCELLED, self.now))

    def _extend(self, step: Extends) -> None:
        open_ = [
            lease
            for lease in self.leases.values()
            if lease.state in EXTENDABLE and self.now < (closes_at(lease, self.policy.extension_closes_s) or 0)
        ]
        if not open_:
            return
        lease = open_[step.which % len(open_)]
        found = extend(self.book, lease.id, (lease.ends_at or 0) + step.seconds, self.now, partly=step.partly)
        if not isinstance(found, Extended):
            return
        assert found.lease.starts_at == lease.starts_at
        assert lease.state is State.SCHEDULED or found.lease.placement == lease.placement
        for old, new in found.moves:
            assert replace(old, placement=()) == replace(new, placement=())
        self._keep(found.book)

    def _resize(self, step: Resizes) -> None:
        """Nobody is moved for it; more is as much as there is room for."""
        live = [lease for lease in self.leases.values() if lease.state in EXTENDABLE]
        if not live:
            return
        lease = live[step.which % len(live)]
        has, size = size_of(lease.shape), step.size
        if size == has:
            return
        if size < has:
            found: Resized | NotResized = shrink(self.book, lease.id, size, self.now)
        else:
            found = grow(self.book, lease.id, size, self.now)
        if isinstance(found, NotResized) and found.largest > has:
            found = grow(self.book, lease.id, found.largest, self.now)
        if isinstance(found, NotResized):
            return
        changed = {id_ for id_, one in found.book.leases.items() if self.book.leases.get(id_) != one}
        assert changed <= {lease.id, *(() if found.cleaned is None else (found.cleaned.id,))}
        assert replace(found.lease, shape=lease.shape, placement=lease.placement, history=lease.history) == lease
        self._keep(found.book)


def _may_start(ask: Ask, now: Instant) -> bool:
    last = ask.start if ask.start_by is None else ask.start_by
    return last is None or last >= now


def _spent(quota: Quota, lease: Lease) -> Quota:
    """With what a lease has used of its periods, which is over."""
    spent = [one.spent + charge(lease, one.begins_at, one.ends_at).delivered for one in quota.periods]
    return replace(
        quota, periods=tuple(replace(one, spent=used) for one, used in zip(quota.periods, spent, strict=True))
    )
