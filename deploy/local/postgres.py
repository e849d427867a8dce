"""A PostgreSQL of our own in a folder: made, started, stopped and found again, reached by a socket only we can open.

Used by the supervisor, the tests and the benchmarks. It runs any PostgreSQL's programs; it must not know what is
stored in it. `fsync` stays on unless the caller says otherwise.
"""

import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psutil

from deploy.local import ending
from deploy.local import engine as engines
from deploy.local.engine import Engine
from deploy.local.locks import Lock
from deploy.local.trouble import CannotStart

SUPERUSER = "postgres"

STOPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))
"""Fast, then immediate, then without asking; each with the seconds it may take."""

LOOK_S = 0.05

STILL_ATTACHED = "pre-existing shared memory block"

LONGEST_SOCKET = 103
"""Characters of a socket's path that every Unix we run on takes."""


class Embedded:
    """One server in `folder`. Safe against SIGKILL of its owner: the next `start` ends what was left over."""

    def __init__(
        self,
        folder: Path,
        *,
        engine: Engine | None = None,
        options: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        """`options` are server settings; `log` defaults to `postgres.log` in the folder."""
        self.folder = folder
        self.log = log or folder / "postgres.log"
        self._data = folder / "data"
        self._socket = folder / "run"
        self._engine = engine
        self._options = dict(options or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._log_from = 0
        self._lock = Lock(folder / "lock", held=f"process {{pid}} already runs a PostgreSQL on {folder}")

    @property
    def name(self) -> str:
        return "postgres"

    @property
    def pid(self) -> int | None:
        """The server's process, or None while it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def url(self, database: str) -> str:
        """A libpq address of `database`."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self._socket), safe='/')}"

    def start(self, *, timeout_s: float = 60.0) -> None:
        """Makes the server if the folder is empty, and returns when it takes connections.

        Raises CannotStart with the end of the server's log.
        """
        deadline = time.monotonic() + timeout_s
        self.launch()
        while not self.ready():
            in_time = time.monotonic() < deadline
            if in_time and self.exited() is not None and STILL_ATTACHED in self._said():
                # The workers of a server that was killed end by themselves, a moment after it.
                self.launch()
            elif not in_time or self.exited() is not None:
                self.stop()
                raise CannotStart(f"PostgreSQL did not start:\n{self._said()}")
            time.sleep(LOOK_S)

    def launch(self) -> None:
        """Starts the server's process without waiting for it. Raises CannotStart."""
        # A dead child that nobody asked about still has its number.
        self.exited()
        engine = self._prepare()
        self._end_leftover()
        with self.log.open("ab") as log:
            self._log_from = log.tell()
            self._process = subprocess.Popen(
                [str(engine.bin / "postgres"), "-D", str(self._data), *self._arguments()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._data,
                # A Ctrl-C at the terminal is for the owner, who stops us when nobody needs us any more.
                start_new_session=True,
                **engine.run_as(),
            )

    def ready(self) -> bool:
        """True once the server takes connections; it says so itself, in the last line of its pid file."""
        lines = self._pid_file()
        return self.pid is not None and lines[:1] == [str(self.pid)] and lines[-1:] == ["ready"]

    def exited(self) -> int | None:
        """The exit status of the server's process, or None while it runs or was never started."""
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        """Ends the server, gently first, and returns when it is gone. Does nothing when it does not run."""
        if self._process and self._process.poll() is None:
            _end(psutil.Process(self._process.pid))
            self._process.wait()
        self._process = None
        self._lock.release()

    def create(self, database: str) -> None:
        """Makes `database` if there is none of that name. Raises CannotStart."""
        connect = ["-X", "-h", str(self._socket), "-U", SUPERUSER, "-d", SUPERUSER, "-Atqc"]
        found = self.engine.run("psql", [*connect, "SELECT datname FROM pg_database"], cwd=self._data).split()
        if database not in found:
            self.engine.run("psql", [*connect, f'CREATE DATABASE "{database}"'], cwd=self._data)

    def serves(self) -> bool:
        """Whether a server takes connections on this folder, whoever started it."""
        try:
            self.engine.run("pg_isready", ["-q", "-h", str(self._socket)], cwd=Path("/"))
        except CannotStart:
            return False
        return True

    def copy_to(self, folder: Path) -> None:
        """Copies the files of the server that runs, as of when the copy is done, checking every page. Raises CannotStart."""
        where = ["-h", str(self._socket), "-U", SUPERUSER]
        self.engine.run("pg_basebackup", [*where, "-D", str(folder), "-c", "fast"], cwd=Path("/"))

    def replace(self, copy: Path) -> Path:
        """Puts a copy in place of the server's files; where those are kept, if there are any. Raises CannotStart while a server
        runs on them.
        """
        engine = self.engine
        engine.own(self.folder)
        self._lock.take()
        try:
            self._end_leftover()
            part, kept = self._data.with_name("data.part"), self._data.with_name(f"data.before-{time.time_ns()}")
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(copy, part)
            engine.give(part)
            if self._data.exists():
                self._data.rename(kept)
            part.rename(self._data)
        finally:
            self._lock.release()
        return kept

    @property
    def engine(self) -> Engine:
        """The programs this server runs; the embedded ones unless others were given."""
        if self._engine is None:
            self._engine = engines.embedded(self.folder.parent / "engine")
        return self._engine

    def _prepare(self) -> Engine:
        if len(str(self._socket / ".s.PGSQL.5432")) > LONGEST_SOCKET:
            raise CannotStart(f"{self.folder} is too long a path for a socket: use a folder with a shorter one")
        engine = self.engine
        engine.own(self.folder)
        self._lock.release()
        self._lock.take()
        engine.own(self._socket)
        if not self._data.exists():
            self._initialise(engine)
        made_by = (self._data / "PG_VERSION").read_text().strip()
        if made_by != engine.major:
            raise CannotStart(
                f"{self._data} was made by PostgreSQL {made_by} and {engine.bin} is {engine.major}: dump it with the old one"
            )
        return engine

    def _initialise(self, engine: Engine) -> None:
        # A half-made folder looks whole to PostgreSQL, so it gets its name when it is.
        part = self._data.with_name("data.part")
        shutil.rmtree(part, ignore_errors=True)
        options = ["--auth=trust", f"--username={SUPERUSER}", "--encoding=UTF8", "--no-locale", "--data-checksums"]
        engine.run("initdb", [*options, "-D", str(part)], cwd=self.folder)
        part.rename(self._data)

    def _arguments(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._socket),
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self._options,
        }
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _end_leftover(self) -> None:
        """Ends the server that an owner killed by SIGKILL left on this folder."""
        lines = self._pid_file()
        if not lines:
            return
        try:
            process = psutil.Process(int(lines[0]))
            ours = str(self._data) in process.cmdline()
        except (psutil.NoSuchProcess, ValueError):
            return
        if ours:
            _end(process)
            return
        # The number went to another process since; PostgreSQL would take that one for itself and refuse.
        for stale in (self._data / "postmaster.pid", self._socket / ".s.PGSQL.5432.lock"):
            stale.unlink(missing_ok=True)

    def _said(self) -> str:
        """What the server logged since it was launched last."""
        with self.log.open("rb") as log:
            log.seek(self._log_from)
            return log.read().decode(errors="replace").strip()

    def _pid_file(self) -> list[str]:
        try:
            return [line.strip() for line in (self._data / "postmaster.pid").read_text().splitlines()]
        except OSError:
            return []


def _end(process: psutil.Process) -> None:
    if not ending.end(process, STOPS):
        raise CannotStart(f"process {process.pid} (PostgreSQL) does not end")


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for a message; empty when there is none."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
