"""A lease on which nothing runs is warned about and given back; its company can keep it, and pays for what it had."""

from typing import Any

import pytest

from dure import wire
from dure.errors import KeepsSpent, UnknownLease, WrongState
from scheduler import explanations, keeping
from scheduler.store import sums
from scheduler.store.db import Database
from scheduler.turns import attendance
from tests.integration.scheduler.conftest import ADMIN, DAY, T0, World, company

AFTER_S = 600
HOUR = 3600


@pytest.fixture
def strict(database: Database) -> World:
    """A pool that gives back what nothing runs on for ten minutes."""
    return World(database).found(no_show_after_s=AFTER_S, keeps=1)


def see(world: World, now: float, *, busy_ms: int = 0, silent: tuple[str, ...] = (), **more: Any) -> None:
    """Every agent reports what it saw of each GPU since its lease began."""
    for node in ("n1", "n2"):
        if node in silent:
            continue
        held = world.report(node, now=now, **more).allocations
        usage = [
            wire.AllocationUsage(
                allocation=one.allocation,
                day_began_at=DAY,
                sampled_ms=max(0, round((now - one.starts_at.timestamp()) * 1000)),
                busy_ms=busy_ms,
            )
            for one in held
        ]
        world.report(node, now=now, usage=usage, **more)


def keep(world: World, lease: wire.Lease, *, now: float, who: str | None = None) -> wire.Lease:
    with world.db.begin() as session:
        return keeping.keep(world.service, session, lease.id, actor=company(who or lease.company), now=now)


def begun(world: World, gpus: int = 8) -> wire.Lease:
    lease = world.ask(gpus, duration_s=HOUR)
    world.turn(T0)
    return lease


def pass_(world: World, since: int, until: int, **more: Any) -> None:
    """A report and a turn every 20 s."""
    for second in range(since, until + 1, 20):
        see(world, T0 + second, **more)
        world.turn(T0 + second)


def test_a_lease_on_which_nothing_runs_is_warned_and_then_given_back(strict: World) -> None:
    lease = begun(strict)
    pass_(strict, 20, 280)
    assert ("no_show_soon", None) not in strict.events(lease)
    pass_(strict, 300, 580)
    assert strict.events(lease)[-1] == ("no_show_soon", None)
    assert strict.detail(lease, "no_show_soon") == {"in_s": 300, "after_s": AFTER_S}
    assert strict.lease(lease).state is wire.LeaseState.ACTIVE
    pass_(strict, 600, 620)
    found = strict.lease(lease)
    assert (found.state.value, found.end_cause) == ("ended", wire.EndCause.NO_SHOW)
    assert strict.events(lease)[-2:] == [("ending", "no_show"), ("ended", "no_show")]
    assert strict.balance() == (0, 8 * AFTER_S), "what it had is charged, the rest is refunded"
    with strict.db.snapshot() as session:
        assert sums.verify(session, company=None, pool=None, actor=ADMIN).faults == []
        told = explanations.explain(
            session, lease.id, actor=ADMIN, expected=strict.service.expectations.of(session, T0 + 620)
        )
    said = {step.event: step.detail for step in told.steps}
    assert said["no_show_soon"].startswith(
        "Its company was told that nothing runs on it, and that it is given back in 5 min"
    )
    assert said["ended"] == "It ended: nothing was started on it."


def test_what_is_given_back_is_promised_to_others(strict: World) -> None:
    begun(strict, 16)
    waits = strict.ask(16, duration_s=HOUR, who="globex", notice_s=0, now=T0 + 1)
    pass_(strict, 20, 660)
    strict.clean(T0 + 661)
    strict.turn(T0 + 662)
    assert strict.lease(waits).state is wire.LeaseState.ACTIVE


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param({"busy_ms": 1}, id="it computed"),
        pytest.param({"busy": ("GPU-n1-0",)}, id="a process is there"),
    ],
)
def test_a_lease_on_which_anything_ran_is_never_given_back(strict: World, seen: dict[str, Any]) -> None:
    lease = begun(strict)
    pass_(strict, 300, 300, **seen)
    pass_(strict, 320, 1400)
    assert strict.lease(lease).state is wire.LeaseState.ACTIVE
    assert ("no_show_soon", None) not in strict.events(lease)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param({"processes": None}, id="an agent that sees no processes"),
        pytest.param({"silent": ("n1", "n2")}, id="silent agents"),
        pytest.param({"silent": ("n2",)}, id="one of two agents is silent"),
    ],
)
def test_a_lease_of_which_anything_is_unknown_is_never_given_back(strict: World, seen: dict[str, Any]) -> None:
    lease = begun(strict, 16)
    pass_(strict, 20, 1400, **seen)
    assert strict.lease(lease).state is wire.LeaseState.ACTIVE
    assert ("no_show_soon", None) not in strict.events(lease)


