"""The real processes of Dure, each started by itself and as often as a test wants: replicas of the API, schedulers, agents."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from deploy.local.children import Child
from deploy.local.postgres import tail
from dure.client import Client
from tests import ports
from tests.cluster import daemons
from tests.cluster.certificates import HOST

TREE = Path(__file__).resolve().parents[2]
WITHIN_S = 90.0


@dataclass(kw_only=True)
class House:
    """On one database, with settings that all of API and scheduler share. Kill what runs in it with `close`."""

    folder: Path
    shared: Mapping[str, str]
    parts: dict[str, Child] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    begun: dict[str, tuple[str, str, Mapping[str, str]]] = field(default_factory=dict)
    """How each was started."""

    def start(self, name: str, package: str, prefix: str, environ: Mapping[str, str]) -> None:
        """A process by that name."""
        self.begun[name] = (package, prefix, environ)
        if name not in self.ports:
            (self.ports[name],) = ports.free(1)
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        said = {**kept, **environ, f"{prefix}PORT": str(self.ports[name])}
        command = (*daemons.BOUND, sys.executable, "-m", package)
        self.parts[name] = Child(name, command, environ=said, folder=TREE, log=self.folder / f"{name}.log")
        self.parts[name].launch()

    def again(self, name: str) -> None:
        """One that was killed, where it was and as it was."""
        self.start(name, *self.begun[name])

    def scheduler(self, name: str = "scheduler", **environ: str) -> None:
        self.start(name, "scheduler", "DURE_SCHEDULER_", {**self.shared, **environ})

    def api(self, name: str = "api", **environ: str) -> None:
        self.start(name, "api", "DURE_API_", {**self.shared, **environ})

    def agent(self, node: str, join_token: str, server: str, **environ: str) -> None:
        """Of a simulated node, which joins by that token."""
        join = self.folder / f"{node}.join"
        join.write_text(join_token)
        said = {
            "DURE_AGENT_SERVER": server,
            "DURE_AGENT_NODE": node,
            "DURE_AGENT_JOIN_TOKEN_FILE": str(join),
            "DURE_AGENT_STATE": str(self.folder / node),
            "DURE_AGENT_DRIVER": "simulated",
            "DURE_AGENT_INTERVAL_S": "1",
        }
        self.start(node, "agents", "DURE_AGENT_", {**said, **environ})

    def admin_token(self) -> str:
        """Of the first admin, as an operator makes it."""
        path = self.folder / "admin"
        command = [sys.executable, "-m", "scheduler", "admin-token", str(path)]
        subprocess.run(command, cwd=TREE, env={**os.environ, **self.shared}, check=True, capture_output=True)
        return path.read_text().strip()

    def address(self, name: str) -> str:
        """`host:port` of a process."""
        return f"{HOST}:{self.ports[name]}"

    def signal(self, name: str, how: signal.Signals) -> None:
        pid = self.parts[name].pid
        assert pid is not None
        os.kill(pid, how)

    def kill(self, name: str) -> None:
        """SIGKILL, and it is not started again."""
        daemons.kill(self.parts.pop(name))

    def close(self) -> None:
        for name in list(self.parts):
            self.kill(name)

    def until(self, happened: Callable[[], bool], what: str) -> None:
        daemons.until(happened, self.parts.values(), within_s=WITHIN_S, what=what)

    def metric(self, name: str, series: str) -> float | None:
        """Of a process; None while it does not answer, or has no such series. `series` is as it is written there."""
        try:
            said = httpx.get(f"http://{self.address(name)}/metrics", trust_env=False, timeout=5).text
        except httpx.HTTPError:
            return None
        lines = (line.rpartition(" ") for line in said.splitlines() if not line.startswith("#"))
        return next((float(value) for found, _, value in lines if found == series), None)

    def said(self, name: str, action: str) -> list[dict[str, Any]]:
        """The lines of its log with that word, oldest first, also of those of its name that were killed."""
        # Killed in the midst of a line it leaves a piece of one.
        lines = [line for line in self.parts[name].log.read_bytes().splitlines() if line.endswith(b"}")]
        return [found for line in lines if (found := json.loads(line)).get("action") == action]

    def logs(self) -> str:
        """What all of them said."""
        return "".join(tail(part.log, 10_000) for part in self.parts.values())

    def nodes_report(self, admin: Client, count: int) -> bool:
        return sum(bool(node.gpus) for node in admin.nodes()) == count
