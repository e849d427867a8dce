"""A leader of 10,000 GPUs and 1,000 companies tells no more series than its table says, and as many where all is as large as it gets."""

from collections import Counter

import pytest
from prometheus_client.core import Metric

from docs.made.metrics import COMPANIES, GPUS, NODE_GPUS, POOLS, SCHEDULER_SIZES
from docs.made.sizes import most
from scheduler.metrics import collector
from scheduler.metrics.rows import Row
from scheduler.metrics.table import TABLE
from scheduler.store.snapshot import FleetSnapshot
from tests.fleets import a_snapshot, measured

NOW = 1_800_000_000.0
OF_STATE = {row.name: row for row in TABLE}


@pytest.fixture(scope="module")
def told() -> dict[str, Metric]:
    found = a_snapshot(gpus=GPUS, nodes=GPUS // NODE_GPUS, companies=COMPANIES, pools=POOLS)
    return {metric.name: metric for metric in collector.families(found, measured(), NOW)}


def _row(metric: Metric) -> Row:
    return OF_STATE[metric.name if metric.type == "gauge" else f"{metric.name}_total"]


def test_every_metric_of_state_has_as_many_series_as_its_formula_comes_to(told: dict[str, Metric]) -> None:
    counted = {name: len(metric.samples) for name, metric in told.items()}
    wanted = {name: most(_row(metric), SCHEDULER_SIZES) for name, metric in told.items()}
    assert counted == wanted


def test_every_series_has_the_labels_of_its_row_and_is_there_once(told: dict[str, Metric]) -> None:
    for metric in told.values():
        assert {tuple(sample.labels) for sample in metric.samples} <= {_row(metric).labels}
        seen = Counter(tuple(sample.labels.items()) for sample in metric.samples)
        assert max(seen.values()) == 1, metric.name


def test_an_empty_fleet_has_hardly_any() -> None:
    nothing: FleetSnapshot = a_snapshot(gpus=0, nodes=0, companies=0, pools=0)
    found = [sample for metric in collector.families(nothing, measured(), NOW) for sample in metric.samples]
    assert {sample.name for sample in found if "pool" in sample.labels} == set()
