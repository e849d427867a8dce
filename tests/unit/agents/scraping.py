"""What `/metrics` said, read back, and an agent's page made of a driver and stages alone."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from agents.metrics import exporter
from agents.metrics.exporter import AgentCollector
from agents.sampler import Sampler
from agents.snapshot import Sample
from tests.unit.agents.builders import Hand


class Scrape:
    """What `/metrics` says, by series name."""

    def __init__(self, text: str) -> None:
        self.series: dict[str, list[tuple[dict[str, str], float]]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self.series.setdefault(sample.name, []).append((dict(sample.labels), sample.value))

    def of(self, name: str) -> list[tuple[dict[str, str], float]]:
        return self.series.get(name, [])

    def gpus(self) -> set[str]:
        return {labels["gpu"] for found in self.series.values() for labels, _ in found if "gpu" in labels}


def scrape(collector: AgentCollector) -> Scrape:
    answer = exporter.route(collector)("")
    assert answer.status == 200
    assert answer.content_type.startswith("text/plain")
    return Scrape(answer.body.decode())


def seen(clock: Hand, driver: Any, *stages: Callable[[Sample, Sample | None], Sample]) -> Sampler:
    found = Sampler(driver, sample_s=1, stages=stages, monotonic=clock.monotonic, now=clock.wall)
    found.step()
    return found


class _Idle:
    """A reporter that reports nothing."""

    outcomes: Counter[Any] = Counter()
    last_ok_at: float | None = None


def a_collector(sampler: Sampler, clock: Hand, **changed: Any) -> AgentCollector:
    return AgentCollector(sampler, _Idle(), node="node-1", version="0.1.0", monotonic=clock.monotonic, **changed)
