"""Indexes are built beside those who write, and what a broken build left is built again. Real migrations do it."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import releases
from tests.releases import Ask, until

BUILDS = releases.expand(
    'indexes.build("ix_audit_colour", "audit", ["action", "(lower(actor))"], where="seq > 0")',
)
UNIQUE = releases.expand(
    'indexes.build("ix_audit_colour", "audit", ["action"], unique=True)',
)
DROPS = releases.contract(
    'indexes.drop("ix_audit_colour")',
)

BUILDING = "SELECT 1 FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%'"
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix_audit_colour')"
NUMBER = "SELECT to_regclass('ix_audit_colour')::oid"
WRITE = "INSERT INTO audit (at, actor, action, subject) VALUES (now(), 'somebody', 'test', 'x') RETURNING seq"


@pytest.fixture
def ask(any_database_url: str) -> Iterator[Ask]:
    with releases.asking(any_database_url) as found:
        yield found


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where later releases are put together."""
    return tmp_path_factory.mktemp("releases") / "later"


def test_an_index_is_built_while_others_write_and_none_of_them_waits(
    later: Path, any_database_url: str, ask: Ask
) -> None:
    tree = releases.later(later, {"later_1": BUILDS})
    with psycopg.connect(any_database_url) as writer:
        writer.execute(WRITE.encode())
        with releases.migrating(tree, any_database_url) as migration:
            until(lambda: ask(BUILDING), "the build waits for the writer that began before it")
            # It has been through its first phases, and goes no further before the writer ends.
            written = [ask(WRITE) for _ in range(3)]
            writer.execute(WRITE.encode())
            assert ask(BUILDING), "all of that was committed while it waited"
            assert ask("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'") == 0
            writer.commit()
            assert migration.done().returncode == 0
    assert ask(VALID) is True
    assert len(written) == 3
    assert ask("SELECT version_num FROM schema_version") == "later_1"


def test_what_a_broken_build_left_is_built_again_by_the_next_run(later: Path, any_database_url: str, ask: Ask) -> None:
    tree = releases.later(later, {"later_1": BUILDS})
    with psycopg.connect(any_database_url) as writer:
        writer.execute(WRITE.encode())
        with releases.migrating(tree, any_database_url) as migration:
            until(lambda: ask(BUILDING), "the build waits")
            migration.kill()
        ask("SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index")
        until(lambda: not ask(BUILDING), "nobody builds")
        writer.commit()
    assert ask(VALID) is False
    broken = ask(NUMBER)
    assert releases.migrate(tree, any_database_url).returncode == 0
    assert ask(VALID) is True
    assert ask(NUMBER) != broken


def test_an_index_whose_rows_are_not_unique_fails_and_leaves_the_schema_before(
    later: Path, any_database_url: str, ask: Ask
) -> None:
    for _ in range(2):
        ask(WRITE)
    before = ask("SELECT version_num FROM schema_version")
    failed = releases.migrate(releases.later(later, {"later_1": UNIQUE}), any_database_url)
    assert failed.returncode == 1
    assert "could not create unique index" in failed.stderr
    assert ask("SELECT version_num FROM schema_version") == before
    assert ask(VALID) is False
    assert releases.migrate(releases.later(later, {"later_1": BUILDS}), any_database_url).returncode == 0
    assert ask(VALID) is True
    # What is there already is left alone, and what is not wanted any more goes.
    whole = ask(NUMBER)
    tree = releases.later(later, {"later_1": BUILDS, "later_2": BUILDS})
    assert releases.migrate(tree, any_database_url).returncode == 0
    assert ask(NUMBER) == whole
    tree = releases.later(later, {"later_1": BUILDS, "later_2": BUILDS, "later_3": DROPS})
    assert releases.migrate(tree, any_database_url).returncode == 0
    assert ask(NUMBER) is None
