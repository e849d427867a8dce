"""The migrations give exactly the schema that the tables say, and can be run again."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlmodel import SQLModel

from dure import wire
from scheduler.core.model import Instant
from scheduler.store import books, history, ledger, migrate, policies, pools, schema, statements, sums, tables
from scheduler.store.db import SCHEMA_HEAD, Database, engine_url
from scheduler.store.ledger import Entry
from scheduler.store.statements import Wanted
from tests.integration.scheduler.conftest import ADMIN

assert tables.Leader.metadata is SQLModel.metadata


def test_an_upgraded_database_is_what_the_tables_say(any_empty_url: str) -> None:
    migrate.upgrade(any_empty_url)
    migrate.upgrade(any_empty_url)
    engine = create_engine(engine_url(any_empty_url))
    with engine.connect() as connection:
        parts = set(connection.execute(text("SELECT inhrelid::regclass::text FROM pg_inherits")).scalars())
        opts: dict[str, Any] = {
            "compare_type": True,
            "compare_server_default": True,
            "version_table": schema.VERSION_TABLE,
            # The version is of the release before, which alone reads it.
            "include_name": lambda name, kind, _: kind != "table" or name not in {*parts, schema.BEFORE_FIT},
        }
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, SQLModel.metadata) == []
    engine.dispose()


def test_the_code_asks_for_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(migrate.config("postgresql://")).get_heads() == [SCHEMA_HEAD]


def test_events_that_were_written_before_they_were_told_get_their_company_and_times(any_empty_url: str) -> None:
    command.upgrade(migrate.config(any_empty_url), "20261124_first")
    engine = create_engine(engine_url(any_empty_url))
    with engine.begin() as connection:
        connection.exec_driver_sql(BEFORE)
    migrate.upgrade(any_empty_url)
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT event, company, pool, starts_at, stops_at FROM lease_event ORDER BY xid, seq")
        ).all()
        assert connection.execute(text("SELECT count(DISTINCT xid) FROM lease_event")).scalar_one() == 1
        assert [row[:3] for row in rows] == [(event, "acme", "h100") for event in ("queued", "scheduled", "ended")]
        assert [row[3] is None for row in rows] == [True, False, False]
        assert (rows[2][4] - rows[2][3], rows[1][4] - rows[1][3]) == (timedelta(seconds=40), timedelta(seconds=100))
        cursor = connection.execute(
            text("SELECT (xid, seq) > (SELECT max(xid), max(seq) FROM lease_event) FROM webhook_cursor")
        )
        assert cursor.scalar_one(), "what was before is told to nobody"
    engine.dispose()


BEFORE = """
INSERT INTO company (name, created_at) VALUES ('acme', now());
INSERT INTO pool (name, product, gap_s, grace_s, empty_memory_bytes, created_at, generation)
VALUES ('h100', 'H100', 10, 5, 0, now(), 1);
INSERT INTO decision (id, at, lease, company, pool, generation, policy_version, outcome, code, detail, numbers)
VALUES ('dec_1', now(), 'lea_1', 'acme', 'h100', 1, '1', 'scheduled', 'starts_now', '', '{}');
INSERT INTO lease (id, company, pool, gpus, total_gpus, duration_s, tier, purpose, wants_queue, state, asked_at,
    promised_start, starts_at, ends_at, stops_at, started_at, ended_at, end_cause, decision, generation)
VALUES ('lea_1', 'acme', 'h100', 1, 1, 100, 'reserved', 'training', true, 'ended', 'epoch', 'epoch', 'epoch',
    timestamptz 'epoch' + interval '100 s', timestamptz 'epoch' + interval '40 s', 'epoch',
    timestamptz 'epoch' + interval '40 s', 'released', 'dec_1', 1);
INSERT INTO lease_event (lease, at, event, state, detail)
VALUES ('lea_1', 'epoch', 'queued', 'queued', '{}'), ('lea_1', 'epoch', 'scheduled', 'scheduled', '{}'),
    ('lea_1', 'epoch', 'ended', 'ended', '{}');
