"""Decisions, logs and node events in parts of a month: nobody waits for one, what is old goes whole, what is needed stays."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, LiteralString

import psycopg
import pytest
from alembic import command
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from dure import wire
from dure.errors import UnknownDecision
from scheduler import monthly, retention
from scheduler.clock import DatabaseClock
from scheduler.store import migrate, parts, pool_books, records, sums
from scheduler.store.db import Database
from tests import databases
from tests.integration.scheduler.conftest import ADMIN, T0, World
from tests.integration.scheduler.test_decisions import explain, replay

NOW = datetime.now(UTC)


def month(number: int) -> datetime:
    """So many months after FIRST."""
    of_all = NOW.year * 12 + NOW.month - 1 - 20 + number
    return datetime(of_all // 12, of_all % 12 + 1, 1, tzinfo=UTC)


FIRST = month(0)
"""Longer ago than the least that anything is kept, and not so long that no part is made for it, whenever this runs."""

PAST = int((FIRST + timedelta(days=9)).timestamp())
LATER = int((month(2) + timedelta(days=19)).timestamp())
MISSING = int(NOW.timestamp()) + 300 * 86_400
"""In a month that has no part yet."""

ONE, TWO = f"{FIRST:%Y_%m}", f"{month(1):%Y_%m}"
"""How parts of the first two months are called."""
LEADS: Any = SimpleNamespace(leads=True)
FOLLOWS: Any = SimpleNamespace(leads=False)


WRITTEN: Mapping[str, LiteralString] = {
    "decision": """
        INSERT INTO decision (id, at, pool, kind, generation, policy_version, code, detail, numbers, elsewhere)
        SELECT id_from('dec', to_timestamp(%(now)s)), to_timestamp(%(now)s), 'h100', 'ask', 1, 'x', 'x', 'x', '{}', '{}'
        """,
    "pool_change": """
        INSERT INTO pool_change (pool, generation, at, kind, subject, value)
        VALUES ('h100', 1000000, to_timestamp(%(now)s), 'share', 'acme', '{}')
        """,
    "node_event": """
        INSERT INTO node_event (node, id, told_at, at, boot, kind, gpu, detail)
        SELECT name, 1, %(now)s, to_timestamp(%(now)s), 'b', 'xid', 'g', '{}' FROM node LIMIT 1
        """,
}
"""A row of each table that is written now."""


def months(url: str, count: int) -> None:
    """Parts of so many months in place of the first part, as they are on a database that has run for years."""
    with psycopg.connect(url, autocommit=True) as connection:
        for parent in parts.PARENTS:
            [[until]] = connection.execute("SELECT part FROM parts() WHERE parent = %s AND begins IS NULL", [parent])
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(until)))
            for number in range(count):
                assert connection.execute("SELECT part_make(%s, %s)", [parent, month(number)]).fetchone() == (True,)


def first_until(url: str, end: datetime) -> set[str]:
    """The first parts end then, as if parts had been made months before; their names."""
    with psycopg.connect(url, autocommit=True) as connection:
        names = dict(connection.execute("SELECT parent, part FROM parts() WHERE begins IS NULL").fetchall())
        for parent, part in names.items():
            [[bound]] = connection.execute("SELECT part_from(%s, %s)", [parent, end])
            names[parent] = f"{parent}_until_{end:%Y_%m}"
            of = {"parent": sql.Identifier(parent), "part": sql.Identifier(part), "bound": sql.SQL(bound)}
            of["named"] = sql.Identifier(names[parent])
            for statement in (
                "ALTER TABLE {parent} DETACH PARTITION {part}",
                "ALTER TABLE {part} RENAME TO {named}",
                "ALTER TABLE {parent} ATTACH PARTITION {named} FOR VALUES FROM (MINVALUE) TO ({bound})",
            ):
                connection.execute(sql.SQL(statement).format(**of))
    return set(names.values())


@pytest.fixture
def aged(any_database_url: str) -> Iterator[World]:
    """A world that began in the first month."""
    months(any_database_url, 5)
    with databases.opened(any_database_url) as db:
        yield World(db, seq=2).found(at=PAST)


def lived(world: World, at: int, gpus: int = 8, duration_s: int = 100) -> wire.Lease:
    lease = world.ask(gpus, now=at, duration_s=duration_s)
    world.turn(at, led_since=at)
    return lease


def over(world: World, at: int) -> wire.Lease:
    lease = lived(world, at)
    world.turn(at + 100, led_since=at)
    return lease


def forget(world: World, before: int) -> list[str]:
    """What is kept goes up to an instant; real time is much later, so this asks for more than 400 days."""
    keep = retention.Keep(decisions_s=86_400, node_events_s=86_400)
    return monthly.forget_parts(world.db, LEADS, before + 86_400, keep)


def rows(db: Database, table: str) -> int:
    with db.snapshot() as session:
        return session.connection().execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


def test_there_are_parts_for_the_next_months_and_the_leader_alone_makes_more(any_database: Database) -> None:
    assert monthly.make_parts(any_database, LEADS, NOW.timestamp()) == 0
    assert monthly.make_parts(any_database, FOLLOWS, MISSING) == 0
    assert monthly.make_parts(any_database, LEADS, MISSING) == len(parts.PARENTS) * (parts.AHEAD + 1)
    assert monthly.make_parts(any_database, LEADS, MISSING) == 0


def test_what_is_written_while_a_part_is_missing_is_written_and_moves_into_it_later(any_world: World) -> None:
    lease = over(any_world, MISSING)
    rest = {parent: rows(any_world.db, parent) for parent in ("decision", "pool_change")}
    assert monthly.make_parts(any_world.db, LEADS, MISSING) > 0
    assert {parent: rows(any_world.db, parent) for parent in rest} == rest
    with psycopg.connect(any_world.db.url) as owner:
        for parent in rest:
            [[left]] = owner.execute(f"SELECT count(*) FROM {parent}_rest".encode())
            assert left == 0
    assert replay(any_world, lease.decision.id).decision == lease.decision.id


@pytest.mark.parametrize("table", parts.PARENTS)
def test_rows_of_these_weeks_that_are_in_no_part_are_told_of_each_table(aged: World, table: str) -> None:
    """Today is in no part there."""
    now = int(DatabaseClock(aged.db).now())
    with psycopg.connect(aged.db.url) as owner:
        owner.execute(WRITTEN[table], {"now": now})
    with aged.db.snapshot() as session:
        assert parts.misplaced(session) == {table: 1}


def test_a_part_whose_making_is_interrupted_leaves_the_rest_as_it_was(any_world: World) -> None:
    over(any_world, MISSING)
    before = rows(any_world.db, "decision_rest")
    month = next(iter(parts.months(MISSING)))
    with pytest.raises(RuntimeError, match="killed after True"):
        _make_and_die(any_world, month)
    assert rows(any_world.db, "decision_rest") == before > 0


def _make_and_die(world: World, month: parts.Month) -> None:
    with world.db.begin() as session:
        raise RuntimeError(f"killed after {parts.make(session, month)}")


def test_nothing_goes_where_nothing_is_set(aged: World) -> None:
    over(aged, PAST)
    assert monthly.forget_parts(aged.db, LEADS, LATER, retention.FOR_EVER) == []
    assert monthly.forget_parts(aged.db, FOLLOWS, LATER, retention.Keep(decisions_s=1)) == []


def test_months_that_are_older_than_decisions_are_kept_go_whole_and_leases_and_ledger_stay(aged: World) -> None:
    lease = over(aged, PAST)
    later = over(aged, LATER)
    with aged.db.begin() as session:
        pool_books.write(session, "h100", now=PAST + 20 * 86_400)
    before = rows(aged.db, "lease_event"), rows(aged.db, "ledger_entry"), rows(aged.db, "audit")
    gone = forget(aged, PAST + 60 * 86_400)
    assert {f"decision_{ONE}", f"decision_{TWO}", f"node_event_{ONE}", f"pool_change_{ONE}"} <= set(gone)
    assert (rows(aged.db, "lease_event"), rows(aged.db, "ledger_entry"), rows(aged.db, "audit")) == before
    found = aged.lease(lease)
    assert (found.state, found.decision.code, found.decision.id) == ("ended", records.NOT_KEPT, lease.decision.id)
    assert [step.event for step in explain(aged, lease).steps][:2] == ["scheduled", "active"]
    with pytest.raises(UnknownDecision):
        replay(aged, lease.decision.id)
    assert aged.lease(later).decision.code == later.decision.code
    with aged.db.snapshot() as session:
        assert not sums.verify(session, company=None, pool=None, actor=ADMIN).faults


def test_a_log_stays_until_a_book_was_written_after_it_and_then_later_decisions_come_out_the_same(aged: World) -> None:
    over(aged, PAST)
    end = PAST + 60 * 86_400
    assert f"pool_change_{ONE}" not in forget(aged, end)
    with aged.db.begin() as session:
        pool_books.write(session, "h100", now=PAST + 10 * 86_400)
    later = over(aged, LATER)
    assert replay(aged, later.decision.id).generation > 0
    assert f"pool_change_{ONE}" in forget(aged, end)
    again = replay(aged, later.decision.id)
    assert again.decision == later.decision.id


def test_what_an_open_lease_goes_by_stays_however_old_it_is(aged: World) -> None:
    lease = lived(aged, PAST, duration_s=50 * 86_400)
    assert f"decision_{ONE}" not in forget(aged, LATER)
    assert aged.lease(lease).decision.code == lease.decision.code
    aged.turn(PAST + 50 * 86_400, led_since=PAST)
    assert f"decision_{ONE}" in forget(aged, LATER)


def test_in_which_group_a_company_was_stays_when_its_log_goes(aged: World) -> None:
    over(aged, PAST)
    with aged.db.begin() as session:
        session.connection().execute(
            text(
                "INSERT INTO pool_change (pool, generation, at, kind, subject, value)"
                " VALUES ('h100', 1, to_timestamp(:at), 'share', 'acme', '{\"company\": \"acme\", \"shares\": 1}')"
            ),
            {"at": PAST},
        )
        pool_books.write(session, "h100", now=PAST + 86_400)
    assert f"pool_change_{ONE}" in forget(aged, LATER)
    with aged.db.snapshot() as session:
        left = session.connection().execute(
            text("SELECT kind FROM pool_change WHERE at < to_timestamp(:at)"), {"at": LATER}
        )
        kinds = set(left.scalars())
    assert "share" in kinds
    assert "lease" not in kinds


def test_the_first_part_with_all_that_was_before_goes_whole_as_the_others_do(any_database_url: str) -> None:
    first = first_until(any_database_url, month(1))
    with databases.opened(any_database_url) as db:
        world = World(db, seq=2).found(at=PAST)
        decision = over(world, PAST).decision.id
        assert decision is not None
        for at in (PAST, LATER):
            with db.begin() as session:
                pool_books.write(session, "h100", now=at)
        assert set(forget(world, LATER)) >= first
        with pytest.raises(UnknownDecision):
            replay(world, decision)


def test_events_of_nodes_whose_clock_was_slow_stay_with_their_month(aged: World) -> None:
    with aged.db.begin() as session:
        session.connection().execute(text(_SLOW), {"told_at": PAST, "at": LATER})
    assert f"node_event_{ONE}" not in forget(aged, PAST + 60 * 86_400)
    assert f"node_event_{ONE}" in forget(aged, LATER + 86_400)


@pytest.mark.parametrize(
    "part", ["decision_rest", "lease", "nothing", f"decision_{ONE}'; --", "pool_change_2026_12", "pg_class"]
)
def test_what_is_no_old_part_is_never_dropped(aged: World, part: str) -> None:
    with pytest.raises(DBAPIError, match="what must be kept"), aged.db.begin() as session:
        parts.drop(session, part, before=LATER)


def test_nothing_that_is_younger_than_the_least_is_dropped_whatever_is_asked(any_database: Database) -> None:
    young = datetime.now(UTC).timestamp() - 399 * 86_400
    with psycopg.connect(any_database.url, autocommit=True) as owner:
        [[until]] = owner.execute("SELECT part FROM parts() WHERE parent = 'decision' AND begins IS NULL")
    with pytest.raises(DBAPIError, match="what must be kept"), any_database.begin() as session:
        parts.drop(session, until, before=young)


@pytest.mark.parametrize(
    "statement",
    [f"DROP TABLE decision_{ONE}", f"TRUNCATE decision_{ONE}", f"DELETE FROM decision_{ONE}", "DELETE FROM decision_rest",
     f"ALTER TABLE decision DETACH PARTITION decision_{ONE}", "DELETE FROM pool_book", "UPDATE pool_book SET at = now()"],
)  # fmt: skip
def test_the_processes_remove_no_part_by_themselves(aged: World, statement: str) -> None:
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"), aged.db.begin() as session:
        session.connection().execute(text(statement))


def test_a_lease_and_a_part_of_a_plan_name_decisions_that_are_there(any_world: World) -> None:
    over(any_world, T0)
    for statement in (
        "UPDATE lease SET decision = 'dec_none'",
        _PART_OF_NONE,
    ):
        with pytest.raises((IntegrityError, ProgrammingError)) as refused, any_world.db.begin() as session:
            session.connection().execute(text(statement))
        assert isinstance(refused.value, IntegrityError), refused.value


def test_what_there_was_becomes_the_first_parts_without_being_written_again(any_empty_url: str) -> None:
    command.upgrade(migrate.config(any_empty_url), "20261130_node_holders")
    with psycopg.connect(any_empty_url, autocommit=True) as owner:
        owner.execute(_BEFORE.encode())
        files = {table: _file(owner, table) for table in parts.PARENTS}
    migrate.upgrade(any_empty_url)
    with psycopg.connect(any_empty_url, autocommit=True) as owner:
        first = dict(owner.execute("SELECT parent, part FROM parts() WHERE begins IS NULL").fetchall())
        assert {parent: _file(owner, part) for parent, part in first.items()} == files
        assert [count for table in parts.PARENTS for [count] in owner.execute(f"SELECT count(*) FROM {table}")] == [
            1,
            2,
            2,
        ]
        assert owner.execute("SELECT count(*) FROM node_event_rest").fetchone() == (1,), "a clock that is off"
    with closing(Database(any_empty_url)) as db, db.begin() as session:
        session.connection().execute(text(_CHANGE.partition(";")[0]))
        newest = session.connection().execute(text("SELECT max(seq) FROM pool_change")).scalar_one()
    assert newest == 3, "numbers go on"


def _file(owner: psycopg.Connection, table: str) -> int:
    found = owner.execute("SELECT pg_relation_filenode(%s)", [table]).fetchone()
    assert found is not None
    return found[0]


_PART_OF_NONE = """
    INSERT INTO decision (id, part_of, at, kind, pool, generation, policy_version, code, detail, numbers, elsewhere)
    SELECT 'dec_x', 'dec_none', at, kind, pool, generation, '1', code, '', '{}', '[]' FROM decision LIMIT 1
