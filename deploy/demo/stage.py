"""The stage: a whole Dure of its own on free ports and an empty folder, brought up by the local supervisor and taken down."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.ports import first_free

TREE = Path(__file__).resolve().parents[2]
UP_S = 240.0
DOWN_S = 240.0
GREETING = "Dure is running"


class StageError(Exception):
    """The stage could not be set; the text has the supervisor's last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the running Dure answers, and with which token."""

    folder: Path
    server: str
    metrics: str
    admin_token: str


@contextmanager
def stage(
    scenario: str, *, nodes: int, report_s: float, sample_s: float, environ: Mapping[str, str] | None = None
) -> Iterator[Stage]:
    """Up until the `with` is left; `environ` is for the processes beside what the supervisor says. Raises StageError."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="dure-demo-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o711)  # as root, PostgreSQL is another user, who must be able to pass
        (folder / "scenario.toml").write_text(scenario)
        ports = _free_ports(2 + nodes)
        settings = {
            "DATA": folder / "data",
            "NODES": nodes,
            "API_PORT": ports[-1],
            "SCHEDULER_PORT": ports[-2],
            "AGENT_PORT": ports[0],
            "REPORT_S": report_s,
            "SAMPLE_S": sample_s,
            "SCENARIO": folder / "scenario.toml",
            "EXAMPLE": "false",
        }
        stack.enter_context(_supervisor(folder / "supervisor.log", settings, environ or {}))
        yield Stage(
            folder=folder,
            server=f"http://127.0.0.1:{ports[-1]}",
            metrics=f"http://127.0.0.1:{ports[-2]}/metrics",
            admin_token=(folder / "data" / "admin-token").read_text().strip(),
        )


@contextmanager
def _supervisor(log: Path, settings: Mapping[str, object], more: Mapping[str, str]) -> Iterator[None]:
    # A database of the user's is not the demo's to play in.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DURE_")}
    environ = {**kept, **{f"DURE_LOCAL_{name}": str(value) for name, value in settings.items()}, **more}
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "up"], cwd=TREE, env=environ, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        _await_greeting(process, log)
        yield
    finally:
        process.terminate()
        process.wait(DOWN_S)


def _await_greeting(process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + UP_S
    while GREETING not in log.read_text():
        if process.poll() is not None or time.monotonic() > until:
            raise StageError(f"Dure did not come up:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    """Consecutive ones, all free a moment ago."""
    first = first_free(range(28_000 + os.getpid() % 4_000, 60_000, count), count)
    if first is None:
        raise StageError(f"no {count} free ports in a row")
    return list(range(first, first + count))
