"""Commands of a page of docs/, so that a test runs what operators are told to."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.local.engine import Engine

DOCS = Path(__file__).resolve().parents[1] / "docs"


def block(page: str, name: str) -> str:
    """The commands below `<!-- NAME -->` on the page."""
    found = re.search(rf"<!-- {name} -->\n```sh\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert found is not None, f"docs/{page} has no commands called {name}"
    return found[1]


def run(page: str, name: str, *, engine: Engine, environ: Mapping[str, str], cwd: Path) -> str:
    """Runs them as whom PostgreSQL runs as, with its programs in the path; what they print."""
    found = dict(engine.run_as())
    given = {**engine.run_as().get("env", {}), **environ}
    given["PATH"] = f"{engine.bin}:{environ.get('PATH', '/usr/bin:/bin')}"
    command = ["sh", "-euc", block(page, name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, **{**found, "env": given})  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert done.returncode == 0, f"{name} of docs/{page} failed:\n{done.stdout}{done.stderr}"
    return done.stdout
