"""What would have been different in the past: a stretch of history lived twice, as it was and with something changed.

Both worlds are given what came from outside, in its order: asks at their instants, quotas, nodes that came and went. What a
lease did is given as far as it stands as it really stood and there is room for it; one that stands differently starts at
its own slot, runs as long as it really ran, and ends by its own box. So the world in which nothing is changed is the
history, decision for decision, and says where it is not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from scheduler.core import outcomes
from scheduler.core.codec import Json, text
from scheduler.core.decide import Decided, decide
from scheduler.core.lease import advance, asked, owner, queued
from scheduler.core.likewise import likewise
from scheduler.core.model import Cause, CompanyId, Instant, Lease, LeaseId, Queued, Refusal, State
from scheduler.core.past import Asked, Happened, Past, Planned, Step
from scheduler.core.replan import Plan, replan
from scheduler.core.whatif import Changes, Difference, Outlook, difference, is_struck

WAITING = (State.QUEUED, State.SCHEDULED)

PLANNED_AFTER_S = 2
"""When a world that is not the history plans again after something changed: the loop would have by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindsight:
    """`unlike` names decisions that came out differently in the world in which nothing was changed: what a comparison
    with it is worth. `struck` ran on a node that would have been gone, and goes on there in both worlds: what runs is never
    moved. `reached` is how far both worlds came.
    """

    leases: tuple[Difference, ...]
    decisions: int
    unlike: tuple[str, ...]
    struck: tuple[LeaseId, ...]
    reached: Instant


def compare(past: Past, changes: Changes, go_on: Callable[[], bool]) -> Hindsight:
    """Lives the stretch in both worlds, step by step, for as long as `go_on` says."""
    real = World(past)
    other = Other(past, changes, real)
    reached = past.until
    for count, step in enumerate(past.steps):
        if not go_on():
            reached = step.now
            break
        if count % FORGET_EVERY == 0:
            real.forget(step.now)
            other.forget(step.now)
        other.live(step)  # first: what a lease does is given to it if it stands as it really stood before
        real.live(step)
        other.look_at_reality()
    other.pass_to(reached)
    return Hindsight(
        leases=tuple(
            difference(lease, *real.who(lease), real.outlook(lease), other.outlook(lease)) for lease in real.seen
        ),
        decisions=real.decisions,
        unlike=tuple(real.unlike),
        struck=tuple(sorted(other.struck)),
        reached=reached,
    )


FORGET_EVERY = 256
"""Steps after which what is past is dropped from the books."""


class World:
    """The pool as it really went on, decided again. Changed by `live` alone; the values in it are the core's."""

    def __init__(self, past: Past) -> None:
        self.book = past.book
        self.leases: dict[LeaseId, Lease] = dict(past.book.leases)
        self.leases |= {lease_id: queued(lease_id, ask, at) for lease_id, ask, at in past.queue}
        self.queue: dict[LeaseId, None] = {lease_id: None for lease_id, _, _ in past.queue}
        self.seen: dict[LeaseId, None] = {id_: None for id_, lease in self.leases.items() if lease.state in WAITING}
        self.touched: set[LeaseId] = set()
        self.decisions, self.unlike = 0, list[str]()

    def forget(self, now: Instant) -> None:
        """Decisions at `now` and later stay the same."""
        self.book = self.book.since(now)

    def who(self, lease: LeaseId) -> tuple[CompanyId, int]:
        return self.leases[lease].company, self.leases[lease].gpus

    def outlook(self, lease: LeaseId) -> Outlook:
        """How the lease stands, with what it was promised before capacity was lost, since both worlds may have slipped to
        the same start; `estimate` is when it started, or where its slot is.
        """
        found = self.leases[lease]
        start = found.started_at if found.started_at is not None else found.starts_at
        return Outlook(state=found.state, promised=found.owed, starts_at=found.starts_at, estimate=start)

    def live(self, step: Step) -> None:
        match step:
            case Asked():
                self.decided(step, outcomes.asked(step.asks, self.ask(step)))
            case Planned():
                waiting = [asked(self.leases[lease_id]) for lease_id in step.queue if lease_id in self.queue]
                self.decided(step, outcomes.replanned(waiting, self.plan(waiting, step.now)))
            case Happened(item=Lease() as item):
                self.put(item)
            case Happened():
                self.book = self.book.changed([step.item])

    def decided(self, step: Asked | Planned, result: Json) -> None:
        """Counts a decision, and keeps it in mind if it came out differently."""
        self.decisions += 1
        if text(result) != step.result:
            self.unlike.append(step.decision)

    def ask(self, step: Asked) -> Decided:
        found = decide(self.book, step.asks, step.now)
        self.book = found.book
        for (lease_id, ask), verdict in zip(step.asks, found.verdicts, strict=True):
            self.seen[lease_id] = None
            lease = self.book.leases.get(lease_id) or queued(lease_id, ask, step.now)
            if isinstance(verdict, Queued):
                self.queue[lease_id] = None
            self.take(replace(lease, state=State.REFUSED) if isinstance(verdict, Refusal) else lease)
        for _, after in found.moves:
            self.take(after)
        return found

    def plan(self, waiting: outcomes.Queue, now: Instant) -> Plan:
        found = replan(self.book, waiting, now)
        self.book = found.book
        for lease_id in found.pulled:
            del self.queue[lease_id]
            self.take(self.book.leases[lease_id])
        for move in found.moves:
            if move.after.state is State.QUEUED:
                self.queue[move.after.id] = None
            self.take(move.after)
        return found

    def put(self, lease: Lease) -> None:
        """What became of a lease without a decision."""
        self.take(lease)
        if lease.state is State.QUEUED:
            self.queue[lease.id] = None
        else:
            self.queue.pop(lease.id, None)
        self.book = self.book.put_lease(lease)

    def take(self, lease: Lease) -> None:
        self.leases[lease.id] = lease
        self.touched.add(lease.id)


