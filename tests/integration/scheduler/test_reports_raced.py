"""Reports that overtake each other, or that two replicas take in at once: what is checked still holds when it is written."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text

from dure import wire
from dure.errors import SecondAgent, StaleReport
from scheduler.store import fleet, intake, pools
from scheduler.store.db import Session
from tests.integration.scheduler.conftest import ADMIN, T0, World
from tests.integration.scheduler.test_at_once import until
from tests.integration.scheduler.test_reports_together import Replica, change, whole

SICK = {"health": "unhealthy"}


@contextmanager
def _while_the_pools_are_locked(world: World, work: Callable[[], Any], pool: str = "%") -> Iterator[Session]:
    """`work` waits for the pools' locks, which are had until the block is left."""
    with world.db.begin() as session:
        session.connection().execute(text("SELECT FROM pool WHERE name LIKE :pool FOR UPDATE"), {"pool": pool})
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        until(lambda: _waiting(world) > 0)
        yield session
    thread.join(60)


def _waiting(world: World) -> int:
    return _one(world, "SELECT count(*) FROM pg_locks WHERE NOT granted")


def _one(world: World, query: str) -> Any:
    with world.db.snapshot() as session:
        return session.connection().execute(text(query)).scalar_one()


def test_a_report_that_was_overtaken_while_it_waited_changes_no_health(world: World) -> None:
    replica, other = Replica(world), Replica(world)
    replica.one("n1", whole(seq=1, gpu3=SICK), alone=True)
    late: list[Any] = []
    with _while_the_pools_are_locked(world, lambda: late.append(replica.one("n1", whole(seq=2), alone=True))):
        assert other.one("n1", whole(seq=3, gpu3=SICK)).seq == 3
    assert [type(one) for one in late] == [StaleReport]
    assert _one(world, "SELECT health FROM gpu WHERE uuid = 'GPU-n1-3'") == "unhealthy"


def test_a_late_report_of_the_agent_before_does_not_shut_out_its_successor(world: World) -> None:
    replica, other = Replica(world), Replica(world)
    replica.one("n1", whole(seq=1, boot="old"))
    late: list[Any] = []
    sick = whole(seq=2, boot="old", gpu3=SICK)
    with _while_the_pools_are_locked(world, lambda: late.append(replica.one("n1", sick, alone=True))):
        assert other.one("n1", whole(seq=1, boot="new")).seq == 1
    assert [type(one) for one in late] == [SecondAgent]
    assert other.one("n1", whole(seq=2, boot="new"), alone=True).seq == 2


@pytest.mark.parametrize("order", [("n1", "n2"), ("n2", "n1")])
def test_changes_and_other_reports_of_the_same_nodes_never_wait_for_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch, order: Sequence[str]
) -> None:
    replica, other = Replica(world), Replica(world)
    changed, threads, taken = intake._change_fleet, list[threading.Thread](), list[Any]()

    def slow(*args: Any) -> None:
        changed(*args)
        if not threads:  # the first of the batch is changed: the other replica comes with both
            both = [(node, whole(node, seq=2)) for node in ("n1", "n2")]
            threads.append(threading.Thread(target=lambda: taken.extend(other.take(both)), daemon=True))
            threads[0].start()
            until(lambda: _waiting(world) > 0)

    monkeypatch.setattr(intake, "_change_fleet", slow)
    batch = [(node, whole(node, seq=1, gpu1=SICK)) for node in order]
    assert [one.seq for one in replica.take(batch, alone=True)] == [1, 1]
    threads[0].join(60)
    assert [type(one).__name__ for one in taken] == ["ChangesFleet"] * 2


def test_who_takes_a_gpu_over_waits_for_the_pool_that_it_leaves_before_any_node_is_locked(world: World) -> None:
    other = wire.PoolCreate.model_validate({"name": "a100", "product": "A100", "gap_s": 10, "grace_s": 5})
    with world.db.begin() as session:
        pools.add(session, other, actor=ADMIN, now=T0)
    world.report("n2", now=T0, product="A100")
    with world.db.begin() as session:
        fleet.set_silent(session, "n2", now=T0 + 40)
    replica, taken = Replica(world), list[Any]()
    moved = whole(seq=1, gpu0={"uuid": "GPU-n2-0"})

    def take() -> None:
        taken.append(replica.one("n1", moved, alone=True))

    with _while_the_pools_are_locked(world, take, "a100") as session:
        free = "SELECT count(*) FROM (SELECT FROM node FOR UPDATE SKIP LOCKED) AS free"
        assert session.connection().execute(text(free)).scalar_one() == 2
    assert [one.seq for one in taken] == [1]
    assert _one(world, "SELECT pool FROM gpu WHERE uuid = 'GPU-n2-0'") == "h100"
    assert _one(world, "SELECT nominal FROM pool_node WHERE pool = 'a100' AND node = 'n2'") == 7


def test_a_change_of_health_is_few_statements_so_that_it_is_soon_seen(world: World) -> None:
    replica, seen = Replica(world), list[str]()
    replica.one("n1", whole(seq=1))

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(world.db._engine, "before_cursor_execute", note)
    try:
        replica.one("n1", change(seq=2, base=1, health="unhealthy"), alone=True)
    finally:
        event.remove(world.db._engine, "before_cursor_execute", note)
    assert world.gpus() == {"unhealthy": 1, "free": 15}
    assert len(seen) <= 10
