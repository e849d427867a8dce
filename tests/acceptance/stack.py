"""A running Dure in a folder of its own: started, looked into, hurt, and taken down whatever a test did to it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from deploy.local import ending, leftovers, readiness
from deploy.local.postgres import Embedded, tail
from dure.client import Client
from tests import ports
from tests.servers import QUICK

TREE = Path(__file__).resolve().parents[2]
DURE = Path(sys.executable).with_name("dure")


class Stack:
    """`python -m deploy.local up` and, outside of it, its PostgreSQL, so that a test can take that away for a while.

    With `embedded` the supervisor has the PostgreSQL, as it has on a laptop, and `postgres` here is not used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int,
        gpus: int,
        report_s: float = 0.3,
        embedded: bool = False,
        example: bool = False,
        tree: Path = TREE,
    ) -> None:
        """`tree` is what it is started from: this source, or another release."""
        self.folder = folder
        self.tree = tree
        self.data = folder / "data"
        self.output = folder / "up.log"
        self.postgres = Embedded(folder / "postgres", options=QUICK)
        first = ports.in_a_row(nodes + 2)
        self.server = f"http://127.0.0.1:{first}"
        self._ports = (first, first + 1)
        self.metrics = {"scheduler": f"http://127.0.0.1:{first + 1}/metrics", "api": f"{self.server}/metrics"}
        self.agent_metrics = [f"http://127.0.0.1:{first + 2 + node}/metrics" for node in range(nodes)]
        self._settings = {
            "DURE_LOCAL_DATA": str(self.data),
            "DURE_LOCAL_NODES": str(nodes),
            "DURE_LOCAL_GPUS": str(gpus),
            "DURE_LOCAL_API_PORT": str(first),
            "DURE_LOCAL_SCHEDULER_PORT": str(first + 1),
            "DURE_LOCAL_AGENT_PORT": str(first + 2),
            "DURE_LOCAL_REPORT_S": str(report_s),
            "DURE_LOCAL_SAMPLE_S": str(report_s / 3),
            "DURE_LOCAL_EXAMPLE": str(example),
        }
        self._embedded = embedded
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._launched: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        record = leftovers.read(self.data / "running.json")
        for supervisor in self._launched:
            supervisor.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                supervisor.wait(30)
            supervisor.kill()
            supervisor.wait()
        leftovers.end(record.parts if record else ())
        self.postgres.stop()
        if error is not None:
            print(self.logs())

    @property
    def admin_token(self) -> str:
        return (self.data / "admin-token").read_text().strip()

    def client(self, token: str | None = None) -> Client:
        """A client with `token`, or the admin's."""
        return Client(self.server, token or self.admin_token, why="a test")

    def dure(self, *arguments: str, token: str | None = None) -> Any:
        """What `dure ... --json` answers; raises CalledProcessError with its exit code."""
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "DURE_SERVER": self.server}
        environ["DURE_TOKEN"] = token or self.admin_token
        done = subprocess.run(
            [str(DURE), *arguments, "--json"], env=environ, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    # --- up and down -------------------------------------------------------------------------------------------------

    def start(self, *, wait_s: float = 240.0) -> None:
        """Starts PostgreSQL if it is stopped and the supervisor, and returns when everything is ready."""
        self._supervisor = supervisor = self.launch()
        self.until(lambda: self._ready(supervisor), "everything is ready", within_s=wait_s)

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts a supervisor without waiting for it; `stop` is for the one of `start`."""
        environ = {**os.environ, **self._settings}
        if not self._embedded:
            if self.postgres.pid is None:
                self.postgres.start()
                self.postgres.create("dure")
            environ["DURE_DATABASE_URL"] = self.postgres.url("dure")
        with self.output.open("ab") as output:
            launched = subprocess.Popen(
                [sys.executable, "-m", "deploy.local", "up"], cwd=self.tree, env=environ, stdout=output, stderr=output
            )
        self._launched.append(launched)
        return launched

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Ends the supervisor as Ctrl-C does, and answers its exit code. PostgreSQL stays."""
        assert self._supervisor is not None
        self._supervisor.send_signal(how)
        return self._supervisor.wait(180)

    def _ready(self, supervisor: subprocess.Popen[bytes]) -> bool:
        assert supervisor.poll() is None, f"the supervisor ended with {supervisor.returncode}:\n{self.logs()}"
        record = leftovers.read(self.data / "running.json")
        return record is not None and record.ready and record.supervisor == supervisor.pid

    # --- its processes -----------------------------------------------------------------------------------------------

    def pids(self) -> dict[str, int]:
        """The processes that run now, by name: `api`, `scheduler`, `agent-node-1`, ..."""
        record = leftovers.read(self.data / "running.json")
        return {part.name: part.pid for part in record.parts} if record else {}

    def signal(self, name: str, how: signal.Signals) -> None:
        """Sends `how` to a process by its name, for example SIGSTOP."""
        os.kill(self.pids()[name], how)

    def kill(self, name: str) -> int:
        """SIGKILL to a process by its name; answers its pid. The supervisor starts it again."""
        pid = self.pids()[name]
        process = psutil.Process(pid)
        process.kill()
        self.until(lambda: not ending.is_alive(process), f"{name} is dead")
        return pid

    def until_again(self, name: str, *, not_pid: int, within_s: float = 120.0) -> None:
        """Waits until the supervisor has started `name` again after `not_pid` was killed, and API and scheduler are ready."""
        self.until(lambda: self.pids().get(name) not in (None, not_pid), f"{name} runs again", within_s=within_s)
        self.until(lambda: all(map(readiness.is_ready, self._ports)), "API and scheduler are ready", within_s=within_s)

    # --- waiting -----------------------------------------------------------------------------------------------------

    def until(self, happened: Callable[[], Any], what: str, *, within_s: float = 90.0, every_s: float = 0.05) -> Any:
        """Waits until `happened()` is true, and answers what it answered. Fails the test, with the logs, when it does not."""
        deadline = time.monotonic() + within_s
        while not (found := happened()):
            if time.monotonic() > deadline:
                raise AssertionError(f"within {within_s} s it did not come to it that {what}\n{self.logs()}")
            time.sleep(every_s)
        return found

    def logs(self) -> str:
        """The ends of all logs, for a failed test."""
        files = [self.output, *sorted((self.data / "logs").glob("*.log")), self.postgres.log]
        return "\n".join(f"--- {file.name}\n{tail(file, 25)}" for file in files)
