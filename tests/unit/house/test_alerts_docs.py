"""Every alert has its runbook in docs/operations.md and every runbook its alert, and what both speak of is there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from api import series
from api.routes import ROUTERS

TREE = Path(__file__).resolve().parents[3]
CHART = TREE / "deploy" / "helm" / "dure"
SLO = ("_slo.tpl", "_slo-api.tpl", "_slo-promises.tpl")
FILES = ("rules.yaml", "_recorded.tpl", "_fleet.tpl", "_promises.tpl", "_itself.tpl", "_clusters.tpl", *SLO)
RULES = "\n".join((CHART / "templates" / "monitoring" / name).read_text() for name in FILES)


def alerts() -> set[str]:
    """By their names in the templates; an objective's is given to the template that its windows share."""
    return {one or other for one, other in re.findall(r'- alert: (\w+)|"alert" "(\w+)"', RULES)}


def page() -> str:
    """The section about alerts."""
    whole = "\n" + (TREE / "docs" / "operations.md").read_text()
    return whole.partition("\n## Alerts\n")[2].partition("\n## ")[0]


def metrics(text: str) -> set[str]:
    """Without recorded series, whose names have colons, and without what a histogram's parts are called."""
    found = re.findall(r"(?<![\w:.])dure_[a-z_]+(?![\w:])", text)
    return {re.sub("_(bucket|sum|count)$", "", name) for name in found}


def recorded(text: str) -> set[str]:
    """`level:metric:`, as the operations may be made of a window."""
    return set(re.findall(r"\b[a-z]+:dure_[a-z_]+(?=:)", text))


def leaves(values: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name)


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    sections = re.findall(r"^### (Dure\w+)$", page(), re.MULTILINE)
    assert sorted(sections) == sorted(alerts())


def test_every_runbook_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    for section in re.split(r"^### ", page(), flags=re.MULTILINE):
        if section.startswith("Dure"):
            assert re.findall(r"^\*\*(.+?):\*\*", section, re.MULTILINE) == ["Means", "Look at", "Do"], section[:40]


def test_the_table_of_severities_has_every_alert_where_it_is() -> None:
    listed = page().partition("| severity |")[2].partition("\n\n")[0].splitlines()
    said = {line.split("`")[1]: set(re.findall(r"Dure[A-Z]\w+", line)) for line in listed if line.startswith("| `")}
    groups = yaml.safe_load((TREE / "deploy" / "docker" / "prometheus" / "rules.yaml").read_text())["groups"]
    found: dict[str, set[str]] = {"page": set(), "ticket": set()}
    for rule in (rule for group in groups for rule in group["rules"] if "alert" in rule):
        found[rule["labels"]["severity"]].add(rule["alert"])
    burning = {"DurePromisesBurning", "DureApiBurning"}
    assert said["page"] == found["page"]
    assert said["ticket"] | burning == found["ticket"], "those of the slow window are said in words"


def test_every_metric_that_rules_and_runbooks_name_is_there() -> None:
    known = set(re.findall(r"`(dure_[a-z_]+)`", (TREE / "docs" / "metrics.md").read_text()))
    assert metrics(RULES) <= known
    assert metrics(page()) <= known


def test_every_recorded_series_that_rules_and_runbooks_name_is_recorded() -> None:
    assert recorded(page()) == recorded(RULES)
    assert recorded(RULES) == recorded("\n".join(re.findall(r"- record: .+", RULES)))


def test_every_command_of_a_runbook_is_one() -> None:
    known = set(re.findall(r"^### (dure .+)$", (TREE / "docs" / "cli.md").read_text(), re.MULTILINE))
    said = re.findall(r"(?:`|\")dure ([a-z-]+(?: [a-z-]+)?)", page() + RULES)
    assert said
    for words in said:
        assert {f"dure {words}", f"dure {words.partition(' ')[0]}"} & known, words


def test_every_value_of_the_alerts_is_used() -> None:
    for path in leaves(yaml.safe_load((CHART / "values.yaml").read_text())["alerts"]):
        name = ".".join(("alerts", *path)[-2:])
        assert re.search(rf"[.$]{re.escape(name)}\b", RULES), path


def test_the_schema_knows_every_alert_by_its_name() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(schema["definitions"]["alert"]["enum"]) == alerts()


def test_the_bounds_of_slow_answers_are_those_of_the_histogram() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    bounds = schema["properties"]["alerts"]["properties"]["slo"]["properties"]["api"]["properties"]["slowerThan"][
        "enum"
    ]
    assert {float(bound) for bound in bounds} <= {float(bound) for bound in series.SECONDS.buckets}
    assert all(bound == str(float(bound)) for bound in bounds), "as Prometheus has them in `le`"


def test_the_routes_that_do_not_count_are_routes() -> None:
    left = yaml.safe_load((CHART / "values.yaml").read_text())["alerts"]["slo"]["api"]["leftOut"]
    assert set(left) <= {getattr(route, "path", None) for router in ROUTERS for route in router.routes}