"""
"""A lease that waited, ran and was released, as the first schema has it."""


OLD = """
INSERT INTO company (name, created_at) VALUES ('acme', now());
INSERT INTO pool (name, product, gap_s, grace_s, empty_memory_bytes, created_at, generation, rule, slack_ppm, reserve_ppm,
    reserve_over_s) VALUES ('h100', 'H100', 30, 30, 1, now(), 7, 'late-slots', 50000, 0, 0);
INSERT INTO node (name, state, enrolled_at) VALUES ('n1', 'ok', now()), ('n2', 'ok', now());
INSERT INTO pool_node (pool, node, capacity, nominal, open, generation, lost_at)
    VALUES ('h100', 'n1', 8, 8, true, 3, NULL), ('h100', 'n2', 7, 8, false, 4, '2027-01-15 08:00:00+00');
INSERT INTO quota (company, pool, gpus) VALUES ('acme', 'h100', 16);
INSERT INTO decision (id, at, lease, company, pool, generation, policy_version, outcome, code, detail, numbers)
    VALUES ('dec_1', now(), 'lea_1', 'acme', 'h100', 5, '2', 'scheduled', 'starts_now', 'So.', '{}');
INSERT INTO lease (id, company, pool, nodes, gpus_per_node, total_gpus, duration_s, tier, purpose, wants_queue, notice_s,
    state, asked_at, start, promised_start, starts_at, ends_at, stops_at, started_at, decision, generation)
    VALUES ('lea_1', 'acme', 'h100', 2, 4, 8, 3600, 'reserved', 'training', true, 900, 'active', '2027-01-15 08:00:00+00',
    '2027-01-15 08:10:00+00', '2027-01-15 08:10:00+00', '2027-01-15 08:10:00+00', '2027-01-15 09:10:00+00',
    '2027-01-15 09:10:00+00', '2027-01-15 08:10:01+00', 'dec_1', 6);
INSERT INTO placement (lease, node, gpus) VALUES ('lea_1', 'n1', 4), ('lea_1', 'n2', 4);
"""
"""A pool, a node that lacks a GPU, and a lease that runs, from before there was a log."""


def test_the_log_of_a_pool_that_is_older_begins_with_its_whole_book(any_empty_url: str) -> None:
    command.upgrade(migrate.config(any_empty_url), "20261124_renew")
    with psycopg.connect(any_empty_url, autocommit=True) as connection:
        connection.execute(OLD.encode())
    migrate.upgrade(any_empty_url)
    now = Instant(1_800_003_000)
    with closing(Database(any_empty_url)) as db, db.snapshot() as session:
        kept = books.fresh(session, "h100", now)
        assert len(kept.leases) == 1
        rebuilt = history.book(session, "h100", 7, kept.policy, now)
        assert rebuilt.digest(now) == kept.digest(now)
        assert history.policy(session, "h100", 7) == replace(kept.policy, version="2", number=0)
        assert history.policy(session, "h100", 8) == replace(kept.policy, version="3", number=0)
        assert history.policy(session, "h100", 9) == replace(kept.policy, version="4", number=0)
        assert history.policy(session, "h100", 10) == replace(kept.policy, version="5", number=0)
        assert history.policy(session, "h100", 11) == replace(kept.policy, version="5")
        assert history.policy(session, "h100", 12) == kept.policy
        assert not history.book(session, "h100", 6, kept.policy, now).nodes


def test_what_pools_have_is_the_first_version_of_the_policy(any_empty_url: str) -> None:
    command.upgrade(migrate.config(any_empty_url), "20261124_ledger")
    with psycopg.connect(any_empty_url, autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO pool (name, product, gap_s, grace_s, extension_closes_s, renews_before_s, empty_memory_bytes, rule,
                slack_ppm, reserve_ppm, reserve_over_s, created_at, generation)
            VALUES ('h100', 'H100', 31, 3600, 600, 1801, 7, 'only-earlier', 1, 2, 3, now(), 7)
            """
        )
    migrate.upgrade(any_empty_url)
    with closing(Database(any_empty_url)) as db, db.snapshot() as session:
        found = policies.live(session)
        assert (found.version, found.actor, found.programme.zone) == (1, "upgrade", "UTC")
        assert found.pools == {
            "h100": wire.PoolPolicy(
                gap_s=31,
                grace_s=3600,
                extension_closes_s=3600,
                renews_before_s=1801,
                empty_memory_bytes=7,
                rule="only-earlier",
                slack_ppm=1,
                reserve_ppm=2,
                reserve_over_s=3,
            )
        }
        assert pools.get(session, "h100", now=1_800_003_000).policy_number == 1


