"""dure version."""

import importlib.metadata
import json

from tests.unit.dure.answers import Api
from tests.unit.dure.conftest import Run


def test_the_version_needs_no_server(api: Api, run: Run, environ: dict[str, str]) -> None:
    environ.clear()
    installed = importlib.metadata.version("dure")
    assert run("version").stdout == f"dure {installed}\n"
    assert json.loads(run("version", "--json").stdout) == {"version": installed}
    assert api.seen == []
