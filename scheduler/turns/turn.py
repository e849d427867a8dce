"""One turn of the loop: everything that is due now, from durable rows.

It is safe to do again at any time: after a crash the next leader does what is left.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

import structlog

from dure.errors import Unavailable
from scheduler import planned, traces
from scheduler.clock import DatabaseClock
from scheduler.core import looks
from scheduler.metrics import Counters
from scheduler.service import Service
from scheduler.store import due, generation
from scheduler.store.db import Database, Session
from scheduler.store.leader import fence
from scheduler.turns import attendance, budgets, healing, idling, queue, renewals, silence, starts, stops, warnings

R = TypeVar("R")
log = structlog.get_logger()

ASK_AGAIN_S = 60.0
"""How often queued asks are decided again though nothing changed: the horizon moves on."""


class Turn:
    """What a leader does, again and again. Each piece of it is a transaction that commits only in the lead's `epoch`."""

    def __init__(
        self,
        db: Database,
        clock: DatabaseClock,
        counters: Counters,
        service: Service,
        epoch: Callable[[], int | None],
        leading: Callable[[], starts.Leading],
    ) -> None:
        self._db, self._clock, self._counters, self._service = db, clock, counters, service
        self._epoch, self._leading = epoch, leading
        self._asked_again: dict[str, tuple[int, float]] = {}
        """By pool: at which generation its queue was decided, and when that is done again even if that stays."""
        self._healed_at = 0.0

    def forget(self) -> None:
        """Another led meanwhile: what was decided here last says nothing."""
        self._asked_again.clear()

    def tick(self) -> None:
        """Everything that is due now: ends before starts, so that what one gives the other can take."""
        for pool in self._due():
            if pool.endings or pool.stops:
                self._apart(pool, lambda found: self._ends(found.pool))
        self._quarantine()
        self._silence()
        self._heal()
        self._attend()
        for pool in self._due():
            self._apart(pool, self._plan_and_starts)
        self._warn()

    def _plan_and_starts(self, pool: due.DuePool) -> None:
        if pool.budgets:
            self._close_budgets(pool.pool)
        if pool.expiries:
            self._expire(pool.pool)
        if pool.renewals:
            self._renew(pool.pool)
        replanned = False
        if pool.queued or pool.movable:
            with self._counters.looks(pool.pool):
                replanned = self._plan(pool)
        if pool.starts or replanned:
            self._starts(pool.pool)

    def _heal(self) -> None:
        """Spares for what leases lost that run; looked for now and then, without a lock where there are none."""
        now = self._clock.now()
        if self._clock.stepped or now < self._healed_at + healing.EVERY_S:
            return
        self._healed_at = now
        with self._db.snapshot() as session:
            found = healing.due(session, self._service, now=now)
        for pool in found:
            for one in self._looked(
                pool, lambda session, pool, now: healing.look(session, self._service, pool, now=now)
            ):
                log.info("a lease has spares for what it lost", action="lease_heal", **_named(one), gpus=one.gpus)

    def _attend(self) -> None:
        """Looked for every turn, without a lock where nothing is to be done."""
        if self._clock.stepped:
            return
        with self._db.snapshot() as session:
            absent = attendance.due(session, now=self._clock.now())
            idle = idling.due(session, now=self._clock.now())
        for pool in absent:
            for one in self._looked(pool, attendance.look):
                log.info("nothing ran on a lease, or something does", action="attendance", **_named(one), step=one.step)
        for pool in idle:
            for one in self._looked(pool, idling.look):
                if one.step in (idling.Step.WARN, idling.Step.GIVE_BACK):
                    log.info("a lease hardly uses its GPUs", action="idling", **_named(one), step=one.step)

    def _looked(self, pool: str, look: Callable[[Session, str, float], list[R]]) -> list[R]:
        """One pool whose lock somebody holds for too long does not stop the others; it is looked at again next turn."""
        try:
            return self.committed(lambda session: look(session, pool, self._clock.now()))
        except Unavailable as error:
            self._put_off(pool, error)
            return []

    def _apart(self, pool: due.DuePool, turn: Callable[[due.DuePool], None]) -> None:
        """One pool whose lock somebody holds for too long does not stop the others; it is tried again next turn."""
        try:
            with traces.span("turn", pool=pool.pool):
                turn(pool)
        except Unavailable as error:
            self._put_off(pool.pool, error)

    def _put_off(self, pool: str, error: Unavailable) -> None:
        log.warning("a pool's turn was put off", action="pool_put_off", pool=pool, error=str(error))

    def _due(self) -> list[due.DuePool]:
        with self._db.snapshot() as session:
            return due.pools(session, now=self._clock.now())

    def _ends(self, pool: str) -> None:
        if self._clock.stepped:
            log.error("the clock stepped; leases are not ended", action="clock_stepped", step_s=self._clock.step_s)
            return
        while self._decided(pool, lambda session: stops.begin_ending(session, pool, now=self._clock.now())):
            pass
        more = True
        while more:
            stopped, more = self._decided(pool, lambda session: stops.stop_due(session, pool, now=self._clock.now()))
            for lease in stopped:
                self._counters.stopped(lease)
                log.info("lease ended", action="lease_end", **_named(lease), late_s=round(lease.late_s, 3))

    def _starts(self, pool: str) -> None:
        after: str | None = ""
        while after is not None:
            started, after = self._decided(pool, self._start_batch(pool, after))
            for lease in started:
                self._counters.started(lease)
                log.info("a start was due", action=lease.action, **_named(lease), late_s=round(lease.late_s, 3))

    def _start_batch(self, pool: str, after: str) -> Callable[[Session], tuple[list[starts.Started], str | None]]:
        return lambda session: starts.start_due(
            session, self._service.books, pool, now=self._clock.now(), lead=self._leading(), after=after
        )

    def _close_budgets(self, pool: str) -> None:
        for company in self._decided(pool, lambda session: budgets.roll(session, pool, now=self._clock.now())):
            log.info("a budget's period is over", action="budget_roll", company=company, pool=pool)

    def _expire(self, pool: str) -> None:
        for lease in self.committed(lambda session: queue.expire(session, pool, now=self._clock.now())):
            log.info("queued ask expired", action="queue_expire", lease=lease.id, company=lease.company)

    def _renew(self, pool: str) -> None:
        if self._clock.stepped:  # an end is not moved by a clock that nobody trusts
            return
        for lease in self.committed(
            lambda session: renewals.renew_due(session, self._service, pool, now=self._clock.now())
        ):
            action = "lease_renew" if lease.done else "lease_renewal_refused"
            log.info("a renewal was due", action=action, **_named(lease))

    def _plan(self, pool: due.DuePool) -> bool:
        """Plans the pool again where a look without its lock shows that something would change; whether it did.

        Queued asks are decided again when the pool changed since they last were, when time alone leaves them more
        (`scheduler.core.looks`), and now and then as the horizon moves on.
        """
        now = self._clock.now()
        number, again_at = self._asked_again.get(pool.pool, (-1, 0.0))
        queue = pool.queued and (number != pool.generation or now >= again_at)
        with self._db.snapshot() as session:
            seen = self._service.seen(session, pool.pool, now=now, queue=queue)
            changed = bool(seen.moves or seen.pulled or planned.told_otherwise(session, seen))
        if queue:
            near = looks.nearest(seen, now)
            again_at = now + ASK_AGAIN_S if near is None else min(now + ASK_AGAIN_S, near)
            self._asked_again[pool.pool] = (pool.generation, again_at)
        if not changed:
            return False
        self.committed(lambda session: self._service.replan(session, pool.pool, now=now, queue=queue))
        return True

    def _warn(self) -> None:
        """Looked for every turn: a warning may be a second late, so it is no edge to sleep to."""
        more = True
        while more:
            told, more = self.committed(lambda session: warnings.warn(session, now=self._clock.now()))
            for lease in told:
                log.info("a lease's start or end was told", action="lease_warn", **_named(lease))

    def _quarantine(self) -> None:
        for gpu in self.committed(lambda session: stops.quarantine_unproved(session, now=self._clock.now())):
            log.error("a GPU is not proved empty", action="gpu_quarantine", gpu=gpu)
        for gpu in self.committed(lambda session: stops.lift_proved(session, now=self._clock.now())):
            log.info("a quarantined GPU is proved empty", action="gpu_proved", gpu=gpu)

    def _silence(self) -> None:
        """A transaction for each node, so that pools are locked in one order whatever else locks them."""
        for node in self.committed(due.silent):
            if self.committed(self._marked_silent(node)):
                log.warning("a node is silent", action="node_silent", node=node)

    def _marked_silent(self, node: str) -> Callable[[Session], bool]:
        return lambda session: silence.mark(session, node, now=self._clock.now())

    def _decided(self, pool: str, work: Callable[[Session], R]) -> R:
        """Does `work` under the pool's lock; `work` reads the time when it has it."""

        def alone(session: Session) -> R:
            generation.lock(session, pool)
            return work(session)

        return self.committed(alone)

    def committed(self, work: Callable[[Session], R]) -> R:
        """Does `work` in one transaction that commits only if this scheduler still leads. Raises Deposed."""
        epoch = self._epoch()
        assert epoch is not None
        with self._db.begin() as session:
            fence(session, epoch)
            return work(session)


class Named(Protocol):
    """What a turn tells of a lease."""

    @property
    def lease(self) -> str: ...

    @property
    def company(self) -> str: ...


def _named(one: Named) -> dict[str, str]:
    """By what a line in the log is found."""
    return {"lease": one.lease, "company": one.company}
