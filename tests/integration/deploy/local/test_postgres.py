"""The embedded server: kept between runs, safe to kill, owned by one."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from deploy.local import ending
from deploy.local import engine as engines
from deploy.local.engine import Engine
from deploy.local.postgres import Embedded
from deploy.local.trouble import CannotStart
from tests import servers


@pytest.fixture
def folder() -> Iterator[Path]:
    with servers.folder("server") as made:
        yield made / "postgres"


@pytest.fixture
def server(folder: Path) -> Iterator[Embedded]:
    found = Embedded(folder)
    found.start()
    found.create("dure")
    yield found
    found.stop()


def run(server: Embedded, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url("dure"), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def kill(server: Embedded) -> None:
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_what_was_written_is_there_after_a_stop_and_a_start(server: Embedded) -> None:
    run(server, "CREATE TABLE kept AS SELECT 7 AS n")
    server.stop()
    assert server.pid is None
    server.start()
    assert run(server, "SELECT n FROM kept") == [(7,)]


def test_what_was_written_is_there_after_a_kill(server: Embedded) -> None:
    run(server, "CREATE TABLE kept AS SELECT 7 AS n")
    kill(server)
    assert server.exited() == -signal.SIGKILL
    server.start()
    assert run(server, "SELECT n FROM kept") == [(7,)]


def test_writes_reach_the_disk_before_they_are_answered(server: Embedded) -> None:
    assert run(server, "SHOW fsync") == [("on",)]
    assert run(server, "SHOW synchronous_commit") == [("on",)]


def test_making_a_database_twice_keeps_it(server: Embedded) -> None:
    run(server, "CREATE TABLE kept AS SELECT 7 AS n")
    server.create("dure")
    assert run(server, "SELECT n FROM kept") == [(7,)]


def test_only_its_owner_can_reach_it(server: Embedded) -> None:
    assert run(server, "SHOW listen_addresses") == [("",)]
    assert stat.S_IMODE((server.folder / "run").stat().st_mode) == 0o700
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700


def test_it_does_not_run_as_root(server: Embedded) -> None:
    assert psutil.Process(server.pid).uids().effective != 0


def test_a_second_owner_is_refused_and_the_first_one_keeps_running(server: Embedded) -> None:
    with pytest.raises(CannotStart, match=f"process {os.getpid()} already runs a PostgreSQL on {server.folder}"):
        Embedded(server.folder).start()
    assert run(server, "SELECT 1") == [(1,)]


def test_a_server_whose_owner_was_killed_is_ended_by_the_next_start(folder: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            Embedded(folder).start()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    left = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    orphan = psutil.Process(left)
    server = Embedded(folder)
    server.start()
    assert server.pid != left
    server.stop()
    assert not ending.is_alive(orphan)


def test_a_pid_file_whose_number_went_to_another_process_is_no_hindrance(server: Embedded) -> None:
    kill(server)
    pid_file = server.folder / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    server.start()
    assert run(server, "SELECT 1") == [(1,)]


def test_a_start_that_was_cut_short_is_begun_again(folder: Path) -> None:
    server = Embedded(folder)
    server.engine.own(folder)
    (folder / "data.part").mkdir()
    (folder / "data.part" / "PG_VERSION").write_text("18\n")
    server.start()
    assert server.pid
    server.stop()


def test_data_of_another_major_version_is_refused(server: Embedded) -> None:
    server.stop()
    (server.folder / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(CannotStart, match="was made by PostgreSQL 12"):
        server.start()


def test_a_server_that_cannot_start_says_what_postgresql_said(folder: Path) -> None:
    server = Embedded(folder, options={"shared_buffers": "none"})
    with pytest.raises(CannotStart, match='invalid value for parameter "shared_buffers"'):
        server.start()
    assert server.pid is None


def test_a_path_too_long_for_a_socket_is_refused_with_the_reason(folder: Path) -> None:
    with pytest.raises(CannotStart, match="too long a path for a socket"):
        Embedded(folder / ("x" * 90)).start()


def test_programs_that_the_account_cannot_reach_are_copied_and_nothing_is_opened(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("PostgreSQL is another user only for root: run the tests as root")
    closed = folder.parent / "closed"
    found = engines.embedded(folder.parent / "engine")
    installed = found.bin.parents[1]
    closed.mkdir(mode=0o700)
    for part in (installed, installed.with_name(f"{installed.name}.libs")):
        (closed / part.name).symlink_to(part)
    unreachable = Engine(bin=closed / installed.name / found.bin.parent.name / "bin", account=found.account)
    reached = engines.reachable(unreachable, folder.parent / "engine")
    assert reached.bin.is_relative_to(folder.parent / "engine")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    server = Embedded(folder, engine=reached)
    server.start()
    server.stop()
