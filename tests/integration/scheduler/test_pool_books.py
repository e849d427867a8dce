"""A book that was written down stands for the log before it: decisions come out the same from it, with less to read."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlmodel import Session

from scheduler import counted
from scheduler.loop import Loop
from scheduler.metrics import Counters
from scheduler.store import pool_books
from scheduler.store.db import Database
from scheduler.store.leader import Deposed, Lead
from tests.integration.scheduler.conftest import T0, World
from tests.integration.scheduler.test_decisions import as_owner, kept, replay
from tests.integration.scheduler.test_history import Day
from tests.integration.scheduler.test_parts import over


def write(world: World, now: float) -> int:
    with world.db.begin() as session:
        return pool_books.write(session, world.pool, now=now)


@pytest.mark.parametrize("seed", range(2, 4))
def test_every_decision_after_a_book_comes_out_the_same_without_the_log_before_it(
    database: Database, seed: int
) -> None:
    day = Day(World(database).found(slack_ppm=200_000), seed)
    for _ in range(30):
        day.go_on()
    generation = write(day.world, day.now)
    for _ in range(30):
        day.go_on()
    later = [head for head in kept(day.world) if head.generation >= generation]
    assert len(later) > 5
    as_owner(day.world, "DELETE FROM pool_change WHERE generation <= %s", generation)
    for head in later:
        assert replay(day.world, head.id).inputs_digest == head.inputs_digest


def test_earlier_decisions_are_made_again_from_the_book_before_them(any_world: World) -> None:
    first = over(any_world, T0)
    write(any_world, T0 + 200)
    second = over(any_world, T0 + 1000)
    write(any_world, T0 + 2000)
    for lease in (first, second):
        replay(any_world, lease.decision.id)


def test_a_book_forgets_what_was_over_for_days_and_keeps_what_is_open(any_world: World) -> None:
    over(any_world, T0)
    open_ = any_world.ask(8, now=T0 + 4 * 86_400, duration_s=86_400)
    write(any_world, T0 + 4 * 86_400)
    with any_world.db.snapshot() as session:
        items = session.connection().execute(text("SELECT items FROM pool_book")).scalar_one()
    assert [item["subject"] for item in items if item["kind"] == "lease"] == [open_.id]


@pytest.fixture
def leading(any_world: World) -> Iterator[Loop]:
    class Hands:
        def now(self) -> float:
            return T0

    loop = Loop(any_world.db, Hands(), Counters(CollectorRegistry()))  # type: ignore[arg-type]
    loop.lead = Lead(any_world.db.url)
    assert loop.lead.try_take()
    yield loop
    loop.lead.close()


def test_a_book_is_written_when_the_log_has_grown_and_by_the_leader_alone(
    any_world: World, leading: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    over(any_world, T0)
    assert counted.write_books(any_world.db, leading, T0 + 200) == {}
    with any_world.db.snapshot() as session:
        assert pool_books.due(session, every=3) == ["h100"]
    monkeypatch.setattr(pool_books.due, "__kwdefaults__", {"every": 3})
    lead, leading.lead = leading.lead, None
    assert counted.write_books(any_world.db, leading, T0 + 200) == {}
    leading.lead = lead
    assert list(counted.write_books(any_world.db, leading, T0 + 200)) == ["h100"]
    assert counted.write_books(any_world.db, leading, T0 + 200) == {}


def test_a_leader_that_writes_a_long_book_holds_off_no_other_and_leaves_none_once_another_leads(
    any_world: World, leading: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    over(any_world, T0)

    def long(session: Session, pool: str, *, now: float) -> int:
        generation = kept_write(session, pool, now=now)
        with any_world.db.begin() as other:
            other.connection().execute(text("SET LOCAL lock_timeout = '1s'"))
            other.connection().execute(text("UPDATE leader SET epoch = epoch + 1"))
        return generation

    kept_write = pool_books.write
    monkeypatch.setattr(pool_books.due, "__kwdefaults__", {"every": 3})
    monkeypatch.setattr(pool_books, "write", long)
    with pytest.raises(Deposed):
        counted.write_books(any_world.db, leading, T0 + 200)
    with any_world.db.snapshot() as session:
        assert pool_books.due(session) == ["h100"]
