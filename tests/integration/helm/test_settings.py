"""What the chart sets is what the processes know: they start with it, beside the migration, and give the first admin token."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from agents import settings as agent
from api.__main__ import SHARED as API_SHARED
from api.settings import ApiSettings
from dure.environment import read
from scheduler.__main__ import SHARED
from scheduler.settings import Settings
from tests.acceptance.house import TREE, House
from tests.integration.helm import rendering
from tests.integration.helm.rendering import environment, of, pod, pods
from tests.integration.kube.chart import CHART, helm
from tests.servers import Server

MOUNTED = "/etc/dure/database/url"


def _of_the_scheduler(environ: Mapping[str, str]) -> object:
    return read(Settings, environ, prefix="DURE_SCHEDULER_", shared=SHARED)


READERS: dict[str, Callable[[Mapping[str, str]], object]] = {
    "dure-api": lambda environ: read(ApiSettings, environ, prefix="DURE_API_", shared=API_SHARED),
    "dure-scheduler": _of_the_scheduler,
    "dure-migration-1": _of_the_scheduler,
    "dure-agent": agent.read,
}


@pytest.mark.parametrize("name", sorted(rendering.VALUE_FILES))
def test_every_process_knows_each_setting_that_the_chart_gives_it(name: str):
    made = {found: spec for found, spec in pods(of(name)) if found != "dure-postgresql"}
    assert set(made) <= set(READERS)
    for found, spec in made.items():
        READERS[found]({key: value or "node-1" for key, value in environment(spec).items()})


@pytest.fixture
def house(embedded: Server, tmp_path: Path) -> Iterator[House]:
    """Processes that have the chart's own variables, on a database with nothing in it."""
    with embedded.empty() as url:
        (tmp_path / "url").write_text(url + "\n")
        made = House(folder=tmp_path, shared={})
        yield made
        made.close()


def _given(house: House, name: str) -> dict[str, str]:
    """What the chart gives a process, with the mounted file where it is here. What was compiled is here already."""
    found = environment(pod(of("default"), name))
    found.pop("DURE_COMPILED_FOLDER", None)
    assert found["DURE_DATABASE_URL_FILE"] == MOUNTED
    return {**found, "DURE_DATABASE_URL_FILE": str(house.folder / "url")}


def _ready(house: House, name: str) -> bool:
    try:
        return httpx.get(f"http://{house.address(name)}/readyz", trust_env=False, timeout=5).is_success
    except httpx.TransportError:
        return False


def test_api_and_scheduler_start_beside_the_migration_and_are_ready_once_the_schema_fits(house: House):
    house.api(**_given(house, "dure-api"))
    house.scheduler(**_given(house, "dure-scheduler"))
    waiting = [house.folder / f"{name}.log" for name in ("api", "scheduler")]
    house.until(lambda: all("database_away" in log.read_text() for log in waiting), "both to wait for the schema")
    assert not _ready(house, "api")
    assert not _ready(house, "scheduler")

    migration = pod(of("default"), "dure-migration-1")["containers"][0]["command"]
    _run(migration, {**os.environ, **_given(house, "dure-migration-1")})
    house.until(lambda: _ready(house, "api") and _ready(house, "scheduler"), "both to be ready")

    token = _run(_said(house), {**os.environ, **_given(house, "dure-scheduler")}).strip()
    answer = httpx.get(
        f"http://{house.address('api')}/v1/tokens",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=120,
    )
    assert answer.json()["items"][0]["role"] == "admin"
    assert not (house.folder / "admin").exists(), "it is left nowhere"


def _said(house: House) -> list[str]:
    """What the notes of the release tell an operator to run in the scheduler's pod, with its file where it is here."""
    notes = helm("install", "dure", str(CHART), "--namespace=dure-system", "--dry-run=client")
    said = re.search(r"exec deploy/dure-scheduler -- sh -c '(.+)'", notes)
    assert said is not None
    return ["sh", "-c", said[1].replace("/tmp/admin", str(house.folder / "admin"))]


def _run(command: list[str], environ: Mapping[str, str]) -> str:
    """As in the image, where `python` is the one that has Dure."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=TREE, env={**environ, "PATH": path}, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
