"""Agents of simulated nodes, each with a folder of its own for what is untold, started when the pools of their GPUs are there already."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.local.children import Child
from dure import wire
from dure.client import Client
from tests import ports
from tests.acceptance.stack import TREE, Stack
from tests.cluster import daemons

HOST = "127.0.0.1"


@contextmanager
def agents(running: Stack, admin: Client, names: Sequence[str], scenario: str, folder: Path) -> Iterator[list[str]]:
    """Where each says its metrics, as `host:port`."""
    path = folder / "scenario.yaml"
    path.write_text(scenario)
    found = ports.free(len(names))
    with ExitStack() as stack:
        for name, port in zip(names, found, strict=True):
            token = folder / f"{name}.token"
            token.write_text(admin.enroll_node(wire.NodeEnroll(name=name)).secret)
            token.chmod(0o600)
            settings = {"SERVER": running.server, "NODE": name, "TOKEN_FILE": token, "STATE": folder / name}
            pace = {"HOST": HOST, "PORT": port, "INTERVAL_S": 0.5, "SAMPLE_S": 0.25}
            _start(stack, name, {**settings, **pace, "DRIVER": "simulated", "SCENARIO": path}, folder)
        yield [f"{HOST}:{port}" for port in found]


def _start(stack: ExitStack, name: str, settings: dict[str, object], folder: Path) -> None:
    ours = {f"DURE_AGENT_{setting}": str(value) for setting, value in settings.items()}
    command = (*daemons.BOUND, sys.executable, "-m", "agents")
    child = Child(name, command, environ={**os.environ, **ours}, folder=TREE, log=folder / f"{name}.log")
    stack.callback(daemons.kill, child)
    child.launch()
