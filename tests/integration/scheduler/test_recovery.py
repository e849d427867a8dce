"""Backups by PostgreSQL's own tools, as docs/recovery.md has them, on both PostgreSQLs: restored to a point in time, and loaded."""

import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from deploy.local import engine as engines
from deploy.local.engine import Engine
from dure import wire
from dure.errors import UnknownLease
from scheduler.store import migrate
from scheduler.store.db import Database
from tests import servers
from tests.conftest import DEBIAN
from tests.integration.scheduler.conftest import World
from tests.recovering import Recovering


@pytest.fixture(params=["embedded", "postgres15"])
def server(request: pytest.FixtureRequest) -> Iterator[Recovering]:
    debian = Engine(bin=DEBIAN, account=engines.account())
    with servers.folder("recovery") as folder:
        found = Recovering.at(folder, engine=debian if request.param == "postgres15" else None)
        try:
            yield found
        finally:
            found.postgres.stop()


def test_what_was_committed_before_the_instant_is_there_and_nothing_of_what_came_after(server: Recovering) -> None:
    migrate.upgrade(server.url)
    now = int(time.time())
    with closing(Database(server.url)) as db:
        world = World(db).found(at=now)
        runs = world.ask(4, now=now, duration_s=3600)
        world.turn(now + 1)
        server.run("base")
        if server.postgres.engine.bin == DEBIAN:  # the embedded one's pg_verifybackup crashes
            server.run("check")
        world.extend(runs, now=now + 2, by_s=600)
        promised = world.ask(16, now=now + 3, who="globex", duration_s=600)
        kept = [world.lease(one) for one in (runs, promised)]
        target = server.now()
        world.cancel(promised, now=now + 4)
        world.release(runs, now=now + 5)
        lost = world.ask(1, now=now + 6, duration_s=60)
        server.archived()
    server.destroy()
    server.restore(target)
    assert server.settle().endswith("everything holds\n")
    with closing(Database(server.url)) as db:
        world = World(db, seq=100)
        assert [world.lease(one) for one in (runs, promised)] == kept
        with pytest.raises(UnknownLease):
            world.lease(lost)
        world.report("n1", now=now + 60)
        world.report("n2", now=now + 60)
        world.turn(now + 61)
        assert world.lease(runs).state == wire.LeaseState.ACTIVE


def test_a_dump_is_loaded_on_another_server_and_settled(server: Recovering, embedded: servers.Server) -> None:
    migrate.upgrade(server.url)
    now = int(time.time())
    dump, other = server.postgres.folder / "dump", embedded.embedded
    with closing(Database(server.url)) as db:
        promised = World(db).found(at=now).ask(4, now=now, duration_s=3600)
        kept = World(db).lease(promised)
    server.run("dump", DUMP=str(dump))
    to = other.url("dure_restored")
    with psycopg.connect(other.url("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS dure_restored")
    said = server.settle("load", on=other, DUMP=str(dump), SERVER=other.url("postgres"), RESTORED=to)
    assert said.endswith("everything holds\n")
    with closing(Database(to)) as db:
        assert World(db).lease(promised) == kept
    with psycopg.connect(to) as connection:
        assert connection.execute("SELECT count(*) FROM server_life").fetchone() == (3,)
