"""The loop itself, one turn at a time, on a real database with a clock that the test sets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from scheduler import counted, forgetting, jobs, traces
from scheduler.core.promises import Happened
from scheduler.core.replan import Plan
from scheduler.loop import Loop
from scheduler.metrics import Counters
from scheduler.service import Service
from scheduler.store import counting, idempotency, metric_totals
from scheduler.store.db import Database
from scheduler.store.leader import Deposed, Lead
from scheduler.turns.starts import Leading
from tests.cluster.daemons import until
from tests.integration.api.test_traces import collector
from tests.integration.scheduler.conftest import GAP_S, T0, World
from tests.integration.scheduler.test_attendance import see
from tests.integration.scheduler.test_maintenance import drain

H100 = {"pool": "h100"}


@dataclass
class Hands:
    """A clock whose hands the test moves."""

    at: float = T0
    stepped: bool = False
    step_s: float = 0.0

    def now(self) -> float:
        return self.at

    def resync(self) -> None:
        return None


@dataclass
class Turning:
    world: World
    clock: Hands = field(default_factory=Hands)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.loop = Loop(self.world.db, self.clock, Counters(self.registry))  # type: ignore[arg-type]
        self.loop.lead = Lead(self.world.db.url)
        assert self.loop.lead.try_take()
        self.loop.leading = Leading(since=T0, away="scheduler_away")

    def tick(self, at: float) -> None:
        self.clock.at = at
        self.loop.tick()

    def value(self, name: str, labels: dict[str, str]) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def turning(world: World) -> Iterator[Turning]:
    made = Turning(world)
    yield made
    assert made.loop.lead is not None
    made.loop.lead.close()


def test_a_loop_that_was_down_for_a_minute_catches_up_and_the_lateness_is_a_metric(turning: Turning) -> None:
    lease = turning.world.ask(8, duration_s=100)
    turning.loop.leading = Leading(since=T0 + 60, away="scheduler_away")
    turning.tick(T0 + 60)
    assert (turning.world.lease(lease).state, turning.world.lease(lease).late_cause) == ("active", "scheduler_away")
    assert turning.value("dure_lease_start_lateness_seconds_sum", H100) == 60
    assert turning.world.promises(Happened.BROKEN) == {("h100",): 1}
    assert turning.value("dure_forecast_error_seconds_sum", H100) == 60, "it was expected to start at once"
    assert turning.value("dure_decision_duration_seconds_count", H100) == 1
    turning.tick(T0 + 130)
    assert turning.world.lease(lease).state == "ended"
    assert turning.value("dure_lease_end_lateness_seconds_sum", H100) == 30


def test_a_lease_on_which_nothing_runs_is_given_back_by_the_loop_and_none_while_the_clock_is_doubted(
    database: Database,
) -> None:
    turning = Turning(World(database).found(no_show_after_s=600))
    lease = turning.world.ask(8, duration_s=3600)
    turning.tick(T0)
    for second, stepped in ((300, False), (600, True), (601, False), (603, False)):
        see(turning.world, T0 + second)
        turning.clock.stepped = stepped
        turning.tick(T0 + second)
        if stepped:
            assert turning.world.lease(lease).state == "active"
    assert turning.world.lease(lease).end_cause == "no_show"
    assert turning.loop.lead is not None
    turning.loop.lead.close()


def test_an_idle_lease_is_warned_about_by_the_loop_and_none_while_the_clock_is_doubted(database: Database) -> None:
    turning = Turning(World(database).found(idle_after_s=1200))
    lease = turning.world.ask(8, duration_s=7200)
    turning.tick(T0)
    for second in (1, 301, 601):
        see(turning.world, T0 + second)
        turning.clock.stepped = second == 601
        turning.tick(T0 + second)
        assert ("idle_soon", None) not in turning.world.events(lease)
    turning.clock.stepped = False
    turning.tick(T0 + 602)
    assert ("idle_soon", None) in turning.world.events(lease)
    assert turning.loop.lead is not None
    turning.loop.lead.close()


def test_a_lease_that_never_started_is_counted(turning: Turning) -> None:
    turning.world.ask(8, duration_s=100)
    turning.tick(T0 + 500)
    assert turning.world.promises(Happened.NEVER) == turning.world.promises(Happened.BROKEN) == {("h100",): 1}
    assert turning.value("dure_lease_start_lateness_seconds_count", H100) is None


def test_an_ask_out_of_the_queue_is_a_decision_that_is_counted(turning: Turning) -> None:
    gang = {"nodes": 2, "gpus_per_node": 8}
    booked = turning.world.ask(16, shape=gang, start="2027-01-15T09:00:00Z")
    waiting = turning.world.ask(16, shape=gang, start="2027-01-15T09:00:00Z", who="globex")
    turning.tick(T0 + 1)
    assert turning.world.lease(waiting).state == "queued"
    turning.world.cancel(booked, now=T0 + 2)
    turning.tick(T0 + 3)
    assert turning.world.lease(waiting).state == "scheduled"
    labels = {**H100, "outcome": "scheduled", "code": "starts_as_asked"}
    assert turning.value("dure_decisions_total", labels) == 1


def hold_and_end(world: World) -> None:
    """GPUs have been cleaned after their lease once its gap is over."""
    world.ask(16, duration_s=100 - GAP_S)


def hold_and_give_back(world: World) -> None:
    """A lease that goes on gives some back."""
    lease = world.ask(16, duration_s=3600, purpose="inference", min=1)
    world.turn(T0)
    world.shrink(lease, now=T0 + 100 - GAP_S, gpus=8)


def drain_both(world: World) -> None:
    for node in ("n1", "n2"):
        drain(world, node, duration_s=100)


@pytest.mark.parametrize("taken", [hold_and_end, hold_and_give_back, drain_both])
def test_who_waits_for_idle_gpus_starts_the_second_that_they_are_and_not_a_minute_later(
    turning: Turning, monkeypatch: pytest.MonkeyPatch, taken: Callable[[World], None]
) -> None:
    world, service, looks = turning.world, turning.loop.service, list[int]()

    def seen(*args: Any, queue: bool, **more: Any) -> Plan:
        looks.extend([int(more["now"] - T0)] if queue else [])
        return Service.seen(service, *args, queue=queue, **more)

    monkeypatch.setattr(service, "seen", seen)
    taken(world)
    turning.tick(T0)
    waits = world.ask(8, who="globex", now=T0 + 1, duration_s=3600, tier="spot")
    assert waits.state == "queued"
    for second in range(100 - GAP_S, 100 + 30):
        turning.tick(T0 + second)
        world.clean(T0 + second + 0.5)
        assert (world.lease(waits).state == "active") == (second >= 100), second
    assert 100 in looks
    assert len([second for second in looks if 100 - GAP_S + 2 < second < 100]) == 0, "it does not look all the time"


def test_while_the_clock_is_stepped_no_lease_is_ended(turning: Turning) -> None:
    lease = turning.world.ask(8, duration_s=100)
    turning.tick(T0)
    turning.clock.stepped = True
    turning.tick(T0 + 1000)
    assert turning.world.lease(lease).state == "active"
    turning.clock.stepped = False
    turning.tick(T0 + 1001)
    assert turning.world.lease(lease).state == "ended"


def test_a_loop_that_was_stopped_while_another_took_over_writes_nothing(turning: Turning) -> None:
    lease = turning.world.ask(8)
    with turning.world.db.begin() as session:
        from sqlalchemy import text

        session.connection().execute(text("UPDATE leader SET epoch = epoch + 1"))
    with pytest.raises(Deposed):
        turning.tick(T0 + 1)
    assert turning.world.lease(lease).state == "scheduled"


def test_a_silent_node_is_noticed_by_the_loop(turning: Turning) -> None:
    turning.world.ask(8)
    turning.world.listens(T0, T0 + 11)
    turning.tick(T0 + 11)
    assert turning.world.gpus() == {"unknown": 16}


def test_housekeeping_drops_no_late_run_and_is_the_leaders(turning: Turning) -> None:
    housekeeping = jobs.schedule(turning.world.db, turning.clock, turning.loop)  # type: ignore[arg-type]
    found = {job.id: job.misfire_grace_time for job in housekeeping.get_jobs()}
    housekeeping.shutdown(wait=True)
    assert set(found.values()) == {None}
    assert set(found) == {
        "clock_resync",
        "fold_totals",
        "tell_totals",
        "forget_idempotent_answers",
        "forget_offers",
        "forget_pods",
        "forget_node_events",
        "forget_violations",
        "forget_deliveries",
        "say_presence",
        "count_leases",
        "count_uses",
        "forget_use",
        "renew_mixes",
        "measure_database",
        "verify_ledger",
        "make_parts",
        "forget_parts",
        "write_books",
    }


def test_a_job_that_the_database_is_away_for_is_a_line_and_no_fault(
    turning: Turning, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    gone = Database("postgresql://nobody@127.0.0.1:1/nothing")
    housekeeping = jobs.schedule(gone, turning.clock, turning.loop)  # type: ignore[arg-type]
    said_job = housekeeping.get_job("say_presence")
    assert said_job is not None
    said_job.modify(next_run_time=datetime.now(UTC))
    said: list[str] = []

    def told() -> bool:
        said.append(capsys.readouterr().out)
        return "job_put_off" in "".join(said)

    until(told, [], within_s=60, what="it is said")
    housekeeping.shutdown(wait=True)
    gone.close()
    assert "say_presence" in "".join(said)
    assert caplog.records == []


def test_answers_are_forgotten_after_a_day_by_the_leader_alone(turning: Turning) -> None:
    with turning.world.db.begin() as session:
        idempotency.claim(session, principal="p", key="k", fingerprint="f", now=T0)
        idempotency.keep(session, principal="p", key="k", status=200, body=b"{}")
    later = T0 + idempotency.KEPT_S + 1
    assert forgetting.forget_answers(turning.world.db, turning.loop, T0 + 60) == 0
    lead, turning.loop.lead = turning.loop.lead, None
    assert forgetting.forget_answers(turning.world.db, turning.loop, later) == 0
    turning.loop.lead = lead
    assert forgetting.forget_answers(turning.world.db, turning.loop, later) == 1


def test_totals_are_told_and_folded_by_the_leader_alone(turning: Turning) -> None:
    turning.world.ask(8)
    turning.world.turn(T0)
    lead, turning.loop.lead = turning.loop.lead, None
    assert not counted.tell_totals(turning.world.db, turning.loop, T0 + 50)
    assert not counted.fold_totals(turning.world.db, turning.loop, T0)
    turning.loop.lead = lead
    assert counted.tell_totals(turning.world.db, turning.loop, T0 + 50)
    assert counted.fold_totals(turning.world.db, turning.loop, T0)
    with turning.world.db.snapshot() as session:
        assert metric_totals.told(session).gpu_seconds["acme", "h100", "leased"] == 400


def test_leases_are_counted_and_what_agents_said_of_them_forgotten_by_the_leader_alone(turning: Turning) -> None:
    turning.world.ask(8)
    turning.world.turn(T0)
    turning.world.turn(T0 + 100)
    later = T0 + 101 + counting.LATEST_S
    lead, turning.loop.lead = turning.loop.lead, None
    assert counted.count_leases(turning.world.db, turning.loop, later) == 0
    assert forgetting.forget_use(turning.world.db, turning.loop, later) == 0
    turning.loop.lead = lead
    assert counted.count_leases(turning.world.db, turning.loop, later) == 1
    assert counted.count_leases(turning.world.db, turning.loop, later) == 0


def test_a_turn_for_a_pool_that_has_something_due_is_a_span(turning: Turning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    spans: list[Any] = []
    with collector(spans) as endpoint:
        traces.configure(endpoint, "scheduler")
        try:
            turning.world.ask(8)
            turning.tick(T0)
            until(lambda: bool(spans), [], within_s=30, what="the span")
        finally:
            traces.configure(None, "scheduler")
    assert {(span.name, span.attributes[0].value.string_value) for span in spans} == {("turn", "h100")}