class Other(World):
    """The pool as it would have gone on. What stands in it as it really stood does what it really did."""

    def __init__(self, past: Past, changes: Changes, real: World) -> None:
        super().__init__(past)
        self._changes, self._real, self._ran = changes, real, _ran(past)
        self.book = changes.apply(past.book, past.since)
        self._astray: set[LeaseId] = set()
        """Leases that stand otherwise than they really did, and so go by their own slots."""
        self._plan_at = Instant(past.since + PLANNED_AFTER_S) if changes else None
        self.struck = {lease.id for lease in self.leases.values() if is_struck(lease, changes)}

    def take(self, lease: Lease) -> None:
        super().take(lease)
        if is_struck(lease, self._changes):
            self.struck.add(lease.id)

    def look_at_reality(self) -> None:
        """Finds out which leases stand otherwise now."""
        for lease_id in self.touched | self._real.touched:
            if self.leases.get(lease_id) == self._real.leases.get(lease_id):
                self._astray.discard(lease_id)
            else:
                self._astray.add(lease_id)
        self.touched.clear()
        self._real.touched.clear()

    def live(self, step: Step) -> None:
        self.pass_to(step.now)
        match step:
            case Asked():
                self.ask(step)
            case Planned():
                self._plan(step.now, step.queue)
            case Happened(item=Lease() as item):
                self._happen(item, step.now)
            case Happened():
                found = self._changes.keep(step.item, self.book.policy, step.now)
                if found is not None:
                    self.book = self.book.changed([found])
                    self._changed(step.now)

    def pass_to(self, now: Instant) -> None:
        """What is due by itself: starts and ends of leases that go by their own slots, and plans after them."""
        while (due := self._due(now)) is not None:
            at, lease_id = due
            if not lease_id:
                self._plan(at, ())
            elif self.leases[lease_id].state is State.SCHEDULED:
                self.put(advance(self.leases[lease_id], State.ACTIVE, Cause.STARTED, at))
            else:
                self._stop(self.leases[lease_id], at)

    def _due(self, now: Instant) -> tuple[Instant, LeaseId] | None:
        """The first thing that is due by `now`; without a lease it is a plan."""
        found = [
            (at, id_) for id_ in self._astray if (at := self._edge(self.leases.get(id_))) is not None and at <= now
        ]
        if self._plan_at is not None and self._plan_at < now:
            found.append((self._plan_at, LeaseId("")))
        return min(found, default=None)

    def _edge(self, lease: Lease | None) -> Instant | None:
        """When the lease starts, or stops: by its box, or after as long as it really ran."""
        if lease is None or lease.starts_at is None or lease.stops_at is None:
            return None
        if lease.state is State.SCHEDULED:
            return lease.starts_at
        if lease.state not in (State.ACTIVE, State.ENDING) or lease.started_at is None:
            return None
        return min(lease.stops_at, Instant(lease.started_at + self._ran.get(lease.id, lease.duration_s)))

    def _stop(self, lease: Lease, at: Instant) -> None:
        cause = Cause.EXPIRED if at >= (lease.stops_at or 0) else Cause.RELEASED
        ending = lease if lease.state is State.ENDING else advance(lease, State.ENDING, cause, at)
        self.put(advance(ending, State.ENDED, cause, at))
        self._changed(at)

    def _plan(self, now: Instant, order: Sequence[LeaseId]) -> None:
        """Those that really waited in the order in which they did, then the others in that of their arrival."""
        self._plan_at = None
        for lease_id in [lease_id for lease_id in self.queue if self._is_over(lease_id, now)]:
            self.put(advance(self.leases[lease_id], State.EXPIRED, Cause.EXPIRED, now))
        places = {lease_id: place for place, lease_id in enumerate(order)}
        waiting = [asked(self.leases[lease_id]) for lease_id in self.queue]
        self.plan(sorted(waiting, key=lambda one: (places.get(one[0], len(places)), one[2], one[0])), now)

    def _is_over(self, lease_id: LeaseId, now: Instant) -> bool:
        lease = self.leases[lease_id]
        last = lease.start if lease.start_by is None else lease.start_by
        return last is not None and last < now - 1

    def _happen(self, item: Lease, now: Instant) -> None:
        mine = self.leases.get(owner(item))
        if mine == self._real.leases.get(owner(item)):
            for lease in (item,) if mine is None else likewise(self.book, mine, item, now):
                self.put(lease)
            self._changed(now)
        elif mine is not None and item.state is State.CANCELLED:
            self._cancel(mine, now)

    def _cancel(self, mine: Lease, now: Instant) -> None:
        """Taken back at the same instant; one that has started earlier here is released then."""
        if mine.state in WAITING:
            self.put(advance(mine, State.CANCELLED, Cause.CANCELLED, now))
            self._changed(now)
        elif mine.state is State.ACTIVE:
            self._stop(mine, now)

    def _changed(self, now: Instant) -> None:
        """The pool is planned again after this, unless it really was before."""
        if self._changes and self._plan_at is None:
            self._plan_at = Instant(now + PLANNED_AFTER_S)


def _ran(past: Past) -> Mapping[LeaseId, int]:
    """How many seconds leases that ended early really ran."""
    items = (step.item for step in past.steps if isinstance(step, Happened))
    return {
        item.id: max(0, (item.stops_at or 0) - item.started_at)
        for item in items
        if isinstance(item, Lease) and item.end_cause not in (None, Cause.EXPIRED) and item.started_at is not None
    }
