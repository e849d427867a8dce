"""docs/metrics.md is what the tables of metrics say; nothing is exposed that is in no table; names end with their units."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.metrics import series as agents
from api import series as api
from docs.made import metrics, sizes, users
from docs.made.sizes import Metric
from scheduler.metrics import table as scheduler
from scheduler.metrics.rows import Row, counter, gauge, histogram

TREE = Path(__file__).resolve().parents[3]

ENDINGS = {
    "seconds": "_seconds",
    "GPU-seconds": "_gpu_seconds",
    "bytes": "_bytes",
    "ratio": "_ratio",
    "joules": "_joules",
    "watts": "_watts",
    "hertz": "_hertz",
    "celsius": "_celsius",
}
"""What names end with, by unit. Everything else is counted, in ones."""

COUNTED = re.compile(r"1|0 or 1|number|[A-Za-z]+s")

TABLES: dict[str, tuple[Metric, ...]] = {"scheduler": scheduler.TABLE, "api": api.TABLE, "agents": agents.TABLE}
EVERY = [pytest.param(row, id=f"{process} {row.name}") for process, rows in TABLES.items() for row in rows]
OURS = [row for rows in (scheduler.TABLE, api.TABLE) for row in rows]


def test_the_page_is_what_the_code_says() -> None:
    """Make it anew: python -m docs.made.metrics > docs/metrics.md"""
    assert (TREE / "docs" / "metrics.md").read_text() == metrics.page()


@pytest.mark.parametrize("row", EVERY)
def test_a_name_ends_with_its_unit_and_a_counter_with_total(row: Metric) -> None:
    name = row.name.removesuffix("_total")
    assert (name != row.name) == (row.kind == "counter")
    found = [unit for unit, ending in ENDINGS.items() if name.endswith(ending)]
    assert found[-1:] == [row.unit] if row.unit in ENDINGS else not found and COUNTED.fullmatch(row.unit)


@pytest.mark.parametrize("row", EVERY)
def test_a_name_and_its_labels_are_as_prometheus_wants_them(row: Metric) -> None:
    assert re.fullmatch(r"dure(_[a-z0-9]+)+", row.name)
    assert not re.search(r"(_count|_sum|_bucket|_created)$", row.name)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", label) for label in row.labels)
    assert not {"le", "quantile", "job", "instance"} & set(row.labels)
    assert len(row.about) > len("seconds")
    assert "|" not in row.about, "the page has it in a table"


@pytest.mark.parametrize("row", OURS, ids=lambda row: row.name)
def test_buckets_are_those_of_a_histogram_and_rise(row: Row) -> None:
    assert bool(row.buckets) == (row.kind == "histogram")
    assert list(row.buckets) == sorted(set(row.buckets))


@pytest.mark.parametrize("process", TABLES)
def test_no_metric_is_in_a_table_twice(process: str) -> None:
    names = [row.name for row in TABLES[process]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("process", TABLES)
def test_every_metric_has_a_number_of_series_that_it_has_at_most(process: str) -> None:
    of = {"scheduler": metrics.SCHEDULER_SIZES, "api": metrics.API_SIZES, "agents": metrics.AGENT_SIZES}[process]
    assert all(sizes.most(row, of) > 0 for row in TABLES[process])


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client"):
            yield from (alias.name for alias in node.names)


def test_metrics_are_made_from_rows_and_nowhere_else() -> None:
    makers = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
    found = {
        path.relative_to(TREE).as_posix()
        for folder in ("scheduler", "api", "agents", "dure", "deploy")
        for path in (TREE / folder).rglob("*.py")
        if any(name in makers or name.endswith("MetricFamily") for name in _imported(path))
    }
    assert found == {"scheduler/metrics/rows.py"}


def test_a_formula_is_a_sum_of_products_and_a_histogram_has_its_buckets_and_three_more() -> None:
    of = {"pools": 3, "nodes": 100}
    assert sizes.most(gauge("dure_x", "nodes", "about", series="4 pools + nodes + 2"), of) == 4 * 3 + 100 + 2
    row = histogram("dure_x_seconds", "seconds", "about", ("pool",), "pools", buckets=(1, 2))
    assert sizes.most(row, of) == 3 * 5
    assert sizes.formula(row) == "5 × pools"
    assert sizes.total([row, counter("dure_y_total", "asks", "about")], of) == 16
    with pytest.raises(KeyError):
        sizes.most(gauge("dure_x", "companies", "about", series="companies"), of)


RULES = """\
{{- define "a" -}}
rules:
  - record: pool:dure_x:max
    expr: max by (pool) (dure_x)
  - alert: DureXHigh
    expr: pool:dure_x:max > 3
  - alert: DureXSlow
    expr: histogram_quantile(0.9, rate(dure_x_seconds_bucket[5m])) > 1
{{- end }}
{{- define "b" -}}
{{- $_ := set $given "alert" "DureYBurning" }}
  expr: rate(dure_y_total[5m])
{{- end }}
"""


def test_who_uses_a_metric_is_found_also_by_what_is_recorded_from_it(tmp_path: Path) -> None:
    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboards" / "fleet.json").write_text('{"expr": "sum(dure_x{pool=~\\"$pool\\"})"}')
    (tmp_path / "templates" / "monitoring").mkdir(parents=True)
    (tmp_path / "templates" / "monitoring" / "_rules.tpl").write_text(RULES)
    texts = {**users.rules(tmp_path), **users.dashboards(tmp_path)}
    assert users.of("dure_x", texts) == ["pool:dure_x:max", "DureXHigh", "fleet"]
    assert users.of("dure_x_seconds", texts) == ["DureXSlow"]
    assert users.of("dure_y_total", texts) == ["DureYBurning"]
    assert users.of("dure_y", texts) == []


def test_a_chart_without_dashboards_and_rules_uses_nothing(tmp_path: Path) -> None:
    assert users.dashboards(tmp_path) == users.rules(tmp_path) == {}
