"""Cases that went wrong once: races, late leases, GPUs that move, and nodes that die."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from dure import wire
from dure.errors import GpuClaimed
from scheduler.clock import DatabaseClock
from scheduler.loop import Loop
from scheduler.metrics import Counters
from scheduler.service import Service
from scheduler.store import due, generation, nodes, pools, reports, usage
from scheduler.store.books import Books
from scheduler.store.db import Database
from scheduler.turns import silence, stops
from tests.integration.scheduler.conftest import ADMIN, DAY, GAP_S, PRODUCT, T0, World, company


def _rows(world: World, sql: str) -> list[tuple[object, ...]]:
    with world.db.snapshot() as session:
        return [tuple(row) for row in session.connection().execute(text(sql))]


def _report(
    world: World,
    node: str,
    seq: int,
    gpus: Sequence[tuple[str, str]],
    now: float,
    *,
    knew: Sequence[str] = (),
    reading: Mapping[str, int] | None = None,
) -> wire.ReportAnswer:
    read = {"memory_used_bytes": 0, "processes": 0, **(reading or {})}
    report = wire.Report(
        boot="hard",
        seq=seq,
        sent_at=now,
        interval_s=2,
        agent_version="1",
        knew_ended=list(knew),
        gpus=[
            wire.GpuReading.model_validate({"uuid": uuid, "index": at, "product": product, "health": "ok", **read})
            for at, (uuid, product) in enumerate(gpus)
        ],
    )
    with world.db.begin() as session:
        return reports.take(session, node, report, now=now)


def _enroll(world: World, *names: str) -> None:
    with world.db.begin() as session:
        for name in names:
            nodes.enroll(session, wire.NodeEnroll(name=name), actor=ADMIN, now=T0)


def _add_pool(world: World, name: str, product: str) -> None:
    with world.db.begin() as session:
        pools.add(session, wire.PoolCreate(name=name, product=product, gap_s=10, grace_s=0), actor=ADMIN, now=T0)


def _while_the_pool_is_held(world: World, blocked: Callable[[], object], meanwhile: Callable[[], object]) -> None:
    """Runs `blocked` while somebody holds the pool's row, does `meanwhile`, and lets go."""
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with world.db.begin() as session:
            generation.lock(session, "h100")
            held.set()
            go.wait(60)

    threads = [threading.Thread(target=hold), threading.Thread(target=blocked)]
    threads[0].start()
    assert held.wait(60)
    threads[1].start()
    time.sleep(0.5)
    other = threading.Thread(target=meanwhile)
    other.start()
    time.sleep(0.5)
    go.set()
    for thread in (*threads, other):
        thread.join(60)


def test_a_gpu_proved_empty_while_its_quarantine_waits_is_given_back(world: World) -> None:
    world.ask(8, duration_s=10)
    world.turn(T0)
    world.turn(T0 + 10)
    ended = [str(row[0]) for row in _rows(world, "SELECT id FROM allocation")]

    def quarantine() -> None:
        with world.db.begin() as session:
            stops.quarantine_unproved(session, now=T0 + 10 + GAP_S)

    _while_the_pool_is_held(world, quarantine, lambda: world.report("n1", now=T0 + 20, knew_ended=ended))
    world.turn(T0 + 22)
    assert world.gpus() == {"free": 16}


