"""The agent's `/metrics`, built from the newest snapshot when it is asked for.

No series is kept between two scrapes, so what a GPU or a lease said is gone with it. A value that is None has no series.
Units are base units; labels are who the GPU is, and who holds it is the one join series `dure_gpu_holder_info`.
"""

import time
from collections.abc import Callable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.report import Reporter
from agents.sampler import Sampler
from agents.snapshot import HEALTHS, GpuSnapshot, Sample
from agents.uplink import OUTCOMES
from dure.probes import Answer

GPU = ("node", "gpu", "product")

Reading = Callable[[GpuSnapshot], float | None]


def _part(amount: int | None, of: int) -> float | None:
    return None if amount is None else amount / of


READINGS: tuple[tuple[type[GaugeMetricFamily | CounterMetricFamily], str, str, Reading], ...] = (
    (
        GaugeMetricFamily,
        "dure_gpu_utilization_ratio",
        "Part of the last sampling period in which the GPU computed, 0 to 1.",
        lambda gpu: _part(gpu.utilization_percent, 100),
    ),
    (GaugeMetricFamily, "dure_gpu_memory_used_bytes", "Memory in use.", lambda gpu: gpu.memory_used_bytes),
    (GaugeMetricFamily, "dure_gpu_memory_total_bytes", "Memory there is.", lambda gpu: gpu.memory_total_bytes),
    (GaugeMetricFamily, "dure_gpu_power_watts", "Power drawn.", lambda gpu: _part(gpu.power_milliwatts, 1000)),
    (
        CounterMetricFamily,
        "dure_gpu_energy_joules",
        "Energy drawn since the driver was loaded.",
        lambda gpu: _part(gpu.energy_millijoules, 1000),
    ),
    (GaugeMetricFamily, "dure_gpu_temperature_celsius", "Temperature.", lambda gpu: gpu.temperature_celsius),
    (
        GaugeMetricFamily,
        "dure_gpu_processes",
        "Compute processes of the whole host; read around the edges of leases only.",
        lambda gpu: gpu.processes,
    ),
)


class AgentCollector(Collector):
    def __init__(
        self,
        sampler: Sampler,
        reporter: Reporter,
        *,
        node: str,
        version: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sampler = sampler
        self._reporter = reporter
        self._node = node
        self._version = version
        self._monotonic = monotonic

    def collect(self) -> Iterator[Metric]:
        sample = self._sampler.view()
        if sample is not None:
            yield from self._readings(sample)
            yield self._health(sample)
            yield self._info(sample)
            yield self._holders(sample)
        yield from self._ages()
        yield self._reports()
        yield _one("dure_agent_build_info", "The agent's version.", {"node": self._node, "version": self._version})

    def describe(self) -> Iterator[Metric]:
        """Nothing: a registry would otherwise collect once to learn the names."""
        return iter(())

    def _readings(self, sample: Sample) -> Iterator[Metric]:
        for family, name, about, reading in READINGS:
            metric = family(name, about, labels=GPU)
            for gpu in sample.snapshot.gpus:
                value = reading(gpu)
                if value is not None:
                    metric.add_metric(self._labels(gpu), value)
            yield metric

    def _health(self, sample: Sample) -> Metric:
        metric = GaugeMetricFamily("dure_gpu_health", "1 for the state the GPU is in, else 0.", labels=(*GPU, "state"))
        for gpu in sample.snapshot.gpus:
            for state in HEALTHS:
                metric.add_metric((*self._labels(gpu), state), float(gpu.health == state))
        return metric

    def _info(self, sample: Sample) -> Metric:
        labels = (*GPU, "index", "serial", "pci_bus_id", "parent", "driver_version")
        metric = GaugeMetricFamily("dure_gpu_info", "What the GPU is; always 1.", labels=labels)
        driver = sample.snapshot.driver_version
        for gpu in sample.snapshot.gpus:
            about = (str(gpu.index), gpu.serial, gpu.pci_bus_id, gpu.parent, driver)
            metric.add_metric((*self._labels(gpu), *(value or "" for value in about)), 1)
        return metric

    def _holders(self, sample: Sample) -> Metric:
        labels = ("node", "gpu", "lease", "company")
        metric = GaugeMetricFamily("dure_gpu_holder_info", "Who holds the GPU now; always 1.", labels=labels)
        running = self._sampler.allocations.running(self._monotonic())
        for uuid in sample.gpus():
            held = running.get(uuid)
            if held is not None:
                metric.add_metric((self._node, uuid, held.lease, held.company), 1)
        return metric

    def _ages(self) -> Iterator[Metric]:
        now, newest, last_ok_at = self._monotonic(), self._sampler.newest, self._reporter.last_ok_at
        if newest is not None:
            yield self._age("dure_agent_snapshot_age_seconds", "Since the GPUs last answered.", now - newest.at)
        if last_ok_at is not None:
            yield self._age("dure_agent_report_age_seconds", "Since a report was last taken.", now - last_ok_at)

    def _age(self, name: str, about: str, seconds: float) -> Metric:
        metric = GaugeMetricFamily(name, about, labels=("node",))
        metric.add_metric((self._node,), max(0.0, seconds))
        return metric

    def _reports(self) -> Metric:
        metric = CounterMetricFamily(
            "dure_agent_reports", "Reports sent, by what came of it.", labels=("node", "outcome")
        )
        for outcome in OUTCOMES:
            metric.add_metric((self._node, outcome), self._reporter.outcomes[outcome])
        return metric

    def _labels(self, gpu: GpuSnapshot) -> tuple[str, str, str]:
        return (self._node, gpu.uuid, gpu.product)


def route(collector: Collector) -> Callable[[], Answer]:
    """What `/metrics` answers, from this collector alone."""
    registry = CollectorRegistry()
    registry.register(collector)
    return lambda: Answer(status=200, content_type=CONTENT_TYPE_LATEST, body=generate_latest(registry))


def _one(name: str, about: str, labels: dict[str, str]) -> Metric:
    metric = GaugeMetricFamily(name, about, labels=tuple(labels))
    metric.add_metric(tuple(labels.values()), 1)
    return metric
