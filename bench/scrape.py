"""What a scrape of the leading scheduler costs it: the series of a fleet as large as it gets, from a snapshot's value to the page's bytes."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from bench import machine
from bench.figures import times
from bench.results import Result, Row
from scheduler.metrics import collector
from scheduler.store.snapshot import FleetSnapshot
from tests.fleets import a_snapshot, measured

FLEETS = ((1_000, 100, 1), (10_000, 1_000, 4))
"""GPUs, companies, and pools that each of the companies is in."""
NODE_GPUS = 8
NOW = 1_800_000_000.0

T = TypeVar("T")


class _Fleet(Collector):
    def __init__(self, found: FleetSnapshot) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        return collector.families(self._found, measured(), NOW)


def measure(*, runs: int) -> Result:
    """The least of `runs`, in processor time; reading the snapshot from the database is no part of it."""
    return Result(
        measure="scrape",
        settings={"runs": runs},
        machine=machine.described(),
        rows=[_row(gpus, companies, pools, runs) for gpus, companies, pools in FLEETS],
    )


def _row(gpus: int, companies: int, pools: int, runs: int) -> Row:
    found = _Fleet(a_snapshot(gpus=gpus, nodes=gpus // NODE_GPUS, companies=companies, pools=pools))
    registry = CollectorRegistry()
    registry.register(found)
    samples = [(one.name, one.labels, one.value) for metric in found.collect() for one in metric.samples]
    floor_ms, _ = _least(lambda: json.dumps(samples), runs)
    page_ms, page = _least(lambda: generate_latest(registry), runs)
    return {
        "GPUs": gpus,
        "companies": companies,
        "pools": pools,
        "series": len(samples),
        "MB": round(len(page) / 1e6, 2),
        "MB by gzip": round(len(gzip.compress(page, 6)) / 1e6, 2),
        "x json.dumps": times(page_ms, floor_ms),
        "processor ms": page_ms,
    }


def _least(work: Callable[[], T], runs: int) -> tuple[float, T]:
    took, made = list[float](), work()
    for _ in range(runs):
        began = time.process_time()
        made = work()
        took.append((time.process_time() - began) * 1000)
    return min(took), made