"""
_SLOW = """INSERT INTO node_event (node, id, told_at, at, boot, kind, detail)
    VALUES ('n1', 1, :told_at, to_timestamp(:at), 'b', 'xid', '{}')"""
_CHANGE = """INSERT INTO pool_change (pool, generation, at, kind, subject, value)
    VALUES ('h100', 1, now(), 'quota', 'acme', '{}');"""
_BEFORE = f"""
INSERT INTO node (name, state, enrolled_at, rack, island) VALUES ('n1', 'ok', now(), '', '');
INSERT INTO decision (id, at, kind, lease, company, pool, generation, policy_version, outcome, code, detail, numbers, elsewhere)
    VALUES ('dec_1', now(), 'ask', 'lea_1', 'acme', 'h100', 1, '1', 'scheduled', 'starts_now', '', '{{}}', '[]');
{_CHANGE}
{_CHANGE}
INSERT INTO node_event (node, id, told_at, at, boot, kind, detail) VALUES
    ('n1', 1, extract(epoch FROM now()), now(), 'b', 'xid', '{{}}'), ('n1', 2, 1e11, now(), 'b', 'xid', '{{}}');
"""


@pytest.mark.parametrize("said", ["(%s, NULL)", "(NULL, now())", "(NULL, NULL)"])
def test_nothing_unsaid_removes_a_part(aged: World, said: str) -> None:
    lived(aged, PAST)
    with psycopg.connect(aged.db.url, autocommit=True) as connection:
        connection.execute("SET ROLE dure_app")
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            connection.execute(f"SELECT part_drop{said}", [f"decision_{ONE}"] if "%s" in said else [])  # pyright: ignore[reportArgumentType]
        assert connection.execute("SELECT count(*) FROM decision").fetchone() == (1,)
