"""What every test may ask for: databases of both PostgreSQLs, an environment of its own, and no silent skips."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from deploy.local import engine as engines
from deploy.local.engine import Engine
from tests import databases, servers, skips
from tests.servers import Server

if TYPE_CHECKING:
    from scheduler.store.db import Database

DEBIAN = Path("/usr/lib/postgresql/15/bin")

for _name in [name for name in os.environ if name.startswith("DURE_") and not name.startswith("DURE_TEST_")]:
    # What the developer's shell points at is not what is tested.
    del os.environ[_name]

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("laptop", deadline=None)
hypothesis.settings.load_profile("ci" if skips.FORBIDDEN else "laptop")


@pytest.fixture(scope="session")
def embedded() -> Iterator[Server]:
    """The PostgreSQL that `make up` runs, one for this process."""
    with servers.server("embedded") as found:
        yield found


@pytest.fixture(scope="session")
def postgres15() -> Iterator[Server]:
    """Debian's PostgreSQL 15, the oldest that Dure takes, one for this process."""
    if not (DEBIAN / "postgres").exists():
        pytest.skip("PostgreSQL 15 is not here: install postgresql-15")
    with servers.server("debian", Engine(bin=DEBIAN, account=engines.account())) as found:
        yield found


@pytest.fixture
def database_url(embedded: Server) -> Iterator[str]:
    """A fresh database with the schema at head, on the embedded PostgreSQL."""
    with embedded.database() as url:
        yield url


@pytest.fixture
def postgres15_url(postgres15: Server) -> Iterator[str]:
    """A fresh database with the schema at head, on PostgreSQL 15."""
    with postgres15.database() as url:
        yield url


@pytest.fixture(autouse=True)
def _patient_scrapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the database is not given up because the machine is busy."""
    if reading := sys.modules.get("scheduler.metrics.reading"):
        monkeypatch.setattr(reading, "ANSWERS_S", 60.0)
        monkeypatch.setattr(reading, "READS_S", 60.0)


@pytest.fixture
def database(database_url: str) -> "Iterator[Database]":
    """A `scheduler.store.db.Database` on a fresh database."""
    with databases.opened(database_url) as found:
        yield found


@pytest.fixture(params=["embedded", "postgres15"])
def any_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database with the schema at head; the test runs once on each PostgreSQL."""
    server: Server = request.getfixturevalue(request.param)
    with server.database() as url:
        yield url


@pytest.fixture
def any_database(any_database_url: str) -> "Iterator[Database]":
    """A `scheduler.store.db.Database`; the test runs once on each PostgreSQL."""
    with databases.opened(any_database_url) as found:
        yield found


@pytest.fixture(params=["embedded", "postgres15"])
def any_empty_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with nothing in it, for tests of migrations; the test runs once on each PostgreSQL."""
    server: Server = request.getfixturevalue(request.param)
    with server.empty() as url:
        yield url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    return skips.judge((yield), item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    return skips.judge((yield), collector.nodeid)
