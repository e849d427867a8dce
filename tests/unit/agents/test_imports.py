"""What an agent on a real node loads is what it costs there, for years."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

LOAD = """
import importlib, pathlib, sys
import agents
root = pathlib.Path(agents.__file__).parent
for path in sorted(root.rglob("*.py")):
    parts = path.relative_to(root).with_suffix("").parts
    if parts[0] not in ("simulated", "scenario", "fleet") and parts[-1] not in ("__init__", "__main__"):
        importlib.import_module(".".join(("agents", *parts)))
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
