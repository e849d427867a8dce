"""Other releases of Dure, as folders of source from which real processes are started: one from before, and later ones."""

import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from scheduler.store.db import SCHEMA_HEAD

TREE = Path(__file__).resolve().parents[1]

BEFORE = TREE / "tests/acceptance/before.tar.xz"
"""The source as of commit bf3f8cc, the last before databases said which code fits them. It wants exactly the schema that it knows."""

PACKAGES = ("agents", "api", "deploy", "dure", "scheduler")
VERSIONS = "scheduler/store/migrations/versions"


def before(folder: Path) -> Path:
    """What is in `BEFORE`."""
    folder.mkdir()
    with tarfile.open(BEFORE) as archive:
        archive.extractall(folder, filter="data")
    _compiled(folder)
    return folder


def later(folder: Path, migrations: Mapping[str, str]) -> Path:
    """The present source with more migrations: the bodies of their `upgrade`, by name, each after the one before."""
    if not folder.exists():
        _copy(folder)
    for left in (folder / VERSIONS).glob("later_*"):
        left.unlink()
    newest = SCHEMA_HEAD
    for name, body in migrations.items():
        (folder / VERSIONS / f"{name}.py").write_text(_MIGRATION.format(name=name, before=newest, body=body))
        newest = name
    db = TREE / "scheduler/store/db.py"
    (folder / "scheduler/store/db.py").write_text(db.read_text().replace(SCHEMA_HEAD, newest))
    return folder


def expand(*lines: str) -> str:
    """A migration that only adds: the lines of its `upgrade`."""
    return _step("expand", lines)


def contract(*lines: str) -> str:
    """One that takes something away."""
    return _step("contract", lines)


def sql(statement: str) -> str:
    """The line that sends it."""
    return f"op.execute({statement!r})"


def _step(step: str, lines: Sequence[str]) -> str:
    return f'\nstep = "{step}"\n\n\ndef upgrade() -> None:\n' + "".join(f"    {line}\n" for line in lines)


INDEXES = expand('indexes.build("ix_lease_colour", "lease", ["colour"])')
TAKES_AWAY = contract(sql("ALTER TABLE lease DROP COLUMN colour"))


Ask = Callable[[str], Any]


@contextmanager
def asking(url: str) -> Iterator[Ask]:
    """The first value that a database answers, or None; as its owner, each in a transaction of its own."""
    with psycopg.connect(url, autocommit=True) as connection:

        def one(statement: str) -> Any:
            row = connection.execute(statement.encode()).fetchone()
            return row and row[0]

        yield one


Done = subprocess.CompletedProcess[str]


class Migrating:
    """`python -m scheduler migrate` of a release, while it runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def kill(self) -> None:
        """At once, as a machine's end does."""
        self._process.kill()
        self._process.wait()

    def done(self) -> Done:
        """What came of it."""
        said, complained = self._process.communicate(timeout=120)
        return Done(self._process.args, self._process.returncode, said, complained)


def migrate(tree: Path, url: str) -> Done:
    """Migrates a database by that release."""
    with migrating(tree, url) as running:
        return running.done()


@contextmanager
def migrating(tree: Path, url: str) -> Iterator[Migrating]:
    """The same, not waited for; it is over afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "scheduler", "migrate"],
        cwd=tree,
        env={"PATH": os.environ["PATH"], "DURE_DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Migrating(process)
        finally:
            process.kill()


def until(happened: Callable[[], Any], what: str, *, within_s: float = 90.0) -> None:
    """Looks until it is true."""
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline, f"within {within_s} s it did not come to it that {what}"
        time.sleep(0.05)


def _copy(folder: Path) -> None:
    folder.mkdir()
    for package in PACKAGES:
        shutil.copytree(TREE / package, folder / package)


def _compiled(folder: Path) -> None:
    """What is compiled is kept beside the source; where that is the same, it need not be compiled again."""
    ours, theirs = TREE / "scheduler/core/compiled", folder / "scheduler/core/compiled"
    if all(
        one.read_bytes() == (ours / one.name).read_bytes() for one in theirs.glob("*.py") if (ours / one.name).exists()
    ):
        shutil.rmtree(theirs)
        shutil.copytree(ours, theirs)


_MIGRATION = '''"""Of a release that is yet to come."""

from alembic import op

from scheduler.store import indexes

revision = "{name}"
down_revision = "{before}"
branch_labels = None
depends_on = None
{body}
'''
