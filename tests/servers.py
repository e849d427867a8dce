"""PostgreSQL servers for tests: one a pytest process, and from it a fresh database for every test that asks."""

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
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

Filling = Callable[[str], None]
"""What fills the database at an address, and leaves no connection to it open."""


class Server:
    """A running PostgreSQL. What fills a database is done once, in a template that is cloned for each test."""

    def __init__(self, embedded: Embedded) -> None:
        self.embedded = embedded
        self._templates: dict[Filling, str] = {}
        self._open: set[str] = set()

    @contextmanager
    def database(self, filled: Filling | None = None) -> Iterator[str]:
        """The address of a fresh database with the schema at head, and `filled` if that is said; it is dropped afterwards.

        It is the address of the database before, once that is dropped: what was prepared for one serves the next.
        """
        with self._clone(self._template(_migrate) if filled is None else self._template(filled)) as url:
            yield url

    @contextmanager
    def empty(self) -> Iterator[str]:
        """The address of a fresh database with nothing in it; it is dropped afterwards."""
        with self._clone("template0") as url:
            yield url

    @contextmanager
    def _clone(self, template: str) -> Iterator[str]:
        name = next(name for number in itertools.count() if (name := f"test_{number}") not in self._open)
        self._open.add(name)
        self._copy(template, name)
        try:
            yield self.embedded.url(name)
        finally:
            self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            self._open.remove(name)

    def _template(self, filled: Filling) -> str:
        if filled not in self._templates:
            of = "template0" if filled is _migrate else self._template(_migrate)
            name = f"template_dure_{len(self._templates)}"
            self._copy(of, name)
            filled(self.embedded.url(name))
            self._templates[filled] = name
        return self._templates[filled]

    def _copy(self, template: str, name: str) -> None:
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.embedded.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def migrated(folder: Path) -> Iterator[Embedded]:
    """A running PostgreSQL of a test's own, which it may do anything to, with the database `dure` at head; it is stopped afterwards."""
    postgres = Embedded(folder / "postgres", options=QUICK)
    try:
        postgres.start()
        postgres.create("dure")
        _migrate(postgres.url("dure"))
        yield postgres
    finally:
        postgres.stop()


def _migrate(url: str) -> None:
    # Here and not above: tests without a database import no store.
    from scheduler.store import migrate

    migrate.upgrade(url)


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
