"""The state machine over the real store: any day of companies, quotas, asks, changes, losses and crashes between statements.

After every step: nobody above its quota at any instant, the walk-in reserve left alone by what is booked ahead, the ledger balanced, no promise broken, every state reached by the
table alone, and the books that are kept, read anew and made of the log one and the same.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import event
from sqlmodel import col, select

from dure import wire
from dure.errors import DureError
from scheduler import policies
from scheduler.core import quota as limits
from scheduler.core.lease import NEXT
from scheduler.core.model import Instant, State
from scheduler.core.steps import Steps
from scheduler.service import Service
from scheduler.store import accounts, history, leases, sums
from scheduler.store.books import Books, loaded
from scheduler.store.db import Database
from scheduler.store.tables import Lease, LeaseEvent, Pool
from tests.integration.scheduler.conftest import ADMIN, T0, World
from tests.servers import Server

DAY_S = 86_400
COMPANIES = ("acme", "globex")
NODES = ("n1", "n2")
POOL_GPUS = 16
NEAR_S = 60
"""What starts within that is not booked ahead."""
STATES = {state.value: state for state in State}
WHO = st.sampled_from(COMPANIES)
PICK = st.integers(0, 99)
BUDGETS = st.none() | st.fixed_dictionaries(
    {
        "gpu_seconds": st.integers(0, 6000),
        "period": st.sampled_from(["week", "month"]),
        "carries_over": st.booleans(),
    }
)


class Crash(Exception):
    """The process died at this statement."""


@contextmanager
def crash_at(world: World, statement: int) -> Iterator[None]:
    """At so many statements from now the process dies, as far as the database can tell."""
    left = [statement]

    def die(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Crash

    engine = world.db._engine  # pyright: ignore[reportPrivateUsage]
    event.listen(engine, "before_cursor_execute", die)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", die)


class AnyDay(RuleBasedStateMachine):
    """Two replicas take turns; what they are asked and when is chance."""

    server: Server

    def __init__(self) -> None:
        super().__init__()
        self._database = self.server.database()
        found = World(Database(self._database.__enter__()))
        self.world = found.found(walk_in_ppm=500_000, walk_in_within_s=NEAR_S)
        self.walk_in_ppm = 500_000
        self.now = T0
        self.services = [self.world.service, Service(Books())]
        self.asked: list[wire.Lease] = []
        self.promised: dict[str, float] = {}
        self.slipped: dict[str, int] = {}
        self.held: dict[str, Steps] = {name: Steps.flat(0) for name in COMPANIES}
        self.ahead: set[str] = set()
        """What was promised more than that ahead, and is where it was decided to be."""
        self.booked_ahead = Steps.flat(0)
        self.seen = 0
        self.lost = False
        self.states: dict[str, State] = {}

    def teardown(self) -> None:
        self.world.db.close()
        self._database.__exit__(None, None, None)

    @initialize(gpus=st.integers(4, 16), gpu_seconds=st.integers(500, 6000))
    def begin(self, gpus: int, gpu_seconds: int) -> None:
        self.world.set_quota("acme", gpus, now=T0, budget={"gpu_seconds": gpu_seconds, "period": "week"})

    @rule(
        who=WHO,
        gpus=st.integers(1, 8),
        duration_s=st.sampled_from([20, 60, 150]),
        ahead_s=st.sampled_from([None, 5, 90]),
        crash=st.none() | st.integers(0, 12),
    )
    def ask(self, who: str, gpus: int, duration_s: int, ahead_s: int | None, crash: int | None) -> None:
        start = {} if ahead_s is None else {"start": wire_time(self.now + ahead_s)}

        def work() -> None:
            self.asked.append(self.world.ask(gpus, who=who, now=self.now, duration_s=duration_s, **start))

        self._do(work, crash)

    @rule(gpus=st.integers(3, 8), ahead_s=st.sampled_from([NEAR_S, 90, 120]), crash=st.none() | PICK)
    def both_book_the_same_time(self, gpus: int, ahead_s: int, crash: int | None) -> None:
        for who in COMPANIES:
            self.ask(who, gpus, 20, ahead_s, crash)

    @rule(
        who=WHO,
        gpus=st.integers(1, 16),
        duration_s=st.sampled_from([20, 150, 600]),
        notice_s=st.sampled_from([0, 20, 60]),
        or_spot=st.booleans(),
        crash=st.none() | st.integers(0, 12),
    )
    def ask_for_spot(
        self, who: str, gpus: int, duration_s: int, notice_s: int, or_spot: bool, crash: int | None
    ) -> None:
        said = {"or_spot": True} if or_spot else {"tier": "spot"}

        def work() -> None:
            self.asked.append(
                self.world.ask(gpus, who=who, now=self.now, duration_s=duration_s, notice_s=notice_s, **said)
            )

        self._do(work, crash)

    @rule(who=WHO, gpus=st.integers(8, 16), crash=st.none() | st.integers(0, 12))
    def spot_is_preempted(self, who: str, gpus: int, crash: int | None) -> None:
        """All that is idle is taken for spot, and then somebody asks for it."""
        for size in (16, 8, 4, 1):
            self._do(partial(self.world.ask, size, tier="spot", now=self.now, duration_s=600, notice_s=30), None)
        self.time_passes(1, None)
        self._do(lambda: self.asked.append(self.world.ask(gpus, who=who, now=self.now, duration_s=60)), crash)
        self.time_passes(60, None)

    @rule(pick=PICK, what=st.sampled_from(["release", "cancel"]), crash=st.none() | st.integers(0, 8))
    def stop(self, pick: int, what: str, crash: int | None) -> None:
        if self.asked:
            lease = self.asked[pick % len(self.asked)]
            self._do(lambda: getattr(self.world, what)(lease, now=self.now), crash)

    @rule(pick=PICK, what=st.sampled_from(["extend", "shrink"]), by_s=st.integers(1, 80), crash=st.none() | PICK)
    def amend(self, pick: int, what: str, by_s: int, crash: int | None) -> None:
        if self.asked:
            lease = self.asked[pick % len(self.asked)]
            self._do(lambda: getattr(self.world, what)(lease, now=self.now, by_s=by_s), crash)

    @rule(seconds=st.sampled_from([1, 3, 20, 60, 200, DAY_S]), crash=st.none() | PICK)
    def time_passes(self, seconds: int, crash: int | None) -> None:
        self.now += seconds
        self._do(lambda: self.world.turn(self.now), crash)
        self.world.turn(self.now)
        self.world.clean(self.now)

    @rule(who=WHO, gpus=st.integers(1, 4), late_s=st.integers(0, 5), stops=st.booleans())
    def a_lease_is_lived(self, who: str, gpus: int, late_s: int, stops: bool) -> None:
        """Asked for, started when the loop comes to it, and over, early or at its end."""
        lease = self.world.ask(gpus, who=who, now=self.now, duration_s=20)
        self.asked.append(lease)
        self.now += late_s
        self.world.turn(self.now)
        if stops:
            self._do(lambda: self.world.release(lease, now=self.now + 3), None)
        self.time_passes(20, None)

    @rule()
    def the_clock_steps_back(self) -> None:
        self.world.turn(self.now - 30)

    @rule(node=st.sampled_from(NODES), well=st.booleans())
    def a_node_reports(self, node: str, well: bool) -> None:
        self.lost = self.lost or not well
        self._do(lambda: self.world.report(node, now=self.now, health="ok" if well else "unhealthy"), None)

    @rule(who=WHO, gpus=st.integers(0, 16), budget=BUDGETS, crash=st.none() | PICK)
    def quota(self, who: str, gpus: int, budget: Any, crash: int | None) -> None:
        self._do(lambda: self.world.set_quota(who, gpus, now=self.now, budget=budget), crash)

    @rule(walk_in_ppm=st.sampled_from([0, 300_000, 500_000, 1_000_000]), crash=st.none() | PICK)
    def the_walk_in_reserve(self, walk_in_ppm: int, crash: int | None) -> None:
        def work() -> None:
            body = wire.PolicyChange(walk_in_ppm=walk_in_ppm)
            with self.world.db.begin() as session:
                policies.change_policy(self.world.service, session, "h100", body, actor=ADMIN, now=self.now)
            self.walk_in_ppm = walk_in_ppm

        self._do(work, crash)

    @rule(who=WHO, gpu_seconds=st.integers(-300, 300).filter(bool))
    def adjust(self, who: str, gpu_seconds: int) -> None:
        body = wire.LedgerAdjust(company=who, pool="h100", gpu_seconds=gpu_seconds)

        def work() -> None:
            with self.world.db.begin() as session:
                accounts.adjust(session, body, reason="a lost minute", actor=ADMIN, now=self.now)

        self._do(work, None)

    def _do(self, work: Callable[[], object], crash: int | None) -> None:
        """By the other replica than before; a refusal is an answer too."""
        self.services.reverse()
        self.world.service = self.services[0]
        with suppress(DureError, Crash):
            if crash is None:
                work()
            else:
                with crash_at(self.world, crash):
                    work()

    @invariant()
    def the_ledger_is_balanced(self) -> None:
        with self.world.db.snapshot() as session:
            found = sums.verify(session, company=None, pool=None, actor=ADMIN)
        assert found.faults == []
        one = found.sums
        parts = one.available_gpu_seconds + one.committed_gpu_seconds + one.spent_gpu_seconds + one.expired_gpu_seconds
        assert one.granted_gpu_seconds == parts

    @invariant()
    def nobody_is_above_its_quota_but_for_what_was_promised_before_it_was_lowered(self) -> None:
        with self.world.db.snapshot() as session:
            for who, booked in leases.booked(session, "h100", COMPANIES).items():
                now_held = limits.held(booked).since(self.now)
                most = self.world.quota(who, now=self.now).gpus
                for at in (self.now, *(at for at in now_held.times if at > self.now)):
                    assert now_held.at(at) <= max(most, self.held[who].at(at))
                self.held[who] = now_held

    @invariant()
    def states_follow_the_table_and_a_promise_is_later_only_where_capacity_was_lost(self) -> None:
        with self.world.db.snapshot() as session:
            query = select(LeaseEvent).where(col(LeaseEvent.seq) > self.seen).order_by(col(LeaseEvent.seq))
            for one in session.exec(query).all():
                self.seen = max(self.seen, one.seq or 0)
                assert one.lease is not None
                if one.event == "preempting":
                    self._check_notice(one)
                if one.event in ("slipped", "queued"):
                    self.slipped[one.lease] = one.seq or 0
                self._note_ahead(one)
                if (state := STATES.get(one.event)) is not None:
                    before = self.states.get(one.lease, State.ASKED)
                    assert state in NEXT[before], (before, state)
                    self.states[one.lease] = state
            for row in session.exec(select(Lease)).all():
                assert self.states[row.id].value == row.state
                if row.promised_start is None:
                    continue
                if row.promised_start > self.promised.get(row.id, row.promised_start):
                    assert row.id in self.slipped
                self.promised[row.id] = row.promised_start
                if row.started_at is not None and row.id not in self.slipped:
                    assert row.started_at <= row.promised_start or row.late_cause is not None

    def _note_ahead(self, one: LeaseEvent) -> None:
        """What was promised more than that ahead, until it is somewhere else."""
        assert one.lease is not None
        if one.event in ("slipped", "queued", "moved"):
            self.ahead.discard(one.lease)
        if one.event == "scheduled" and (one.promised_start or 0) > one.at + NEAR_S:
            self.ahead.add(one.lease)

    def _check_notice(self, one: LeaseEvent) -> None:
        """Whoever is preempted is told its notice ahead."""
        with self.world.db.snapshot() as session:
            row = session.get_one(Lease, one.lease)
            assert row.tier == "spot"
            assert int(str(one.detail["in_s"])) >= row.notice_s

    @invariant()
    def no_gpu_is_promised_twice(self) -> None:
        self.lost = self.lost or "quarantined" in self.world.gpus()  # not proved empty in time
        if not self.lost:
            assert self.world.overbooked(self.now) == []

    @invariant()
    def what_is_booked_ahead_leaves_the_reserve_but_for_what_was_promised_before_it_was_raised(self) -> None:
        with self.world.db.snapshot() as session:
            booked = leases.booked(session, "h100", COMPANIES)
        ahead = limits.held(lease for held in booked.values() for lease in held if lease.id in self.ahead)
        line = POOL_GPUS * (1_000_000 - self.walk_in_ppm) // 1_000_000
        for at in ahead.times:
            if at > self.now + NEAR_S:
                assert ahead.at(at) <= max(line, self.booked_ahead.at(at))
        self.booked_ahead = ahead

    @invariant()
    def every_book_is_the_same(self) -> None:
        now = Instant(self.now)
        with self.world.db.begin() as session:
            number, kept = self.world.service.books.locked(session, "h100", now)
            anew = loaded(session, session.get_one(Pool, "h100"), now)
            logged = history.book(session, "h100", number, kept.policy, now)
        assert kept.digest(now) == anew.digest(now) == logged.digest(now)


def wire_time(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).isoformat()


@pytest.mark.timeout(500)
def test_any_day(embedded: Server) -> None:
    AnyDay.server = embedded
    run_state_machine_as_test(
        AnyDay, settings=settings(max_examples=8, stateful_step_count=25, deadline=None, print_blob=True)
    )