LEDGER = """
INSERT INTO lease (id, company, pool, gpus, total_gpus, duration_s, tier, purpose, wants_queue, notice_s, state, asked_at,
    promised_start, starts_at, ends_at, stops_at, started_at, ended_at, end_cause, decision, generation)
    VALUES ('lea_0', 'acme', 'h100', 1, 1, 100, 'reserved', 'training', true, 900, 'ended', '2027-01-15 08:00:00+00',
    '2027-01-15 08:00:00+00', '2027-01-15 08:00:00+00', '2027-01-15 08:01:40+00', '2027-01-15 08:00:40+00',
    '2027-01-15 08:00:00+00', '2027-01-15 08:00:40+00', 'released', 'dec_1', 5);
INSERT INTO account (company, pool, seq, committed, spent) VALUES ('acme', 'h100', 4, 28800, 40);
INSERT INTO ledger_entry (company, pool, seq, at, lease, kind, gpu_seconds, cause, committed, spent) VALUES
    ('acme', 'h100', 1, now(), 'lea_0', 'commit', 100, 'promised', 100, 0),
    ('acme', 'h100', 2, now(), 'lea_1', 'commit', 28800, 'promised', 28900, 0),
    ('acme', 'h100', 3, now(), 'lea_0', 'settle', 40, 'delivered', 28860, 40),
    ('acme', 'h100', 4, now(), 'lea_0', 'refund', 60, 'released', 28800, 40);
"""
"""Of two leases: the one that runs, and one that was released."""


def test_the_ledger_of_an_earlier_release_keeps_every_second_and_goes_on(any_empty_url: str) -> None:
    command.upgrade(migrate.config(any_empty_url), "20261124_renew")
    with psycopg.connect(any_empty_url, autocommit=True) as connection:
        connection.execute((OLD + LEDGER).encode())
    migrate.upgrade(any_empty_url)
    with closing(Database(any_empty_url)) as db:
        # It started a second late.
        had = Entry(company="acme", pool="h100", lease="lea_1", kind="settle", gpu_seconds=28792, cause="delivered")
        lost = replace(had, kind="refund", gpu_seconds=8, cause="late_start")
        with db.snapshot() as session:
            assert sums.verify(session, company=None, pool=None, actor=ADMIN).faults == []
        with db.begin() as session:
            ledger.post(session, [had, lost], at=1_800_003_600)
            session.connection().exec_driver_sql(
                "UPDATE lease SET state = 'ended', ended_at = ends_at, end_cause = 'expired' WHERE id = 'lea_1'"
            )
        with db.snapshot() as session:
            read = Wanted(company="acme", pool="h100")
            found = statements.page(session, read, actor=ADMIN, after=None, limit=9).items
            assert sums.verify(session, company=None, pool=None, actor=ADMIN).faults == []
    assert [(one.number, one.debit, one.credit, one.gpu_seconds) for one in reversed(found)] == [
        (1, "source", "committed", 100),
        (2, "source", "committed", 28800),
        (3, "committed", "spent", 40),
        (4, "committed", "source", 60),
        (5, "committed", "spent", 28792),
        (6, "committed", "source", 8),
    ]
    assert [one.after.granted_gpu_seconds for one in reversed(found)] == [100, 28900, 28900, 28840, 28840, 28832]
