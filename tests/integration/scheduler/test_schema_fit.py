"""Which code a database takes, as migrations of later releases come and go wrong: real processes of `migrate`."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlmodel import Session

from dure.errors import Unavailable
from scheduler.store import db, migrate, schema
from scheduler.store.db import SCHEMA_HEAD, Database
from tests import releases
from tests.releases import Ask, until

ADDS = releases.expand(
    releases.sql("ALTER TABLE lease ADD COLUMN colour text"),
    releases.sql("CREATE TABLE wish (id text PRIMARY KEY)"),
)
FAILS = releases.expand(
    releases.sql("CREATE TABLE half (id text PRIMARY KEY)"),
    releases.sql("SELECT 1 / 0"),
)
HANGS = releases.expand(
    releases.sql("CREATE TABLE half (id text PRIMARY KEY)"),
    releases.sql("SELECT pg_sleep(600)"),
)
SAYS_NOTHING = """

def upgrade() -> None:
    op.execute("CREATE TABLE quiet (id text PRIMARY KEY)")
"""

# Waited for: one that was only told to end is still seen to sleep.
END = "SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where later releases are put together."""
    return tmp_path_factory.mktemp("releases") / "later"


@pytest.fixture
def ask(database_url: str) -> Iterator[Ask]:
    with releases.asking(database_url) as found:
        yield found


def refused(url: str) -> str | None:
    """What this release's processes say of the database."""
    with closing(Database(url, pool_size=1)) as opened:
        try:
            opened.check()
        except Unavailable as error:
            return error.detail
    return None


def test_this_release_runs_on_what_later_ones_added_and_its_migrate_does_nothing_there(
    later: Path, database_url: str, ask: Ask
) -> None:
    assert refused(database_url) is None
    tree = releases.later(later, {"later_1": ADDS, "later_2": releases.INDEXES})
    assert releases.migrate(tree, database_url).returncode == 0
    assert ask("SELECT version_num FROM schema_version") == "later_2"
    assert refused(database_url) is None
    migrate.upgrade(database_url)
    assert ask("SELECT version_num FROM schema_version") == "later_2"


def test_this_release_says_what_to_do_where_a_later_one_took_something_away(
    later: Path, database_url: str, ask: Ask
) -> None:
    tree = releases.later(later, {"later_1": ADDS, "later_2": releases.TAKES_AWAY})
    assert releases.migrate(tree, database_url).returncode == 0
    said = refused(database_url)
    assert said is not None
    assert "the database has schema later_2" in said
    assert f"of schema {SCHEMA_HEAD}, uses; run a newer release, or restore a backup" in said
    with pytest.raises(Unavailable, match="run a newer release"):
        migrate.upgrade(database_url)
    # Nor does the release before this one take it for its own.
    assert ask("SELECT version_num FROM alembic_version") == "later_2"
    # One that has the migration goes on.
    tree = releases.later(later, {"later_1": ADDS, "later_2": releases.TAKES_AWAY, "later_3": SAYS_NOTHING})
    assert releases.migrate(tree, database_url).returncode == 0


def test_a_migration_that_does_not_say_that_it_only_adds_is_taken_to_take_away(
    later: Path, database_url: str, ask: Ask
) -> None:
    assert releases.migrate(releases.later(later, {"later_1": SAYS_NOTHING}), database_url).returncode == 0
    assert "run a newer release" in (refused(database_url) or "")
    assert ask("SELECT string_agg(revision, ' ') FROM schema_fit WHERE fits") == "later_1"


