"""What the leader's /metrics says of single leases, of the queue, of companies and of what comes next."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from dure import wire
from scheduler.metrics import FleetCollector
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import DAY, T0, World

ACME = {"company": "acme", "pool": "h100"}
H100 = {"pool": "h100"}


class Scraped:
    """One scrape of a leader at an instant."""

    def __init__(self, world: World, *, now: float) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(FleetCollector(world.db, lambda: now, lambda: True))

    def value(self, name: str, labels: Mapping[str, str] = H100) -> float | None:
        return self.registry.get_sample_value(name, dict(labels))

    def all(self, name: str) -> dict[tuple[str, ...], float]:
        """Of one metric, by the values of its labels."""
        return {
            tuple(sample.labels.values()): sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == name
        }


def test_a_lease_is_told_from_its_ask_to_its_receipt(world: World) -> None:
    lease = world.ask(8)
    world.turn(T0)
    [info] = Scraped(world, now=T0 + 50).all("dure_lease_info")
    assert info == (lease.id, "acme", "h100", "reserved", "training", "active")
    runs = Scraped(world, now=T0 + 50)
    assert runs.all("dure_lease_gpus") == {(lease.id,): 8}
    at = {name: value - T0 for (_, name), value in runs.all("dure_lease_timestamp_seconds").items()}
    assert at == {"asked": 0, "promised": 0, "starts": 0, "started": 0, "ends": 100}
    had = {kind: value for (_, kind), value in runs.all("dure_lease_receipt_gpu_seconds").items()}
    assert had == {"leased": 400, "lost": 0, "committed": 800, "charged": 0, "refunded": 0}, "nobody measured idle"
    world.release(lease, now=T0 + 60)
    world.turn(T0 + 61)
    over = Scraped(world, now=T0 + 70)
    receipt = {kind: value for (_, kind), value in over.all("dure_lease_receipt_gpu_seconds").items()}
    assert receipt["committed"] == 0
    assert receipt["charged"] + receipt["refunded"] == 800
    assert receipt["leased"] == receipt["charged"]
    assert over.value("dure_lease_timestamp_seconds", {"lease": lease.id, "at": "ended"}) is not None
    ended_at = over.value("dure_lease_timestamp_seconds", {"lease": lease.id, "at": "ended"}) or 0
    assert Scraped(world, now=ended_at + 901).all("dure_lease_info") == {}


def test_what_was_measured_of_a_lease_is_told_as_busy_and_idle(world: World) -> None:
    lease = world.ask(1)
    world.turn(T0)
    [held] = [held for node in ("n1", "n2") for held in world.report(node, now=T0 + 1).allocations]
    use = wire.AllocationUsage(
        allocation=held.allocation, day_began_at=DAY, sampled_ms=40_000, busy_ms=30_000, energy_millijoules=5_000_000
    )
    world.report(held.gpu.split("-")[1], now=T0 + 50, usage=[use])
    found = Scraped(world, now=T0 + 50)
    told = {
        kind: found.value("dure_lease_receipt_gpu_seconds", {"lease": lease.id, "kind": kind})
        for kind in ("busy", "idle")
    }
    assert told == {"busy": 30, "idle": 10}


def test_what_starts_and_ends_next_and_how_much_room_promises_have_is_told(world: World) -> None:
    idle = Scraped(world, now=T0)
    assert idle.value("dure_edge_next_timestamp_seconds", {**H100, "edge": "end"}) is None
    assert idle.value("dure_promise_slack_seconds") is None
    assert set(idle.all("dure_gpus_due").values()) == {0}
    world.ask(8, duration_s=1200)
    world.turn(T0)
    world.ask(16, duration_s=600)
    found = Scraped(world, now=T0 + 1)
    due = {key[1:]: gpus for key, gpus in found.all("dure_gpus_due").items()}
    assert due[("end", "15m")] == 0
    assert due[("end", "1h")] == due[("end", "24h")] == 8 + 16
    assert due[("start", "15m")] == 0
    assert due[("start", "1h")] == 16
    assert found.value("dure_edge_next_timestamp_seconds", {**H100, "edge": "end"}) == T0 + 1200
    starts = found.value("dure_edge_next_timestamp_seconds", {**H100, "edge": "start"}) or 0
    assert starts > T0 + 1200
    slack = found.value("dure_promise_slack_seconds")
    assert slack is not None
    assert slack >= 0


def test_the_queue_and_its_age_are_told(world: World) -> None:
    assert Scraped(world, now=T0).value("dure_queue_asks") == 0
    assert Scraped(world, now=T0).value("dure_queue_oldest_age_seconds") == 0
    world.ask(16, duration_s=1000)
    world.turn(T0)
    world.ask(8, now=T0 + 1, duration_s=1000, queue=True, start=to_wire(T0 + 10).isoformat())
    found = Scraped(world, now=T0 + 31)
    assert found.value("dure_queue_asks") == 1
    assert found.value("dure_queue_gpus") == 8
    assert found.value("dure_queue_oldest_age_seconds") == 30
    assert found.value("dure_company_gpus", {**ACME, "state": "queued"}) == 8
    assert found.value("dure_company_gpus", {**ACME, "state": "held"}) == 16
    assert found.value("dure_company_gpus", {"company": "globex", "pool": "h100", "state": "held"}) == 0
