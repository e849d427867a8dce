"""The folder that everything of the local stack lies in: where it is, who may read it, and what is in it."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from deploy.local.trouble import CannotStart

FIRST_PERSON = 1000
"""User numbers from here on are people's, below it the machine's."""
NOBODY = 65534


def default() -> Path:
    """`/var/lib/dure` for root, else `~/.local/share/dure` (or below XDG_DATA_HOME)."""
    if os.geteuid() == 0:
        return Path("/var/lib/dure")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "dure"


@dataclass(frozen=True, slots=True)
class Folder:
    """The data folder. Its paths are absolute; `make` makes it."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def running(self) -> Path:
        return self.root / "running.json"

    @property
    def admin_token(self) -> Path:
        return self.root / "admin-token"

    @property
    def company_token(self) -> Path:
        return self.root / "acme-token"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def node_token(self, node: str) -> Path:
        return self.root / "nodes" / f"{node}.token"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Makes the folder and those in it. Raises CannotStart when it may not lie there."""
        if os.geteuid() == 0:
            refuse_home(self.root)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            # Root's PostgreSQL runs as another user, who must be able to pass, and no more.
            self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
            for inner in (self.logs, self.root / "nodes"):
                inner.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CannotStart(f"the data folder {self.root} cannot be made ({error}): set DURE_LOCAL_DATA") from None
        if os.geteuid() == 0:
            refuse_closed(self.root)

    def turn_logs(self) -> None:
        """Begins new logs, keeping each one's last as `NAME.log.1`."""
        for log in self.logs.glob("*.log"):
            log.replace(log.with_name(f"{log.name}.1"))


def refuse_home(root: Path) -> None:
    """For root alone. Raises CannotStart when `root` lies in somebody's home."""
    for home in sorted(_homes()):
        if root.resolve().is_relative_to(home):
            raise CannotStart(
                f"DURE_LOCAL_DATA={root} lies in the home {home}: root's PostgreSQL runs as a user of its own, who would "
                "need that home opened. Leave it unset (/var/lib/dure), or name a folder outside every home"
            )


def _homes() -> set[Path]:
    people = [entry for entry in pwd.getpwall() if entry.pw_uid == 0 or FIRST_PERSON <= entry.pw_uid < NOBODY]
    homes = {Path(entry.pw_dir).resolve() for entry in people} | {Path("/root"), Path("/home")}
    return homes - {Path("/")}


def refuse_closed(root: Path) -> None:
    """For root alone. Raises CannotStart when not everybody may pass to `root`."""
    closed = [parent for parent in root.resolve().parents if not parent.stat().st_mode & 0o001]
    if closed:
        raise CannotStart(
            f"{root} lies under {closed[0]}, which other users may not pass: root's PostgreSQL runs as a user of its own. "
            "Name another folder in DURE_LOCAL_DATA"
        )
