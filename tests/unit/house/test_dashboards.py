"""The dashboards in the chart are what `python -m deploy.dashboards` writes, ask for metrics that there are, and keep to what all share."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.dashboards import choices, links, series, variables
from deploy.dashboards.every import written
from scheduler.metrics import promises
from scheduler.metrics.rows import Row
from scheduler.metrics.table import TABLE

TREE = Path(__file__).resolve().parents[3]
CHART = TREE / "deploy" / "helm" / "dure" / "dashboards"
WRITTEN = written()
NAMES = sorted(WRITTEN)
GRAFANAS = {"__range", "__interval", "__rate_interval", "__url_time_range", "__all_variables"}

OF_A_PROCESS = {
    "dure_leader",
    "dure_loop_last_turn_timestamp_seconds",
    "dure_clock_step_seconds",
    "dure_database_up",
}
"""Gauges that every scheduler has of its own."""
COUNTED_IN_THE_DATABASE = {
    "dure_lease_gpu_seconds_total",
    "dure_lease_energy_joules_total",
    "dure_violations_found_total",
    *(row.name for row in promises.COUNTED.values()),
}
GLOBAL = {
    row.name: row
    for row in TABLE
    if (row.kind == "gauge" and row.name not in OF_A_PROCESS) or row.name in COUNTED_IN_THE_DATABASE
}
"""What whoever leads tells, of all of Dure."""

each = pytest.mark.parametrize("name", NAMES)


def _read(name: str) -> dict[str, Any]:
    return json.loads(WRITTEN[name])


def _panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in _read(name)["panels"] if panel["type"] != "row"]


def _texts(value: Any) -> Iterator[str]:
    """Every text in it, wherever."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def _queries(name: str) -> list[str]:
    asked = [target["expr"] for panel in _panels(name) for target in panel["targets"]]
    return [*asked, *(one["query"] for one in _read(name)["templating"]["list"] if one["type"] == "query")]


def test_the_chart_has_what_the_command_writes() -> None:
    assert {path.name: path.read_text() for path in CHART.iterdir()} == dict(WRITTEN)


@each
def test_grafana_s_schema_reads_a_dashboard_and_says_the_same_again(name: str) -> None:
    register_default_plugins()
    again = Dashboard.from_json(_read(name))
    assert json.loads(json.dumps(again, cls=JSONEncoder)) == _read(name)


def test_every_dashboard_has_an_address_and_a_title_of_its_own() -> None:
    found = {_read(name)["uid"]: _read(name)["title"] for name in NAMES}
    assert found == {uid: f"Dure: {title}" for uid, title in links.TITLES.items()}
    assert len(set(found.values())) == len(NAMES)
    assert all(name == f"{_read(name)['uid']}.json" for name in NAMES)


@each
def test_numbers_come_first_and_then_pictures(name: str) -> None:
    rows: dict[int, list[str]] = {}
    for panel in _read(name)["panels"]:
        rows.setdefault(panel["gridPos"]["y"], []).append(panel["type"])
    first, *others = (rows[y] for y in sorted(rows))
    assert set(first) == {"stat"}
    assert len(first) > 3
    assert all("stat" not in row for row in others)


