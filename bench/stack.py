"""What is measured: a PostgreSQL of its own in a fresh folder with fsync on, and the real processes on free ports.

All of it listens on the loopback alone and ends with the `with` that it was started by, each process by its own id.
"""

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench import machine
from bench.results import Row
from deploy.local.children import Child
from deploy.local.postgres import Embedded, tail
from deploy.local.readiness import is_ready
from scheduler.store import migrate

HOST = "127.0.0.1"
OPTIONS = {"track_commit_timestamp": "on"}
"""So that a row says when it was committed; everything else is as the local stack has it."""
READY_S = 60.0
LOOK_S = 0.05


class NotReady(Exception):
    """A process did not come up; the text has its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A database with the schema in it. `machine` says what all this runs on."""

    folder: Path
    database_url: str
    machine: Row

    @contextmanager
    def process(self, package: str, more: Mapping[str, str] | None = None) -> Iterator[str]:
        """The address of `python -m api`, or another that listens as it is told in the same way, ready; `more` are further
        settings. Raises NotReady.
        """
        port = _free_port()
        prefix = f"DURE_{package.rpartition('.')[2].upper()}_"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DURE_")}
        ours = {"DURE_DATABASE_URL": self.database_url, f"{prefix}HOST": HOST, f"{prefix}PORT": str(port)}
        log = self.folder / f"{package}.log"
        command = (sys.executable, "-m", package)
        child = Child(package, command, environ={**kept, **ours, **(more or {})}, folder=machine.TREE, log=log)
        try:
            child.launch()
            _until_ready(child, port)
            yield f"http://{HOST}:{port}"
        finally:
            child.stop()


@contextmanager
def stack() -> Iterator[Stack]:
    """Directly under /tmp, where no path is too long for a socket; the folder goes with it."""
    described = machine.described()
    with ExitStack() as left:
        folder = Path(tempfile.mkdtemp(prefix="dure-bench-", dir="/tmp"))
        left.callback(shutil.rmtree, folder, ignore_errors=True)
        # Root's PostgreSQL is another user, who must be able to pass.
        folder.chmod(0o711)
        postgres = Embedded(folder / "postgres", options=OPTIONS)
        left.callback(postgres.stop)
        postgres.start()
        postgres.create("dure")
        url = postgres.url("dure")
        migrate.upgrade(url)
        yield Stack(folder=folder, database_url=url, machine={**described, **_postgres(url)})


def _postgres(url: str) -> Row:
    with psycopg.connect(url, autocommit=True) as connection:
        found = {name: _setting(connection, name) for name in ("server_version", "fsync", "synchronous_commit")}
    return {"postgresql": found.pop("server_version"), **found}


def _setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    return str(row[0]) if row else "unknown"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _until_ready(child: Child, port: int) -> None:
    until = time.monotonic() + READY_S
    while not is_ready(port):
        if child.exited() is not None or time.monotonic() > until:
            raise NotReady(f"{child.name} did not come up:\n{tail(child.log)}")
        time.sleep(LOOK_S)
