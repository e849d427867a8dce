"""What an agent on a real node loads is what it costs there, for years."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

LOAD = """
import importlib, pkgutil, sys
import agents
for found in pkgutil.iter_modules(agents.__path__):
    if not found.name.startswith(("simulated", "scenario", "fleet")):
        importlib.import_module(f"agents.{found.name}")
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""

HEAVY = {
    "pydantic",
    "pydantic_core",
    "httpx",
    "httpcore",
    "anyio",
    "grpc",
    "google",
    "yaml",
    "typer",
    "rich",
    "msgspec",
    "prometheus_client",
}


def test_a_nodes_agent_loads_nothing_that_is_large() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=ROOT, capture_output=True, text=True, timeout=240, check=True
    )
    loaded = set(done.stdout.split())

    assert {"agents", "pynvml", "h2"} <= loaded
    assert not loaded & HEAVY
