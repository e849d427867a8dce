"""Everything at one instant: a thousand asks at two replicas, and a node that is lost in the middle of a re-plan."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

from sqlalchemy import text

from dure import wire
from scheduler.desk import Desk
from scheduler.service import Request, Service
from scheduler.store.books import Books
from scheduler.store.db import Database
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import GAP_S, T0, World, company

HOUR = 3600
LOSS_GRACE_S = 300
"""So long what is lost may come back before a slot on it is given up."""
ASKS = 1000
NODES, GPUS, QUOTA = ("n1", "n2", "n3", "n4"), 8, 24

_PLACED = """
SELECT p.node, p.gpus, extract(epoch FROM l.starts_at)::int, extract(epoch FROM l.ends_at)::int
FROM lease l JOIN placement p ON p.lease = l.id WHERE l.state = 'scheduled'
"""
_HELD = "SELECT company, total_gpus, extract(epoch FROM starts_at)::int, extract(epoch FROM ends_at)::int FROM lease"
_COMMITTED = "SELECT sum(gpu_seconds)::bigint FROM ledger_entry WHERE kind = 'commit'"


def rows(world: World, query: str) -> list[tuple[object, ...]]:
    with world.db.snapshot() as session:
        return [tuple(row) for row in session.connection().execute(text(query))]


def most_at_once(found: list[tuple[object, ...]], *, gap_s: int) -> dict[object, int]:
    """The most GPUs that each had at one instant."""
    edges: dict[object, Counter[int]] = {}
    for whose, gpus, start, end in found:
        steps = edges.setdefault(whose, Counter())
        assert isinstance(gpus, int)
        assert isinstance(start, int)
        assert isinstance(end, int)
        steps[start] += gpus
        steps[end + gap_s] -= gpus
    return {whose: max(accumulate(steps[at] for at in sorted(steps))) for whose, steps in edges.items()}


def test_a_thousand_asks_at_one_instant_at_two_replicas_are_each_promised_and_nothing_twice(database: Database) -> None:
    world = World(database).found(nodes_=NODES, gpus=GPUS, quota=QUOTA)
    desks = [Desk(database, Service(Books()), lambda: T0) for _ in range(2)]

    def ask(number: int) -> wire.Lease:
        who = ("acme", "globex")[number % 2]
        shape = wire.Shape(gpus=1 + number % 5) if number % 3 else wire.Shape(nodes=2, gpus_per_node=1 + number % 4)
        body = wire.Ask(pool="h100", shape=shape, duration_s=30 + number % 7, name=f"job {number}")
        return desks[number % 4 // 2].ask(Request(body=body, actor=company(who)))

    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(ask, range(ASKS)))
    assert [lease.name for lease in answers] == [f"job {number}" for number in range(ASKS)]
    assert len({lease.id for lease in answers}) == ASKS
    assert {lease.state for lease in answers} == {wire.LeaseState.SCHEDULED}
    stored = [world.lease(lease) for lease in answers[::50]]
    for said, now in zip(answers[::50], stored, strict=True):
        assert said.promised_start is not None
        assert now.starts_at is not None
        assert now.promised_start is not None
        assert now.starts_at <= now.promised_start <= said.promised_start
    assert all(most <= GPUS for most in most_at_once(rows(world, _PLACED), gap_s=GAP_S).values())
    held = rows(world, _HELD)
    assert len(held) == ASKS
    assert all(most <= QUOTA for most in most_at_once(held, gap_s=0).values())
    total = sum(sum(share.gpus for share in lease.placement) * lease.duration_s for lease in answers)
    assert rows(world, _COMMITTED) == [(total,)]


def test_a_node_lost_in_the_middle_of_a_re_plan_costs_no_promise_that_can_be_kept(world: World) -> None:
    held = [world.ask(8, duration_s=HOUR) for _ in range(2)]
    world.turn(T0)
    waiting = world.ask(8, now=T0 + 1, duration_s=HOUR, who="globex", notice_s=30)
    promised = to_wire(T0 + HOUR + GAP_S)
    assert (waiting.promised_start, waiting.starts_at) == (promised, promised)
    free = world.lease(held[0]).placement[0].node
    world.release(world.lease(held[0]), now=T0 + 100)

    with ThreadPoolExecutor(1) as threads, world.db.begin() as session:
        plan = world.service.replan(session, "h100", now=T0 + 101)
        assert [(move.after.id, move.after.placement) for move in plan.moves] == [(waiting.id, ((free, 8),))]
        lost = threads.submit(world.report, free, now=T0 + 101, gpus=0)
        until(lambda: rows(world, "SELECT 1 FROM pg_locks WHERE NOT granted") != [])
        session.commit()
        lost.result(20)
    assert ("moved", "earlier") in world.events(waiting)

    for at in (T0 + 102, T0 + 131, T0 + 101 + LOSS_GRACE_S):
        world.turn(at)
    moved = world.lease(waiting)
    assert (moved.state, moved.promised_start, moved.starts_at) == ("scheduled", promised, promised)
    assert [share.node for share in moved.placement] == [world.lease(held[1]).placement[0].node]
    assert ("moved", "capacity_lost") in world.events(waiting)
    world.turn(T0 + HOUR)
    world.report(moved.placement[0].node, now=T0 + HOUR + 1, knew_ended=ended(world, moved.placement[0].node))
    world.turn(T0 + HOUR + GAP_S)
    assert (world.lease(waiting).state, world.lease(waiting).late_start_s) == ("active", 0)


def ended(world: World, node: str) -> list[str]:
    """What the node is told that has ended on it."""
    return [one.allocation for one in world.report(node, now=T0 + HOUR).allocations if one.ended]


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)
