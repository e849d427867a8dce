"""PostgreSQL servers for tests: one a pytest process, and from it a fresh migrated database for every test that asks."""

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from deploy.local.engine import Engine
from deploy.local.locks import Lock
from deploy.local.postgres import Embedded
from deploy.local.trouble import CannotStart

PREFIX = "dure-test-"

QUICK = {"fsync": "off", "max_connections": "100", "autovacuum": "off"}
"""What is lost with the machine, not with a process, is no loss to a test. Readers of events wait for every transaction
that began before, PostgreSQL's own tidying too, and a test that reads at once does not.
"""

TEMPLATE = "template_dure"


class Server:
    """A running PostgreSQL whose `template_dure` is migrated once, and cloned for each test."""

    def __init__(self, embedded: Embedded) -> None:
        self.embedded = embedded
        self._numbers = itertools.count(1)
        self._migrated = False

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of a fresh database with the schema at head; it is dropped afterwards."""
        self._migrate()
        name = f"test_{next(self._numbers)}"
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
        try:
            yield self.embedded.url(name)
        finally:
            self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def empty(self) -> Iterator[str]:
        """The address of a fresh database with nothing in it; it is dropped afterwards."""
        name = f"empty_{next(self._numbers)}"
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            yield self.embedded.url(name)
        finally:
            self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _migrate(self) -> None:
        if self._migrated:
            return
        # Here and not above: tests without a database import no store.
        from scheduler.store import migrate

        self.embedded.create(TEMPLATE)
        migrate.upgrade(self.embedded.url(TEMPLATE))
        self._migrated = True

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.embedded.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def server(name: str, engine: Engine | None = None) -> Iterator[Server]:
    """A server in a folder of its own directly under /tmp, where no path is too long for a socket."""
    with folder(name) as data:
        embedded = Embedded(data / "postgres", engine=engine, options=QUICK)
        embedded.start()
        try:
            yield Server(embedded)
        finally:
            embedded.stop()


@contextmanager
def folder(name: str) -> Iterator[Path]:
    """A folder that goes when the test ends, and with the next run of any test when this process is killed first."""
    sweep()
    hidden = Path(tempfile.mkdtemp(prefix=f".{PREFIX}{name}-", dir="/tmp"))
    # Root's PostgreSQL is another user, who must be able to pass.
    hidden.chmod(0o711)
    lock = Lock(hidden / "owner", held="{pid}").take()
    # Seen by others' sweeps only once it has its owner.
    made = hidden.rename(hidden.with_name(hidden.name.removeprefix(".")))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        lock.release()


def sweep() -> None:
    """Ends and removes what test processes that were killed left in /tmp."""
    for left in Path("/tmp").glob(f"{PREFIX}*"):
        # Held, gone meanwhile, or another user's: none of it is ours to sweep.
        with contextlib.suppress(CannotStart, OSError):
            if left.stat().st_uid != os.geteuid() or not (left / "owner").exists():
                continue
            lock = Lock(left / "owner", held="{pid}").take()
            _end_all_under(left)
            shutil.rmtree(left, ignore_errors=True)
            lock.release()


def _end_all_under(left: Path) -> None:
    processes = [found for found in psutil.process_iter() if _belongs(found, left)]
    for found in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=10)
    for found in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.kill()


def _belongs(process: psutil.Process, left: Path) -> bool:
    try:
        return any(
            part.startswith(f"{left}/") for part in [*process.cmdline(), process.environ().get("DURE_LOCAL_DATA", "")]
        )
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False
