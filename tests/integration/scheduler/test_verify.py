"""`python -m scheduler verify`: a day's rows hold together, and whatever does not is named. And a database that was restored."""

import json
import sys
from collections.abc import Sequence
from contextlib import closing

import pytest
import structlog
from sqlalchemy import text

from scheduler import __main__ as main
from scheduler import verifying
from scheduler.core.model import Instant
from scheduler.store import events, lives, restored
from scheduler.store.books import Books
from scheduler.store.db import Database
from scheduler.store.leader import Deposed, Lead, fence
from tests.integration.scheduler.conftest import T0, World

OWNER = {
    "the ledger adds up": "UPDATE account SET seq = seq + 1",
    "promises have their GPUs": "DELETE FROM placement",
    "GPUs are held by one lease that runs": "UPDATE lease SET state = 'ended', ended_at = now(), end_cause = 'expired'"
    " WHERE state = 'active'",
    "nothing is ahead of its pool": "UPDATE pool SET generation = 1",
    "pools are what their logs say": "UPDATE lease SET promised_start = promised_start + interval '1 s'"
    " WHERE state = 'scheduled'",
    "numbers are given once": "SELECT setval('lease_event_seq_seq', 1)",
    "events are there, in their order": "UPDATE lease_event SET xid = 4611686018427387904",
    "leases have their decisions": "DELETE FROM decision",
    "who was added is in the audit log": "DELETE FROM audit",
}
"""What breaks each of the checks, by who owns the database and may do anything."""

GONE = [
    ("GPUs are held by one lease that runs", "DELETE FROM allocation", "has 4 GPUs, and holds 0"),
    ("leases have their decisions", "DELETE FROM decision", "which is not there"),
    ("events are there, in their order", "DELETE FROM lease_event", "no event says that it was asked for"),
    ("who was added is in the audit log", "DELETE FROM audit", "pool h100 was added"),
]
"""Rows that were there and are not, and what is said of it."""


@pytest.fixture
def world(database: Database) -> World:
    """A lease that ended, one that runs and one that is promised."""
    made = World(database).found()
    over = made.ask(4)
    made.turn(T0 + 1)
    made.release(over, now=T0 + 2)
    made.turn(T0 + 9)
    made.ask(4, now=T0 + 10, duration_s=1000)
    made.turn(T0 + 11)
    made.ask(16, now=T0 + 12, who="globex", duration_s=1000)
    return made


def did(monkeypatch: pytest.MonkeyPatch, url: str, arguments: Sequence[str]) -> int:
    monkeypatch.setattr(sys, "argv", ["scheduler", *arguments])
    monkeypatch.setenv("DURE_DATABASE_URL", url)
    before = structlog.get_config()
    try:
        return main.main()
    finally:
        structlog.configure(**before)  # what it logs to ends with the test


