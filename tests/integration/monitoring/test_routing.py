"""The example of docs/operations.md that sends alerts: Alertmanager takes it, wakes nobody for a ticket, and tells the cause alone."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.cluster.daemons import until
from tests.monitoring.alertmanager import Alertmanager, alertmanager
from tests.monitoring.prometheus import found
from tests.monitoring.rules import alerts_of, prometheus_rule

PAGE = Path("docs/operations.md")
COMPOSE = Path("deploy/docker/alertmanager/alertmanager.yml")


@pytest.fixture(scope="module")
def example() -> str:
    return PAGE.read_text().partition("### Who is told")[2].partition("```yaml\n")[2].partition("```")[0]


@pytest.fixture(scope="module")
def shipped() -> list[dict[str, str]]:
    """Labels of every alert, as if all were of one pool and one certificate."""
    more = {"pool": "h100", "certificate": "api"}
    return [{"alertname": one["alert"], **one["labels"], **more} for one in alerts_of(prometheus_rule())]


@pytest.fixture
def inhibiting(example: str, tmp_path: Path) -> Iterator[Alertmanager]:
    """With the example's rules."""
    with alertmanager(tmp_path, inhibit=yaml.safe_load(example)["inhibit_rules"]) as running:
        yield running


def amtool(*arguments: str | Path) -> str:
    return subprocess.run([found("amtool"), *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


def test_alertmanager_takes_it_and_sends_by_severity(example: str, tmp_path: Path) -> None:
    config = tmp_path / "alertmanager.yml"
    config.write_text(example)
    assert "SUCCESS" in amtool("check-config", config)
    receivers = {"page": "pager", "ticket": "tickets"}
    for severity, receiver in receivers.items():
        labels = ("alertname=DureNodeSilent", f"severity={severity}")
        assert amtool("config", "routes", "test", f"--config.file={config}", *labels).strip() == receiver


def test_compose_routes_and_keeps_quiet_as_the_page_says(example: str) -> None:
    said, shipped = yaml.safe_load(example), yaml.safe_load(COMPOSE.read_text())
    assert {part: shipped[part] for part in ("route", "inhibit_rules")} == {
        part: said[part] for part in ("route", "inhibit_rules")
    }
    assert [one["name"] for one in shipped["receivers"]] == [one["name"] for one in said["receivers"]]


@pytest.mark.parametrize(
    ("cause", "kept_quiet", "told"),
    [
        ("DureDatabaseAway", {"DureLoopStalled", "DureApiBurning", "DureNodeSilent"}, {"DureApiAway", "DureBackupOld"}),
        ("DureLoopStalled", {"DureLeaseOverdue", "DurePromiseSlipped"}, {"DureLedgerUnbalanced", "DureGpuUnhealthy"}),
        ("DureApiAway", {"DureNodeSilent", "DureManyNodesSilent", "DureApiBurning"}, {"DureLoopStalled"}),
        ("DureManyNodesSilent", {"DureNodeSilent"}, {"DureGpuUnhealthy", "DurePromiseSlipped"}),
        ("DureClockStepped", {"DureLeaseOverdue"}, {"DureLoopStalled"}),
    ],
)
def test_the_cause_is_told_and_what_it_brings_with_it_is_not(
    inhibiting: Alertmanager, shipped: list[dict[str, str]], cause: str, kept_quiet: set[str], told: set[str]
) -> None:
    with httpx.Client(base_url=f"http://{inhibiting.address}/api/v2", trust_env=False, timeout=120) as http:
        wanted = {cause} | kept_quiet | told
        _fire(http, [{**one, "case": cause} for one in shipped if one["alertname"] in wanted])
        # What causes it is known a moment after it was told.
        until(
            lambda: kept_quiet <= {name for name, is_quiet in _inhibited(http, cause).items() if is_quiet},
            [],
            within_s=30,
            what="quiet",
        )
        quiet = _inhibited(http, cause)
    assert {name for name, is_quiet in quiet.items() if is_quiet} == kept_quiet
    assert quiet.keys() == wanted


def test_what_pages_is_no_ticket_as_well(inhibiting: Alertmanager, shipped: list[dict[str, str]]) -> None:
    twice = ("DurePromisesBurning", "DureApiBurning", "DureCertificateEnding")
    with httpx.Client(base_url=f"http://{inhibiting.address}/api/v2", trust_env=False, timeout=120) as http:
        _fire(http, [{**one, "case": "twice"} for one in shipped if one["alertname"] in twice])

        def told() -> list[tuple[str, bool]]:
            of_case = [(one["labels"]["severity"], one["status"]["inhibitedBy"]) for one in _alerts(http, "twice")]
            return sorted((severity, bool(by)) for severity, by in of_case)

        until(
            lambda: all(is_quiet for severity, is_quiet in told() if severity == "ticket"),
            [],
            within_s=30,
            what="quiet",
        )
        found = told()
    assert len(found) == 8
    assert {severity for severity, is_quiet in found if is_quiet} == {"ticket"}


def test_planned_work_is_silenced_by_its_label(inhibiting: Alertmanager, shipped: list[dict[str, str]]) -> None:
    said = next(one for one in re.findall(r"`(amtool silence .+?)`", PAGE.read_text()))
    silent = next(one for one in shipped if one["alertname"] == "DureNodeSilent")
    with httpx.Client(base_url=f"http://{inhibiting.address}/api/v2", trust_env=False, timeout=120) as http:
        amtool(*shlex.split(said)[1:], f"--alertmanager.url=http://{inhibiting.address}", "--author=a test")
        _fire(http, [{**silent, "node": node} for node in ("node-7", "node-8")])
        found = {one["labels"]["node"]: one["status"]["silencedBy"] for one in http.get("/alerts").json()}
    assert found["node-7"]
    assert not found["node-8"]


def _fire(http: httpx.Client, alerts: list[dict[str, str]]) -> None:
    # Without an end it would be over after a few seconds.
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    http.post("/alerts", json=[{"labels": labels, "endsAt": ends} for labels in alerts]).raise_for_status()


def _inhibited(http: httpx.Client, case: str) -> dict[str, bool]:
    """Whether each alert of that case is kept quiet, by its name."""
    return {one["labels"]["alertname"]: bool(one["status"]["inhibitedBy"]) for one in _alerts(http, case)}


def _alerts(http: httpx.Client, case: str) -> list[dict[str, Any]]:
    found = http.get("/alerts").raise_for_status().json()
    return [one for one in found if one["labels"].get("case") == case]
