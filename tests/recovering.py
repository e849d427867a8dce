"""A PostgreSQL whose WAL is archived, taken away whole and put back to a point in time by the commands of docs/recovery.md."""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil
import psycopg

from deploy.local.engine import Engine
from deploy.local.postgres import Embedded
from tests import documented
from tests.releases import TREE, until
from tests.servers import QUICK

PAGE = "recovery.md"


@dataclass(frozen=True, slots=True)
class Recovering:
    """The server, and beside it what outlives it."""

    postgres: Embedded
    database: str

    @classmethod
    def at(cls, folder: Path, *, engine: Engine | None = None, database: str = "dure") -> "Recovering":
        """A server that was started with its archive on, with an empty database."""
        made = cls(Embedded(folder / "postgres", engine=engine, options=QUICK), database)
        made.postgres.start()
        made.postgres.create(database)
        made.postgres.engine.own(made.wal)
        made.run("archive")
        made.postgres.stop()
        made.postgres.start()
        return made

    @property
    def url(self) -> str:
        return self.postgres.url(self.database)

    @property
    def wal(self) -> Path:
        return self.postgres.folder / "wal"

    @property
    def base(self) -> Path:
        return self.postgres.folder / "base"

    def run(self, name: str, **environ: str) -> str:
        """Commands of the page, by their name."""
        given = {
            "OWNER": self.url,
            "WAL": str(self.wal),
            "BASE": str(self.base),
            "DATA": str(self.postgres.folder / "data"),
            "SERVER": self.postgres.url("postgres"),
            **environ,
        }
        return documented.run(PAGE, name, engine=self.postgres.engine, environ=given, cwd=self.postgres.folder)

    def settle(self, name: str = "settle", *, on: Embedded | None = None, **environ: str) -> str:
        """Those that run Dure's own code, which is not everybody's to read: as ourselves, with the programs of `on`."""
        python = Path(sys.executable).parent
        path = f"{python}:{os.environ['PATH']}"
        engine = Engine(bin=(on or self.postgres).engine.bin)
        given = {"OWNER": self.url, "SERVER": self.postgres.url("postgres"), "PATH": path, **environ}
        return documented.run(PAGE, name, engine=engine, environ=given, cwd=TREE)

    def now(self) -> datetime:
        """The server's own time, before and after which nothing commits in the same microsecond."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        return row[0]

    def archived(self) -> None:
        """Once everything up to now is in the archive."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
            assert row is not None
            until((self.wal / row[0]).exists, "the WAL is archived")

    def destroy(self) -> None:
        """The server dies, and its disk is gone."""
        pid = self.postgres.pid
        assert pid is not None
        workers = psutil.Process(pid).children(recursive=True)
        os.kill(pid, signal.SIGKILL)
        for one in workers:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(workers, timeout=60)
        until(lambda: self.postgres.exited() is not None, "PostgreSQL is dead")
        shutil.rmtree(self.postgres.folder / "data")

    def restore(self, target: datetime) -> float:
        """Puts it back to that instant; the seconds it took until the server took writes."""
        began = time.monotonic()
        (self.postgres.folder / "data").mkdir(mode=0o700)
        self.postgres.engine.own(self.postgres.folder / "data")
        self.run("restore", TARGET=target.isoformat())
        self.postgres.start()
        return time.monotonic() - began
