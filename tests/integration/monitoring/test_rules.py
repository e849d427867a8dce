"""Recording rules and alerts as the chart ships them, judged by promtool, and what its values do to them."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.kube.chart import CHART, helm
from tests.monitoring.prometheus import promtool
from tests.monitoring.rules import alerts_of, prometheus_rule, written

TESTS = sorted((Path(__file__).parent / "rules").glob("*.yaml"))


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    """With the chart's own values."""
    return prometheus_rule()


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In a file, where tests for promtool look for them."""
    return written(tmp_path_factory.mktemp("rules") / "rules.yml")


def said(*arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(promtool(*arguments), capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_promtool_finds_nothing_wrong_with_the_rules(rules: Path) -> None:
    status, words = said("check", "rules", "--lint-fatal", rules)
    assert status == 0, words


@pytest.mark.parametrize("tests", TESTS, ids=[path.stem for path in TESTS])
def test_alerts_fire_beyond_their_thresholds_alone_and_say_what_a_woken_person_needs(rules: Path, tests: Path) -> None:
    """With labels and annotations to the letter."""
    copy = rules.parent / tests.name
    copy.write_text(tests.read_text())
    status, words = said("test", "rules", copy)
    assert status == 0, words


def test_what_runbooks_ask_prometheus_is_promql(tmp_path: Path) -> None:
    page = ("\n" + Path("docs/operations.md").read_text()).partition("\n## Alerts\n")[2].partition("\n## ")[0]
    asked = [
        one
        for one in re.findall(r"`([^`\n]+)`|^    (.+)$", page, re.MULTILINE)
        if re.search(r"\bdure_|\bup\{", "".join(one))
    ]
    rules = [{"record": f"asked_{at}", "expr": "".join(one)} for at, one in enumerate(asked)]
    assert len(rules) > 30
    path = tmp_path / "asked.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    status, words = said("check", "rules", path)
    assert status == 0, words


def test_every_alert_is_seen_to_fire_and_not_to_fire(shipped: dict[str, Any]) -> None:
    seen: dict[bool, set[str]] = {True: set(), False: set()}
    for path in TESTS:
        for one in yaml.safe_load(path.read_text())["tests"]:
            for check in one.get("alert_rule_test", ()):
                seen[bool(check["exp_alerts"])].add(check["alertname"])
    names = {alert["alert"] for alert in alerts_of(shipped)}
    assert (seen[True], seen[False]) == (names, names)


def test_alerts_are_off_until_they_are_asked_for() -> None:
    assert "PrometheusRule" not in helm("template", "dure", str(CHART))


def test_every_alert_has_a_severity_and_says_what_is_wrong_what_to_do_and_where_more_is(
    shipped: dict[str, Any],
) -> None:
    for alert in alerts_of(shipped):
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert "First " in alert["annotations"]["description"]


def test_labels_runbooks_and_severities_are_the_operators_to_choose() -> None:
    rule = prometheus_rule(
        labels={"release": "prometheus"},
        extraLabels={"team": "gpu"},
        runbookUrl="https://wiki.example.org/dure",
        severities={"DureNodeSilent": "page"},
    )
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert rule["metadata"]["labels"]["app.kubernetes.io/name"] == "dure"
    (silent,) = (alert for alert in alerts_of(rule) if alert["alert"] == "DureNodeSilent")
    assert silent["labels"] == {"severity": "page", "team": "gpu"}
    assert silent["annotations"]["runbook_url"] == "https://wiki.example.org/dure#durenodesilent"


def test_alerts_that_are_disabled_are_left_out_and_no_others(shipped: dict[str, Any]) -> None:
    left = alerts_of(prometheus_rule(disabled=["DureApiBurning", "DureNodeSilent"]))
    assert left == [one for one in alerts_of(shipped) if one["alert"] not in ("DureApiBurning", "DureNodeSilent")]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"nodeSlient": {}}, "nodeSlient"),
        ({"nodeSilent": {"after": "1m"}}, "after"),
        ({"nodeSilent": {"for": "1 minute"}}, "for"),
        ({"nodeSilent": {"aboveSeconds": 0}}, "aboveSeconds"),
        ({"nodesSilent": {"aboveRatio": 1.5}}, "aboveRatio"),
        ({"disabled": ["DureNothing"]}, "disabled"),
        ({"severities": {"DureNothing": "page"}}, "severities"),
        ({"severities": {"DureNodeSilent": "critical"}}, "severities"),
        ({"severities": {"DureApiBurning": "page"}}, "severities"),
        ({"extraLabels": {"severity": "page"}}, "extraLabels"),
        ({"interval": "1d"}, "interval"),
        ({"slo": {"api": {"slowerThan": "0.7"}}}, "slowerThan"),
        ({"slo": {"promises": {"objective": 100}}}, "objective"),
        ({"slo": {"burnRates": [{"long": "1h", "short": "5m", "rate": 2}]}}, "severity"),
    ],
)
def test_a_value_that_is_unknown_or_makes_no_sense_is_refused_by_its_name(values: dict[str, Any], name: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        prometheus_rule(**values)
    assert name in refused.value.stderr
