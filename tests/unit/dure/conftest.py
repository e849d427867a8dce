"""The command line run in a test: its API, its environment and its clock are the test's."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import Result

from dure.cli.terminal import Outside
from tests import commandline
from tests.unit.dure.answers import NOW, SERVER, TOKEN, Api
from tests.unit.dure.fake_kubectl import Kubectl, installed

Run = Callable[..., Result]


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """What the command finds in its environment: a home of its own, the server, a token, a zone."""
    return {"HOME": str(tmp_path), "DURE_SERVER": SERVER, "DURE_TOKEN": TOKEN, "DURE_ZONE": "Asia/Seoul"}


@pytest.fixture
def kubectl(tmp_path: Path, environ: dict[str, str]) -> Kubectl:
    """The only kubectl on the command's PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    environ["PATH"] = str(folder)
    return installed(folder)


@pytest.fixture
def run(api: Api, environ: dict[str, str]) -> Run:
    """Runs `dure` with these words. Sleeping moves the command's clock and takes no time."""

    def now():
        return NOW + timedelta(seconds=sum(api.slept))

    def dure(*words: str) -> Result:
        return commandline.run(words, Outside(environ=environ, now=now, sleep=api.slept.append, transport=api))

    return dure
