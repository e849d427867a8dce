"""What the leader's /metrics says of nodes that are out of service, GPUs that are not proved empty, and shares; and how much it tells."""

import pytest

from scheduler.core.model import CompanyId, Instant
from scheduler.core.shares import Use, Uses
from scheduler.store import changes, fleet, generation, pools
from scheduler.store.snapshot import leases
from tests.integration.scheduler.conftest import GAP_S, T0, World
from tests.integration.scheduler.test_maintenance import drain
from tests.integration.scheduler.test_metrics_leases import ACME, H100, Scraped


def nodes(world: World, *, now: float) -> dict[str, float]:
    found = Scraped(world, now=now).all("dure_nodes")
    return {state: count for (pool, state), count in found.items() if pool == "h100" and count}


def test_a_node_out_of_service_is_draining_whatever_else_it_is(world: World) -> None:
    assert nodes(world, now=T0) == {"ok": 2}
    drain(world, "n1", start=T0 + 10, duration_s=90)
    assert nodes(world, now=T0 + 9) == {"ok": 2}
    assert nodes(world, now=T0 + 10) == {"ok": 1, "draining": 1}
    with world.db.begin() as session:
        fleet.set_silent(session, "n1", now=T0 + 20)
        fleet.set_silent(session, "n2", now=T0 + 20)
    assert nodes(world, now=T0 + 20) == {"unknown": 1, "draining": 1}
    assert nodes(world, now=T0 + 100) == {"unknown": 2}


def test_free_gpus_of_a_node_out_of_service_are_draining_and_a_lease_on_it_holds_what_it_holds(world: World) -> None:
    lease = world.ask(3)
    world.turn(T0)
    drain(world, lease.placement[0].node, now=T0 + 1, start=T0 + 10, duration_s=90)
    for now, free, draining in ((T0 + 9, 13, 0), (T0 + 10, 8, 5), (T0 + 100, 13, 0)):
        told = Scraped(world, now=now).all("dure_gpus")
        found = {state: count for (pool, state), count in told.items() if pool == "h100"}
        assert (found["free"], found["draining"], found["leased"], sum(found.values())) == (free, draining, 3, 16)
        with world.db.snapshot() as session:
            shown = pools.get(session, "h100", now=now)
        assert (sum(shown.gpus.values()), shown.free_draining) == (16, draining)


def test_gpus_that_were_not_proved_empty_in_time_are_told_until_they_are(world: World) -> None:
    world.ask(8)
    world.turn(T0)
    world.turn(T0 + 100)
    world.turn(T0 + 101)
    assert Scraped(world, now=T0 + 102).value("dure_gpus_unproved") == 0, "they are being cleaned"
    world.turn(T0 + 101 + GAP_S)
    late = Scraped(world, now=T0 + 102 + GAP_S)
    assert late.value("dure_gpus_unproved") == 8
    assert late.value("dure_gpus", {**H100, "state": "quarantined"}) == 8
    world.clean(T0 + 103 + GAP_S)
    world.turn(T0 + 104 + GAP_S)
    assert Scraped(world, now=T0 + 105 + GAP_S).value("dure_gpus_unproved") == 0


def test_of_more_leases_than_are_told_the_newest_are_and_how_many_are_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [world.ask(1, now=T0 + number, duration_s=100) for number in range(3)]
    monkeypatch.setattr(leases, "MOST_LEASES", 2)
    found = Scraped(world, now=T0 + 5)
    assert {key[0] for key in found.all("dure_lease_info")} == {told[1].id, told[2].id}
    assert {key[0] for key in found.all("dure_lease_receipt_gpu_seconds")} == {told[1].id, told[2].id}
    assert found.value("dure_leases_left_out", {}) == 1


def test_what_is_told_of_shares_are_parts_of_one(world: World) -> None:
    assert Scraped(world, now=T0).value("dure_share_used_ratio", ACME) is None, "nothing is contended"
    counted = Uses(
        at=Instant(1),
        of=(
            Use(company=CompanyId("acme"), used=300, entitled=100),
            Use(company=CompanyId("globex"), used=100, entitled=100),
        ),
    )
    with world.db.begin() as session:
        changes.write(session, "h100", generation.bump(session, "h100"), [counted], at=T0)
    found = Scraped(world, now=T0)
    assert found.value("dure_share_used_ratio", ACME) == 0.75
    assert found.value("dure_share_entitled_ratio", ACME) == 0.5


def test_a_scrape_asks_whether_the_database_answers_and_reads_all_in_one_transaction(world: World) -> None:
    began: list[float] = []
    world.db.timed = began.append
    Scraped(world, now=T0).value("dure_leases", {**H100, "state": "active"})
    assert len(began) == 2