def test_a_database_without_a_schema_is_told_apart_from_one_that_is_away(
    any_empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused(any_empty_url) == schema.NO_SCHEMA
    monkeypatch.setattr(db, "APP_ROLE", "dure_nobody")  # as in a server that no migration ever ran in
    with closing(Database(any_empty_url, pool_size=1)) as fresh:
        assert fresh.schema_misfit() == schema.NO_SCHEMA
        with pytest.raises(schema.NoSchema) as raised, fresh.begin() as session:
            session.connection()
    assert raised.value.problem().title == Unavailable.title()
    nowhere = Database("postgresql://nobody@127.0.0.1:1/nothing", pool_size=1)
    with closing(nowhere), pytest.raises(Unavailable, match="cannot be reached"):
        nowhere.schema_misfit()


def test_a_database_that_lacks_a_migration_is_refused_until_it_is_migrated(
    later: Path, database_url: str, tmp_path: Path, ask: Ask
) -> None:
    ask("DELETE FROM schema_fit WHERE number = (SELECT max(number) FROM schema_fit) RETURNING 1")
    assert (refused(database_url) or "").endswith(f"this code needs {SCHEMA_HEAD}; run the migrations")


def test_a_database_of_another_line_of_releases_is_not_migrated(later: Path, database_url: str, ask: Ask) -> None:
    ask("UPDATE schema_version SET version_num = 'elsewhere_1' RETURNING 1")
    ask("DELETE FROM schema_fit RETURNING 1")
    with pytest.raises(Unavailable, match="schema elsewhere_1, which this release does not know"):
        migrate.upgrade(database_url)


def test_a_migration_that_fails_leaves_what_was_before_it_and_the_next_goes_on_from_there(
    later: Path, database_url: str, ask: Ask
) -> None:
    failed = releases.migrate(releases.later(later, {"later_1": ADDS, "later_2": FAILS}), database_url)
    assert failed.returncode != 0
    assert (
        "scheduler: the database cannot be migrated; what was before the migration that failed stands" in failed.stderr
    )
    assert failed.stderr.endswith("division by zero\n")
    assert ask("SELECT version_num FROM schema_version") == "later_1"
    assert (ask("SELECT to_regclass('wish')"), ask("SELECT to_regclass('half')")) == ("wish", None)
    assert refused(database_url) is None
    mended = releases.later(later, {"later_1": ADDS, "later_2": releases.INDEXES})
    assert releases.migrate(mended, database_url).returncode == 0
    assert ask("SELECT version_num FROM schema_version") == "later_2"


def test_a_migration_that_is_killed_leaves_what_was_before_it_and_its_lock_to_the_next(
    later: Path, database_url: str, ask: Ask
) -> None:
    tree = releases.later(later, {"later_1": ADDS, "later_2": HANGS})
    hangs = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
    waiting = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%try_advisory%' AND pid <> pg_backend_pid()"
    with releases.migrating(tree, database_url) as hung:
        until(lambda: ask(hangs), "it hangs")
        with releases.migrating(tree, database_url) as waits:
            until(lambda: ask(waiting), "another waits")
            hung.kill()
            # The server notices that its client is gone once it has something to say.
            ask(END)
            until(lambda: ask(hangs), "the other is at it")
            ask(END)
            assert waits.done().returncode == 1
    assert ask("SELECT version_num FROM schema_version") == "later_1"
    assert ask("SELECT to_regclass('half')") is None
    assert refused(database_url) is None
    mended = releases.later(later, {"later_1": ADDS, "later_2": releases.INDEXES})
    assert releases.migrate(mended, database_url).returncode == 0


def test_migrations_that_are_started_at_once_wait_for_each_other(later: Path, database_url: str, ask: Ask) -> None:
    tree = releases.later(later, {"later_1": ADDS, "later_2": releases.INDEXES})
    with releases.migrating(tree, database_url) as one, releases.migrating(tree, database_url) as other:
        assert [one.done().returncode, other.done().returncode] == [0, 0]
    assert ask("SELECT count(*) FROM schema_fit WHERE revision LIKE 'later%'") == 2


def test_a_migration_gives_up_a_table_that_is_in_use_and_tries_again_so_that_nobody_waits_for_it(
    later: Path, database_url: str, database: Database, ask: Ask
) -> None:
    tree = releases.later(later, {"later_1": ADDS})
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT count(*) FROM lease")
        with releases.migrating(tree, database_url) as waits:
            until(lambda: ask(waiting), "it waits")
            until(lambda: not ask(waiting), "it gives up")
            with database.begin() as session:
                assert _count(session) == 0
            reader.rollback()
            done = waits.done()
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["action"] for line in done.stderr.splitlines()} == {"migration_waits"}


def _count(session: Session) -> int:
    return session.connection().exec_driver_sql("SELECT count(*) FROM lease").scalar_one()


@pytest.mark.parametrize("away", ["a dead port", "another name"])
def test_a_database_that_cannot_be_reached_is_no_migration_that_failed(database_url: str, away: str) -> None:
    base, _, name = database_url.partition("?")[0].rpartition("/")
    url = "postgresql://nobody@127.0.0.1:1/nothing" if away == "a dead port" else f"{base}/not-{name}"
    done = releases.migrate(Path.cwd(), url)
    assert done.returncode == 1
    assert "scheduler: the database cannot be reached, so nothing was migrated" in done.stderr
    assert "DURE_DATABASE_URL" in done.stderr
    assert "that failed" not in done.stderr
