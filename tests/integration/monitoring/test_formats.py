"""The scheduler's page in the two formats that it is asked for, by a real Prometheus too, and what measurements of decisions refer to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from dure import probes
from scheduler import traces
from scheduler.kube.metrics import KubeCounters
from scheduler.metrics import Counters, FleetCollector, page
from scheduler.webhooks.metrics import DeliveryCounters, WebhookCollector
from tests.cluster.daemons import until
from tests.integration.api.test_exemplars import OPEN
from tests.integration.api.test_traces import collector
from tests.integration.scheduler.conftest import T0, World, world
from tests.monitoring.prometheus import prometheus

__all__ = ["world"]

NAME = "dure_decision_duration_seconds"
LOOKED = f'{NAME}_count{{pool="h100"}}'


class Page:
    """All that a leading scheduler tells."""

    def __init__(self, world: World) -> None:
        self.registry, counted = CollectorRegistry(), CollectorRegistry()
        self.counters = Counters(counted)
        leads, now = (lambda: True), (lambda: float(T0))
        self.registry.register(FleetCollector(world.db, now, leads))
        self.registry.register(counted)
        self.registry.register(WebhookCollector(world.db, now, leads))
        self.others = (KubeCounters(self.registry), DeliveryCounters(self.registry))
        self.route = page.route(self.registry)

    def referred(self) -> list[dict[str, str]]:
        """What its decision durations refer to, where they may."""
        families = open_families(self.route(OPEN).body.decode())
        return [
            sample.exemplar.labels
            for family in families
            for sample in family.samples
            if sample.name == f"{NAME}_bucket" and sample.exemplar is not None
        ]


@pytest.fixture
def told(world: World) -> Iterator[Page]:
    world.ask(8)
    world.turn(T0)
    yield Page(world)
    traces.configure(None, "scheduler")


def _samples(families: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for sample in (sample for family in families for sample in family.samples):
        found[sample.name] = found.get(sample.name, 0) + 1
    return found


def test_both_formats_have_the_same_series(told: Page) -> None:
    with told.counters.looks("h100"):
        pass
    told.counters.transaction(0.1)
    told.counters.transaction(0.2)
    plain, new = told.route("text/plain;version=0.0.4"), told.route(OPEN)
    assert plain.content_type.startswith("text/plain; version=0.0.4")
    assert new.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert told.route("").content_type == plain.content_type, "who says nothing has what everybody reads"
    found = _samples(open_families(new.body.decode()))
    assert found == _samples(plain_families(plain.body.decode()))
    assert {"dure_leases", f"{NAME}_bucket", "dure_database_connections", "dure_webhooks"} <= set(found)
    assert b" # {" not in plain.body


def test_a_look_refers_to_the_trace_that_it_is_in_and_to_nothing_without_one(told: Page) -> None:
    with traces.span("turn"), told.counters.looks("h100"):
        pass
    assert told.referred() == [], "nobody collects traces"
    with collector([]) as endpoint:
        traces.configure(endpoint, "scheduler")
        with told.counters.looks("h100"):
            pass
        assert told.referred() == [], "it is in no trace"
        with traces.span("turn") as span, told.counters.looks("h100"):
            pass
        assert told.referred() == [{"trace_id": span.trace_id}]


def test_a_real_prometheus_reads_both(told: Page, tmp_path: Path) -> None:
    with collector([]) as endpoint:
        traces.configure(endpoint, "scheduler")
        with traces.span("turn"), told.counters.looks("h100"):
            pass
        traces.configure(None, "scheduler")
    given = set[str]()

    def answer(accepts: str) -> probes.Answer:
        found = told.route(accepts)
        given.add(found.content_type.partition(";")[0])
        return found

    asked = probes.serve(0, host="127.0.0.1", routes={"/metrics": answer})
    plain = probes.serve(0, host="127.0.0.1", routes={"/metrics": lambda _: told.route("")})
    jobs = {"asked": [f"127.0.0.1:{asked.port}"], "plain": [f"127.0.0.1:{plain.port}"]}
    try:
        with prometheus(tmp_path, jobs, interval="2s") as running:
            until(
                lambda: len(running.query(LOOKED)) == 2 and {one["health"] for one in running.targets()} == {"up"},
                [running.child],
                within_s=60,
                what="both to be scraped",
            )
            assert given == {"application/openmetrics-text"}
            for job in jobs:
                state = f'dure_leases{{job="{job}", pool="h100", state="active"}}'
                until(lambda state=state: running.value(state) == 1, [running.child], within_s=60, what=state)
    finally:
        asked.close()
        plain.close()
