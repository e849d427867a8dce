"""A lease that hardly uses its GPUs is warned about and given back, by its pool's rule for what it is for."""

import pytest
from sqlmodel import func, select

from dure import wire
from dure.errors import KeepsSpent, WrongState
from scheduler import explanations
from scheduler.store import counting, sums
from scheduler.store.db import Database
from scheduler.store.tables import AllocationSeen
from tests.integration.scheduler.conftest import ADMIN, DAY, T0, World
from tests.integration.scheduler.test_attendance import keep

AFTER_S = 3600
STRETCH_S = 300
TICK_S = 100
HOUR = 3600


@pytest.fixture
def strict(database: Database) -> World:
    """A pool that gives back what uses under 5 % for an hour, and no inference."""
    return World(database).found(idle_after_s=AFTER_S, keeps=1)


class Used:
    """A lease, and what its GPUs were seen to use by now, as agents tell it."""

    def __init__(self, world: World, lease: wire.Lease) -> None:
        self.world, self.lease = world, lease
        self.at, self.sampled_ms, self.busy_ms = T0, 0, 0
        held = {node: world.report(node, now=T0).allocations for node in ("n1", "n2")}
        self.held = {node: [one.allocation for one in found] for node, found in held.items() if found}

    def go(self, until: int, *, busy_ppm: int = 0, seen: bool = True) -> None:
        """So many seconds after the start, with a turn and a report every 100."""
        while self.at < T0 + until:
            self.at += TICK_S
            if seen:
                self.sampled_ms += TICK_S * 1000
                self.busy_ms += TICK_S * 1000 * busy_ppm // 1_000_000
                self._report()
            self.world.turn(self.at)

    def _report(self) -> None:
        for node, allocations in self.held.items():
            usage = [
                wire.AllocationUsage(allocation=one, day_began_at=DAY, sampled_ms=self.sampled_ms, busy_ms=self.busy_ms)
                for one in allocations
            ]
            self.world.report(node, now=self.at, usage=usage)

    @property
    def told(self) -> list[str]:
        return [event for event, _ in self.world.events(self.lease)]

    @property
    def active(self) -> bool:
        return self.world.lease(self.lease).state is wire.LeaseState.ACTIVE


def begun(world: World, purpose: str = "training") -> Used:
    lease = world.ask(8, duration_s=6 * HOUR, purpose=purpose)
    world.turn(T0)
    world.turn(T0)
    return Used(world, lease)


def test_an_idle_lease_is_warned_and_then_given_back_and_what_it_had_is_charged(strict: World) -> None:
    used = begun(strict)
    used.go(HOUR, busy_ppm=900_000)
    used.go(HOUR + 1700, busy_ppm=40_000)
    assert "idle_soon" not in used.told
    used.go(HOUR + 1800, busy_ppm=40_000)
    assert strict.detail(used.lease, "idle_soon") == {
        "in_s": 1800,
        "since": "2027-01-15T09:00:00Z",
        "utilization_ppm": 40_000,
        "below_ppm": 50_000,
        "after_s": AFTER_S,
    }
    used.go(2 * HOUR - TICK_S, busy_ppm=40_000)
    assert used.active
    used.go(2 * HOUR + TICK_S, busy_ppm=40_000)
    assert strict.lease(used.lease).end_cause is wire.EndCause.IDLE
    assert strict.events(used.lease)[-2:] == [("ending", "idle"), ("ended", "idle")]
    assert strict.balance() == (0, 8 * 2 * HOUR), "what it had is charged, the rest is refunded"
    with strict.db.snapshot() as session:
        assert sums.verify(session, company=None, pool=None, actor=ADMIN).faults == []
        told = explanations.explain(
            session, used.lease.id, actor=ADMIN, expected=strict.service.expectations.of(session, used.at)
        )
    said = {step.event: step.detail for step in told.steps}
    assert said["idle_soon"].startswith(
        "Its company was told that it used 4 % of its GPUs, and under 5 % since 2027-01-15T09:00:00Z, and that it is given"
        " back in 30 min if that stays so."
    )
    assert said["ended"] == "It ended: it hardly used its GPUs."


