"""The table of series: names as Prometheus wants them, and docs/metrics.md and docs/dcgm.md beside it."""

import re
from pathlib import Path

import pytest

from agents.metrics import series
from agents.metrics.series import Series

DOCS = Path(__file__).resolve().parents[3] / "docs"
UNITS = ("seconds", "bytes", "ratio", "watts", "joules", "hertz", "celsius")
NO_BASE_UNITS = re.compile(
    r"milli|micro|nano|kilo|mega|giga|kibi|mebi|gibi|percent|minutes|hours|_ms\b|_mb\b|_mhz\b|fahrenheit|kelvin"
)
AMOUNTS = {
    "dure_gpu_throttled",
    "dure_gpu_row_remap_pending",
    "dure_gpu_row_remap_failed",
    "dure_gpu_page_retirement_pending",
    "dure_gpu_nvlinks",
    "dure_gpu_last_xid",
    "dure_gpu_health",
    "dure_gpu_lost",
    "dure_gpu_processes",
    "dure_gpu_violations",
    "dure_agent_sees_processes",
}
"""Gauges without a unit: states, numbers of things, and one number that is a name."""


@pytest.mark.parametrize("one", series.TABLE, ids=lambda one: one.name)
def test_a_name_is_as_promtool_wants_it(one: Series) -> None:
    name = one.name
    assert re.fullmatch(r"dure_(gpu|agent)_[a-z0-9]+(_[a-z0-9]+)*", name)
    assert name.endswith("_total") == (one.kind == "counter")
    assert not NO_BASE_UNITS.search(name)
    assert not re.search(r"gauge|counter|histogram|summary|_(count|sum|bucket)$", name)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", label) for label in (*one.base, *one.more))
    assert not {"le", "quantile", "job", "instance"} & {*one.base, *one.more}
    assert one.about.endswith(".")


@pytest.mark.parametrize("one", [one for one in series.TABLE if one.kind == "gauge"], ids=lambda one: one.name)
def test_a_gauge_says_its_unit_or_is_known_to_have_none(one: Series) -> None:
    assert one.name.endswith((*UNITS, "_info")) or one.name in AMOUNTS


def test_no_name_is_there_twice() -> None:
    names = [one.name for one in series.TABLE]

    assert len(names) == len(set(names))


def test_the_page_for_people_who_come_from_dcgm_names_series_that_there_are() -> None:
    page = (DOCS / "dcgm.md").read_text()
    named = set(re.findall(r"\bdure_(?:gpu|agent)_[a-z0-9_]+", page))

    assert named
    assert named <= {one.name for one in series.TABLE}
