"""What the scheduler's /metrics says of a small world, and that only a leader speaks of the fleet."""

import pytest
from prometheus_client import CollectorRegistry

from dure import wire
from scheduler.metrics import Counters, FleetCollector
from scheduler.store import clusters, fleet, metric_totals, pools
from scheduler.store.db import Database
from scheduler.turns.starts import Started
from tests.integration.scheduler.conftest import ADMIN, DAY, T0, World

KINDS = ("leased", "busy", "idle", "lost")
ACME = {"company": "acme", "pool": "h100"}


def _registry(world: World, *, leads: bool = True, now: float = T0 + 50) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(FleetCollector(world.db, lambda: now, lambda: leads))
    tell(world, now=now)
    return registry


def tell(world: World, *, now: float) -> None:
    """As the leader's job does."""
    with world.db.begin() as session:
        metric_totals.tell(session, now=now)


def test_the_fleet_its_leases_and_its_ledger_are_told(world: World) -> None:
    world.ask(8)
    world.ask(17)
    world.turn(T0)
    found = _registry(world)
    assert found.get_sample_value("dure_gpus", {"pool": "h100", "state": "leased"}) == 8
    assert found.get_sample_value("dure_gpus", {"pool": "h100", "state": "free"}) == 8
    assert found.get_sample_value("dure_leases", {"pool": "h100", "state": "active"}) == 1
    assert found.get_sample_value("dure_leases", {"pool": "h100", "state": "refused"}) == 1
    assert found.get_sample_value("dure_leases_overdue", {"pool": "h100"}) == 0
    assert found.get_sample_value("dure_lease_gpu_seconds_total", {**ACME, "kind": "leased"}) == 8 * 50
    assert found.get_sample_value("dure_ledger_committed_gpu_seconds", ACME) == 800
    assert found.get_sample_value("dure_quota_gpus", ACME) == 16
    assert found.get_sample_value("dure_node_report_age_seconds", {"node": "n1"}) == 50


def test_a_pool_whose_cluster_no_scheduler_is_told_of_is_told(world: World) -> None:
    h100 = {"pool": "h100", "cluster": "mian"}
    with world.db.begin() as session:
        pools.change(session, "h100", wire.PoolChange(cluster="mian"), actor=ADMIN, now=T0)
    assert _registry(world).get_sample_value("dure_pools_unserved", h100) == 1
    with world.db.begin() as session:
        clusters.told_of(session, ["mian"])
    assert _registry(world).get_sample_value("dure_pools_unserved", h100) is None


def _budget(world: World, *, now: float) -> dict[str, float | None]:
    found = _registry(world, now=now)
    names = ("gpu_seconds", "spent_gpu_seconds", "committed_gpu_seconds", "left_gpu_seconds")
    return {name: found.get_sample_value(f"dure_budget_{name}", ACME) for name in names}


def test_the_present_period_of_a_budget_is_told_and_what_is_left_of_it(world: World) -> None:
    assert set(_budget(world, now=T0).values()) == {None}
    world.set_quota("acme", 16, now=T0, budget={"gpu_seconds": 1000, "period": "week"})
    world.ask(8)
    world.turn(T0)
    told = {"gpu_seconds": 1000, "spent_gpu_seconds": 0, "committed_gpu_seconds": 800, "left_gpu_seconds": 200}
    assert _budget(world, now=T0) == told
    world.turn(T0 + 100)
    world.turn(T0 + 101)
    assert _budget(world, now=T0 + 101) == {**told, "spent_gpu_seconds": 800, "committed_gpu_seconds": 0}
    world.set_quota("acme", 16, now=T0 + 102, budget={"gpu_seconds": 500, "period": "week"})
    assert _budget(world, now=T0 + 102)["left_gpu_seconds"] == -300
    ends_at = world.quota(now=T0 + 102).periods[0].ends_at.timestamp()
    end = _registry(world, now=T0 + 102).get_sample_value("dure_budget_period_end_timestamp_seconds", ACME)
    assert end == ends_at
    assert _budget(world, now=ends_at)["gpu_seconds"] == 500, "the next week's"


def test_what_was_measured_of_leases_is_told_and_what_nobody_saw_is_not_idle(world: World) -> None:
    world.ask(1)
    world.turn(T0)
    [held] = [held for node in ("n1", "n2") for held in world.report(node, now=T0 + 1).allocations]
    use = wire.AllocationUsage(
        allocation=held.allocation, day_began_at=DAY, sampled_ms=40_000, busy_ms=30_000, energy_millijoules=5_000_000
    )
    world.report(held.gpu.split("-")[1], now=T0 + 50, usage=[use])
    found = _registry(world)
    told = {kind: found.get_sample_value("dure_lease_gpu_seconds_total", {**ACME, "kind": kind}) for kind in KINDS}
    assert told == {"leased": 50, "busy": 30, "idle": 10, "lost": 0}
    assert found.get_sample_value("dure_lease_energy_joules_total", ACME) == 5000


def test_a_lease_past_its_end_is_told(world: World) -> None:
    world.ask(8)
    world.turn(T0)
    late = _registry(world, now=T0 + 101)
    assert late.get_sample_value("dure_leases_overdue", {"pool": "h100"}) == 1


def test_a_lease_without_some_of_its_gpus_is_told_and_no_counter_falls(world: World) -> None:
    lease = world.ask(8)
    world.turn(T0)
    node = world.lease(lease).placement[0].node
    at = [T0 + 50]
    registry = CollectorRegistry()
    registry.register(FleetCollector(world.db, lambda: at[0], lambda: True))

    def told(kind: str) -> float | None:
        tell(world, now=at[0])
        return registry.get_sample_value("dure_lease_gpu_seconds_total", {**ACME, "kind": kind})

    assert (told("leased"), told("lost")) == (400, 0)
    with world.db.begin() as session:
        fleet.set_silent(session, node, now=T0 + 50)
    assert registry.get_sample_value("dure_leases_degraded", {"pool": "h100"}) == 1
    assert (told("leased"), told("lost")) == (400, 400)
    world.report(node, now=T0 + 60)
    at[0] = T0 + 60
    assert registry.get_sample_value("dure_leases_degraded", {"pool": "h100"}) == 0
    assert (told("leased"), told("lost")) == (480, 400)


def test_a_standby_says_nothing_of_the_fleet(world: World) -> None:
    assert [found.name for found in _registry(world, leads=False).collect()] == ["dure_database_up"]
    assert _registry(world, leads=False).get_sample_value("dure_database_up") == 1


@pytest.mark.parametrize("leads", [True, False])
def test_an_absent_database_is_told_rather_than_breaking_the_scrape(leads: bool) -> None:
    """Also by who does not lead: while it is away nobody does."""
    gone = Database("postgresql://nobody@/none?host=/nonexistent")
    registry = CollectorRegistry()
    registry.register(FleetCollector(gone, lambda: T0, lambda: leads))
    assert registry.get_sample_value("dure_database_up") == 0
    assert registry.get_sample_value("dure_gpus") is None
    gone.close()


def test_lateness_is_counted_as_it_happens() -> None:
    registry = CollectorRegistry()
    Counters(registry).started(Started(lease="lea_1", company="acme", pool="h100", late_s=0.3))
    assert registry.get_sample_value("dure_lease_start_lateness_seconds_sum", {"pool": "h100"}) == 0.3