def test_time_that_no_agent_saw_is_not_absence(strict: World) -> None:
    lease = begun(strict)
    for second in range(20, 1400, 20):
        strict.report("n1", now=T0 + second)
        strict.turn(T0 + second)
    assert strict.lease(lease).state is wire.LeaseState.ACTIVE


def test_a_company_keeps_its_lease_as_often_as_the_policy_says(strict: World) -> None:
    lease = begun(strict)
    pass_(strict, 300, 500)
    with pytest.raises(UnknownLease):
        keep(strict, lease, now=T0 + 500, who="globex")
    keep(strict, lease, now=T0 + 500)
    assert strict.detail(lease, "kept") == {"kept": 1, "keeps": 1, "until": "2027-01-15T08:18:20Z"}
    pass_(strict, 520, 780)
    assert strict.lease(lease).state is wire.LeaseState.ACTIVE
    pass_(strict, 800, 820)
    assert strict.events(lease)[-1] == ("no_show_soon", None), "it is warned anew"
    with pytest.raises(KeepsSpent, match="was kept 1 times, and pool h100 allows 1") as told:
        keep(strict, lease, now=T0 + 830)
    assert told.value.numbers == {"kept": 1, "keeps": 1}
    pass_(strict, 840, 1120)
    assert strict.lease(lease).end_cause is wire.EndCause.NO_SHOW


def test_to_keep_one_that_is_not_about_to_be_given_back_takes_no_keep(strict: World) -> None:
    lease = begun(strict)
    pass_(strict, 20, 280)
    told = "need not be kept now: it is not about to be given back.*kept 0 of 1 times, and this is none of them"
    for _ in range(3):
        with pytest.raises(WrongState, match=told) as refused:
            keep(strict, lease, now=T0 + 290)
        assert refused.value.numbers == {"state": "active", "kept": 0, "keeps": 1}
    pass_(strict, 300, 500)
    keep(strict, lease, now=T0 + 500)
    with pytest.raises(WrongState, match="kept 1 of 1 times"):
        keep(strict, lease, now=T0 + 501)


def test_there_is_nothing_to_keep_where_nothing_is_given_back(world: World) -> None:
    lease = begun(world)
    with pytest.raises(WrongState, match="its pool gives none back"):
        keep(world, lease, now=T0 + 1)
    waits = world.ask(16, duration_s=HOUR, who="globex", now=T0 + 1)
    with pytest.raises(WrongState, match="it is scheduled, and only an active one"):
        keep(world, waits, now=T0 + 1)
    pass_(world, 20, 1400)
    assert world.lease(lease).state is wire.LeaseState.ACTIVE


def test_there_is_nothing_to_keep_once_something_ran(strict: World) -> None:
    lease = begun(strict)
    pass_(strict, 300, 300, busy_ms=5)
    with pytest.raises(WrongState, match="something runs or ran on it"):
        keep(strict, lease, now=T0 + 301)


def test_who_was_not_warned_while_we_were_down_is_warned_first(strict: World) -> None:
    lease = begun(strict)
    pass_(strict, 1000, 1280)
    assert strict.events(lease)[-1] == ("no_show_soon", None)
    assert strict.detail(lease, "no_show_soon")["in_s"] == 300
    pass_(strict, 1300, 1300)
    assert strict.lease(lease).end_cause is wire.EndCause.NO_SHOW


def test_a_turn_that_is_taken_twice_warns_and_gives_back_once(strict: World) -> None:
    lease = begun(strict)
    see(strict, T0 + 300)
    for _ in range(2):
        with strict.db.begin() as session:
            attendance.look(session, "h100", T0 + 300)
    see(strict, T0 + 600)
    for _ in range(2):
        with strict.db.begin() as session:
            attendance.look(session, "h100", T0 + 600)
    told = [event for event, _ in strict.events(lease)]
    assert (told.count("no_show_soon"), told.count("ending")) == (1, 1)