@each
def test_panels_fill_the_width_and_do_not_overlap(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in _read(name)["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len(taken) == 24 * (1 + max(y for _, y in taken))


@each
def test_every_panel_has_a_unit_a_sentence_a_source_and_a_word_for_what_is_not_known(name: str) -> None:
    for panel in _panels(name):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"], panel["title"]
        assert re.fullmatch(r"[A-Z0-9][^\n]+\.", panel["description"]), panel["title"]
        assert defaults["noValue"] in {"unknown", "none, or nobody tells"}, panel["title"]
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]


@each
def test_a_number_is_of_now_and_never_the_last_that_was_told(name: str) -> None:
    for panel in _panels(name):
        of_now = panel["type"] in {"stat", "table", "bargauge"}
        for target in panel["targets"]:
            assert (target["instant"], target["range"]) == (of_now, not of_now), panel["title"]


def test_single_requests_and_decisions_can_be_looked_up_from_where_they_are_slow() -> None:
    panels = [panel for name in NAMES for panel in _panels(name)]
    found = {panel["title"] for panel in panels if any(target.get("exemplar") for target in panel["targets"])}
    assert found == {"Decisions", "Slowest routes"}


@each
def test_lines_are_not_drawn_over_the_time_in_which_nobody_told(name: str) -> None:
    for panel in _panels(name):
        if panel["type"] == "timeseries":
            assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False


@each
def test_only_colours_are_used_that_colour_blind_people_can_tell(name: str) -> None:
    found = {text for text in _texts(_read(name)) if text.startswith("#")}
    assert found <= set(choices.PALETTE)
    modes = {
        defaults.get("color", {}).get("mode")
        for panel in _panels(name)
        for defaults in (panel["fieldConfig"]["defaults"],)
    }
    assert modes <= {None, "thresholds", "fixed", "shades"}


@each
def test_no_two_lines_of_a_panel_differ_by_colour_alone(name: str) -> None:
    for panel in _panels(name):
        if panel["type"] != "timeseries" or "stacking" in panel["fieldConfig"]["defaults"]["custom"]:
            continue
        looks = [
            json.dumps(given["value"], sort_keys=True)
            for override in panel["fieldConfig"]["overrides"]
            for given in override["properties"]
            if given["id"] == "custom.lineStyle"
        ]
        assert len(looks) == len(set(looks)) == len(panel["fieldConfig"]["overrides"]), panel["title"]
        legend = panel["options"]["legend"]
        assert (legend["showLegend"], legend["displayMode"]) == (True, "table")


@each
def test_every_metric_that_is_asked_for_is_on_the_page_of_metrics(name: str) -> None:
    told = set(re.findall(r"`(dure_[a-z_]+)`", (TREE / "docs" / "metrics.md").read_text()))
    parts = {f"{metric}_{part}" for metric in told for part in ("bucket", "sum", "count")}
    asked = {metric for query in _queries(name) for metric in re.findall(r"\bdure_[a-z_]+\b", query)}
    assert asked - told - parts == set()


def test_what_the_leader_tells_of_all_of_dure_has_the_labels_that_the_scheduler_gives_it() -> None:
    known = {**series.STATE, **series.TOTALS}
    assert known == {name: GLOBAL[name].labels for name in known}
    assert all((name in series.STATE) == (GLOBAL[name].kind == "gauge") for name in known)


@each
def test_nothing_adds_or_joins_what_two_leaders_told_one_after_the_other(name: str) -> None:
    asked = [target["expr"] for panel in _panels(name) for target in panel["targets"]]
    found = [
        (GLOBAL[at[0]], query[: at.start()])
        for query in asked
        for at in re.finditer(r"\bdure_\w+", query)
        if at[0] in GLOBAL
    ]
    assert found
    assert [(row.name, before) for row, before in found if not _once(row, before)] == []


def _once(row: Row, before: str) -> bool:
    """Whether what stands before a selector takes each set of the metric's own labels once, whoever told it."""
    by = rf" by \({', '.join(row.labels)}\) " if row.labels else ""
    return bool(re.search(rf"\b(max|min){by}\((timestamp\(|rate\()?$", before))


@each
def test_a_query_asks_only_for_what_can_be_chosen_on_its_dashboard(name: str) -> None:
    chosen = {one["name"] for one in _read(name)["templating"]["list"]}
    for text in _texts(_read(name)):
        for asked in re.findall(r"\$\{?(\w+)", text):
            assert asked in chosen | GRAFANAS or asked in {"__data", "__field", "__all", "1"}, text


@each
def test_links_go_to_dashboards_that_there_are_and_set_what_those_let_choose(name: str) -> None:
    linked = [text for text in _texts(_read(name)) if text.startswith("/d/")]
    assert {f"/d/{uid}" for uid in links.TITLES} - {f"/d/{_read(name)['uid']}"} <= set(linked)
    for url in linked:
        uid, _, given = url.removeprefix("/d/").partition("?")
        assert uid in links.TITLES
        there = {one["name"] for one in _read(f"{uid}.json")["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", given)) <= there, url


@each
def test_a_link_to_another_dashboard_takes_the_choices_and_the_time_along(name: str) -> None:
    across = [link for link in _read(name)["links"] if link["url"].startswith("/d/")]
    assert len(across) == len(NAMES) - 1
    assert all(link["includeVars"] and link["keepTime"] for link in across)
    inner = [text for text in _texts(_read(name)) if text.startswith("/d/") and "?" in text]
    assert all("${__url_time_range}" in url for url in inner)


@each
def test_who_chooses_many_may_choose_all_and_the_list_does_not_grow_with_the_fleet(name: str) -> None:
    for one in _read(name)["templating"]["list"]:
        if one["type"] == "query" and one["name"] != "lease":
            assert (one["multi"], one["includeAll"], one["allValue"]) == (True, True, ".*")


@each
def test_where_the_runbooks_are_is_said_by_one_text_that_the_chart_can_replace(name: str) -> None:
    found = {text for text in _texts(_read(name)) if "operations.md" in text}
    assert found == {variables.RUNBOOKS}
    assert [link["url"] for link in _read(name)["links"] if link["title"] == links.RUNBOOKS] == ["${runbooks}"]