def test_a_late_lease_does_not_take_what_was_promised_to_another(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    dirty = world.ask(4, duration_s=10)
    world.ask(4, duration_s=100)
    world.turn(T0)
    late = world.ask(4, duration_s=1000)
    other = world.ask(4, duration_s=1000, who="globex")
    never = {row[0] for row in _rows(world, f"SELECT id FROM allocation WHERE lease = '{dirty.id}'")}
    for at in range(130):
        told = [found.allocation for found in world.report("n1", now=T0 + at).allocations if found.ended]
        world.report("n1", now=T0 + at, knew_ended=[found for found in told if found not in never])
        world.turn(T0 + at)
    assert (world.lease(other).state, world.lease(other).late_start_s) == ("active", 0)
    assert (world.lease(late).state, world.lease(late).late_cause) == ("scheduled", "gpu_not_empty")


def test_a_pool_added_during_a_report_gets_its_gpus(world: World) -> None:
    _enroll(world, "n9")
    two = [("GPU-a", PRODUCT), ("GPU-b", "B200")]
    _report(world, "n9", 1, two, T0)
    three = [*two, ("GPU-c", "B200")]
    _while_the_pool_is_held(
        world, lambda: _report(world, "n9", 2, three, T0 + 2), lambda: _add_pool(world, "b200", "B200")
    )
    assert _rows(world, "SELECT DISTINCT pool FROM gpu WHERE product = 'B200'") == [("b200",)]
    assert _rows(world, "SELECT capacity FROM pool_node WHERE pool = 'b200'") == [(2,)]


def test_the_busy_time_of_a_running_lease_is_what_was_measured(world: World) -> None:
    world.ask(8, duration_s=100)
    world.turn(T0)
    found = [str(row[0]) for row in _rows(world, "SELECT id FROM allocation")]
    seen = {"day_began_at": DAY, "sampled_ms": 10_000, "busy_ms": 10_000, "energy_millijoules": 1_000_000}
    world.report(
        "n1", now=T0 + 10, usage=[wire.AllocationUsage.model_validate({"allocation": one, **seen}) for one in found]
    )
    since, until = datetime.fromtimestamp(T0, UTC), datetime.fromtimestamp(T0 + 1000, UTC)
    with world.db.snapshot() as session:
        [row] = usage.show(session, actor=ADMIN, company=None, since=since, until=until, now=T0 + 10).rows
    assert (row.leased_gpu_seconds, row.busy_gpu_seconds, row.energy_joules) == (80, 80, 8000)


def test_a_gpu_that_moved_to_another_node_is_proved_empty_there(world: World) -> None:
    world.ask(1, duration_s=10)
    world.turn(T0)
    world.turn(T0 + 10)
    [(allocation, gpu, node)] = _rows(world, "SELECT id, gpu, node FROM allocation")
    other = {"n1": "n2", "n2": "n1"}[str(node)]
    all_of = {name: [(f"GPU-{name}-{at}", PRODUCT) for at in range(8)] for name in ("n1", "n2")}
    _report(world, str(node), 1, [one for one in all_of[str(node)] if one[0] != gpu], T0 + 12)
    told = _report(world, other, 1, [*all_of[other], (str(gpu), PRODUCT)], T0 + 13)
    assert [found.allocation for found in told.allocations] == [allocation]
    _report(world, other, 2, [*all_of[other], (str(gpu), PRODUCT)], T0 + 14, knew=[str(allocation)])
    world.turn(T0 + 40)
    assert world.gpus() == {"free": 16}


def test_a_dead_host_enrolled_under_a_new_name_brings_its_gpus(world: World) -> None:
    _enroll(world, "n3")
    same = [(f"GPU-n1-{at}", PRODUCT) for at in range(8)]
    with pytest.raises(GpuClaimed, match="n1"):
        _report(world, "n3", 1, same, T0 + 1)
    world.listens(T0, T0 + 11)
    with world.db.begin() as session:
        assert silence.mark(session, "n1", now=T0 + 11)
    _report(world, "n3", 2, same, T0 + 12)
    assert _rows(world, "SELECT node, capacity FROM pool_node WHERE node IN ('n1', 'n3') ORDER BY node") == [
        ("n1", 0),
        ("n3", 8),
    ]


@pytest.mark.parametrize("reading", [{"processes": 3}, {"memory_used_bytes": 1 << 40}], ids=["a process", "memory"])
def test_a_gpu_that_somebody_uses_is_given_to_nobody(world: World, reading: dict[str, int]) -> None:
    _enroll(world, "n9")
    for node in ("n1", "n2"):
        world.report(node, now=T0, gpus=0)
    _report(world, "n9", 1, [("GPU-a", PRODUCT)], T0, reading=reading)
    lease = world.ask(1, duration_s=10)
    world.turn(T0 + 1)
    assert (world.lease(lease).state, world.lease(lease).late_cause) == ("scheduled", "gpu_not_empty")
    _report(world, "n9", 2, [("GPU-a", PRODUCT)], T0 + 2)
    world.turn(T0 + 2)
    assert world.lease(lease).state == "active"


def test_two_nodes_that_first_report_one_gpu_at_once_do_not_both_have_it(world: World) -> None:
    _enroll(world, "na", "nb")
    refused: list[str] = []

    def first(node: str) -> None:
        try:
            _report(world, node, 1, [("GPU-q", PRODUCT)], T0)
        except GpuClaimed:
            refused.append(node)

    threads = [threading.Thread(target=first, args=(node,)) for node in ("na", "nb")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(refused) == 1
    assert _rows(world, "SELECT sum(capacity)::int FROM pool_node WHERE node IN ('na', 'nb')") == [(1,)]


def test_gpus_that_are_away_for_a_moment_are_waited_for(world: World) -> None:
    for node in ("n1", "n2"):
        world.report(node, now=T0 + 2, gpus=0)
    assert world.ask(8, now=T0 + 3).state == "queued"


def test_a_lease_shorter_than_the_grace_can_be_released(world: World) -> None:
    lease = world.ask(1, duration_s=6)
    world.turn(T0)
    world.turn(T0 + 1)
    assert world.release(lease, now=T0 + 2).state == "ending"


def test_a_lease_held_up_by_one_that_was_not_ended_yet_says_so(world: World) -> None:
    from scheduler.store.db import Session
    from scheduler.turns import starts

    lead = starts.Leading(since=T0, away="scheduler_away")

    def start(session: Session, now: float) -> None:
        starts.start_due(session, world.service.books, "h100", now=now, lead=lead)

    world.ask(16, duration_s=5, shape={"nodes": 2, "gpus_per_node": 8})
    with world.db.begin() as session:
        start(session, T0)
    following = world.ask(16, duration_s=50, now=T0 + 1, shape={"nodes": 2, "gpus_per_node": 8})
    with world.db.begin() as session:
        start(session, T0 + 20)
    assert world.lease(following).late_cause == "lease_before_not_ended"


def test_a_lease_ended_late_has_its_whole_gap_before_its_gpus_are_quarantined(world: World) -> None:
    world.ask(8, duration_s=10)
    world.turn(T0)
    world.turn(T0 + 100)
    assert world.gpus() == {"cleaning": 8, "free": 8}
    world.turn(T0 + 100 + GAP_S)
    assert world.gpus() == {"quarantined": 8, "free": 8}


def test_a_pool_that_somebody_holds_does_not_stop_the_others(world: World) -> None:
    _add_pool(world, "b200", "B200")
    _enroll(world, "n9")
    clock = DatabaseClock(world.db)
    now = clock.now()
    for node in ("n1", "n2"):
        world.report(node, now=now)
    _report(world, "n9", 1, [("GPU-z", "B200")], now)
    service = Service(Books(), clock.now)
    with world.db.begin() as session:
        from scheduler.store import quotas

        quotas.put(session, "acme", "b200", wire.QuotaSet(gpus=8), actor=ADMIN, now=now)
        for pool in ("h100", "b200"):
            body = wire.Ask(pool=pool, shape=wire.Shape(gpus=1), duration_s=600)
            lease = service.ask(session, body, actor=company("acme"), now=now)
    quick = Database(world.db.url, pool_size=2, lock_timeout_s=1)
    loop = Loop(quick, clock, Counters(CollectorRegistry()))
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with world.db.begin() as session:
            generation.lock(session, "h100")
            held.set()
            go.wait(240)

    threads = [threading.Thread(target=hold), threading.Thread(target=loop.run)]
    for thread in threads:
        thread.start()
        assert held.wait(60)
    until = time.monotonic() + 120
    while world.lease(lease).state != "active" and time.monotonic() < until:
        time.sleep(0.1)
    state = world.lease(lease).state
    loop.stop()
    go.set()
    for thread in threads:
        thread.join(60)
    quick.close()
    assert state == "active"


def test_a_silent_node_is_asked_for_once_more_under_its_pools_locks(world: World) -> None:
    world.listens(T0, T0 + 11)
    with world.db.snapshot() as session:
        assert due.silent(session) == ["n1", "n2"]
    world.report("n1", now=T0 + 11)
    with world.db.begin() as session:
        assert not silence.mark(session, "n1", now=T0 + 11)