def test_what_was_kept_in_mind_of_a_lease_goes_when_it_is_counted(strict: World) -> None:
    used = begun(strict)
    used.go(TICK_S)
    strict.release(used.lease, now=used.at)
    strict.turn(used.at + 1)
    strict.clean(used.at + 2)
    with strict.db.begin() as session:
        assert session.exec(select(func.count()).select_from(AllocationSeen)).one() == 8
        assert counting.count(session, now=used.at + 2 + counting.SETTLES_S) == 1
        assert session.exec(select(func.count()).select_from(AllocationSeen)).one() == 0


def test_a_lease_that_computes_again_after_its_warning_is_not_given_back(strict: World) -> None:
    used = begun(strict)
    used.go(HOUR - STRETCH_S)
    assert used.told[-1] == "idle_soon"
    used.go(HOUR, busy_ppm=50_000)
    used.go(HOUR + 1700)
    assert used.told.count("idle_soon") == 1
    used.go(HOUR + 1800)
    assert used.told.count("idle_soon") == 2, "the time began anew"
    assert used.active


def test_time_that_no_agent_saw_is_not_idle(strict: World) -> None:
    used = begun(strict)
    used.go(HOUR - STRETCH_S)
    used.go(HOUR, seen=False)
    assert used.active
    used.go(4 * HOUR, seen=False)
    assert used.active
    assert used.told.count("idle_soon") == 1


def test_inference_is_given_back_by_its_own_rule_alone(database: Database) -> None:
    world = World(database).found(
        idle_after_s=AFTER_S, inference_idle_after_s=2 * HOUR, inference_idle_below_ppm=20_000
    )
    used = begun(world, "inference")
    used.go(HOUR, busy_ppm=15_000)
    assert world.detail(used.lease, "idle_soon")["below_ppm"] == 20_000
    used.go(2 * HOUR - TICK_S, busy_ppm=15_000)
    assert used.active
    used.go(2 * HOUR + TICK_S, busy_ppm=15_000)
    assert world.lease(used.lease).end_cause is wire.EndCause.IDLE


def test_inference_without_a_rule_of_its_own_is_never_idle(strict: World) -> None:
    used = begun(strict, "inference")
    used.go(3 * HOUR)
    assert used.active
    assert "idle_soon" not in used.told


def test_an_idle_lease_of_which_nobody_was_warned_need_not_be_kept(strict: World) -> None:
    used = begun(strict)
    used.go(HOUR // 2 - STRETCH_S)
    with pytest.raises(WrongState, match="not about to be given back"):
        keep(strict, used.lease, now=used.at)
    used.go(HOUR - TICK_S)
    keep(strict, used.lease, now=used.at)
    used.go(HOUR, busy_ppm=900_000)
    with pytest.raises(WrongState, match="kept 1 of 1 times"):
        keep(strict, used.lease, now=used.at)


def test_a_company_keeps_an_idle_lease_as_often_as_the_policy_says(strict: World) -> None:
    used = begun(strict)
    used.go(HOUR - TICK_S)
    keep(strict, used.lease, now=used.at)
    assert strict.detail(used.lease, "kept") == {"kept": 1, "keeps": 1, "until": "2027-01-15T09:58:20Z"}
    used.go(HOUR + 1700)
    assert used.told.count("idle_soon") == 1
    used.go(HOUR + 1800)
    assert used.told.count("idle_soon") == 2, "it is warned anew"
    with pytest.raises(KeepsSpent):
        keep(strict, used.lease, now=used.at)
    used.go(2 * HOUR + TICK_S)
    assert strict.lease(used.lease).end_cause is wire.EndCause.IDLE