def owner(url: str, *statements: str) -> None:
    """Does what no trigger and no process of ours would let happen."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(statement.encode())


def test_a_days_rows_hold_together(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert did(monkeypatch, world.db.url, ["verify"]) == 0
    said = capsys.readouterr().out
    assert "ok    the ledger adds up (" in said
    assert "ok    promises have their GPUs (2 looked at)" in said
    assert said.endswith("everything holds\n")
    assert did(monkeypatch, world.db.url, ["verify", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], len(found["checks"])) == (True, len(OWNER))
    assert found["newest"]["event"].startswith("evt_")


@pytest.mark.parametrize("what", OWNER)
def test_what_does_not_hold_is_named(
    world: World, what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    owner(world.db.url, OWNER[what])
    assert did(monkeypatch, world.db.url, ["verify", "--json"]) == 1
    wrong = {one["what"]: one["faults"] for one in json.loads(capsys.readouterr().out)["checks"] if one["faults"]}
    assert wrong[what]
    assert did(monkeypatch, world.db.url, ["verify"]) == 1
    said = capsys.readouterr().out
    assert f"WRONG {what}" in said
    assert wrong[what][0] in said


def test_rows_that_are_gone_are_missed(world: World) -> None:
    owner(world.db.url, *(statement for _, statement, _ in GONE))
    found = {one.what: one.faults for one in verifying.verified(world.db).checked}
    for what, _, fault in GONE:
        assert any(fault in said for said in found[what]), what


def test_a_lease_whose_gpus_are_lost_and_one_that_was_refused_miss_nothing(world: World) -> None:
    world.ask(16, now=T0 + 12, queue=False, duration_s=60, start_by="2027-01-15T08:01:00Z")
    for node in ("n1", "n2"):
        world.report(node, now=T0 + 13, sick=range(8))
    for now in (T0 + 14, T0 + 2000):
        world.turn(now)
        assert verifying.verified(world.db).ok
    with world.db.snapshot() as session:
        states = session.connection().execute(text("SELECT DISTINCT state FROM lease")).scalars().all()
        lost = session.connection().execute(text("SELECT count(*) FROM allocation_loss")).scalar_one()
    assert {"ended", "refused"} <= set(states)
    assert lost


def test_a_node_that_is_promised_twice_is_named(world: World) -> None:
    owner(world.db.url, "UPDATE pool_node SET nominal = 4, capacity = 4 WHERE node = 'n1'")
    found = {one.what: one.faults for one in verifying.verified(world.db).checked}
    assert any(fault.startswith("node n1 has 4 GPUs, and from ") for fault in found["promises have their GPUs"])


def test_a_database_of_another_schema_is_not_judged(
    any_empty_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert did(monkeypatch, any_empty_url, ["verify"]) == 1
    assert "run `python -m scheduler migrate`" in capsys.readouterr().err


def _put_back(world: World) -> None:
    """As after a recovery to an earlier point in time: the database's own word for it is another."""
    owner(world.db.url, "INSERT INTO server_life (life) VALUES ('1/00000001')")


def test_a_life_of_the_server_that_was_not_known_skips_the_numbers_that_may_have_been_given(
    any_database: Database,
) -> None:
    world = World(any_database).found()
    first = world.ask(1)
    with world.db.snapshot() as session:
        before = events.head(session)
    _put_back(world)
    with closing(Lead(world.db.url)) as lead:
        assert lead.try_take()
        assert lead.epoch is not None
        assert lead.epoch > lives.SKIPPED_EPOCHS
        with world.db.begin() as session, pytest.raises(Deposed):
            fence(session, lead.epoch - 1)
    world.cancel(first, now=T0 + 1)
    with world.db.snapshot() as session:
        assert events.head(session).seq > before.seq + lives.SKIPPED
        # Who has seen events that are lost goes on behind the last that is not.
        lost = events.found(session, f"evt_{before.seq + 20}", field="after")
        assert lost == before
        assert [row.event for row in events.after(session, lost, limit=9)] == ["cancelled"]
    with closing(Lead(world.db.url)) as again:
        assert again.try_take()
        assert again.epoch == lead.epoch + 1, "it is the same life"


def test_restored_settles_it_whatever_life_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with world.db.snapshot() as session:
        before = events.head(session).seq
    assert restored.settle(world.db.url).began is False
    assert did(monkeypatch, world.db.url, ["restored"]) == 0
    assert "events get numbers that were never given" in capsys.readouterr().out
    world.ask(1, now=T0 + 13)
    with world.db.snapshot() as session:
        assert events.head(session).seq > before + lives.SKIPPED
    assert verifying.verified(world.db).ok


def test_a_book_of_another_life_is_read_anew_though_its_generation_is_not_older(world: World) -> None:
    books, now = Books(), Instant(T0 + 13)
    with world.db.snapshot() as session:
        number, book = books.seen(session, "h100", now)
    # In the life that is lost another lease was promised; in this one something else has that generation.
    with world.db.snapshot() as session:
        books.keep_on_commit(session, "h100", number, book.since(Instant(T0 + 10_000)))
        session.connection().info[lives.KEY] = "another"
        _, found = books.seen(session, "h100", now)
        session.connection().info[lives.KEY] = lives_of(world.db)
    assert found.digest(now) == book.digest(now)


def lives_of(db: Database) -> str | None:
    with db.snapshot() as session:
        return lives.noted(session.connection())
