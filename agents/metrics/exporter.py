"""The agent's `/metrics`, built from the newest snapshot when it is asked for; `series.py` says what there is.

Nothing is kept between two scrapes, so what a GPU, a pod or a lease said is gone with it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from agents.metrics import exposition, series
from agents.metrics.exposition import Row
from agents.metrics.series import Parts, Series
from agents.metrics.xids import XidCounts
from agents.reporting.uplink import OUTCOMES, Outcome
from agents.sampler import Sampler
from agents.snapshot import GpuSnapshot, Sample
from dure.probes import Answer, Route


class Told(Protocol):
    """What came of the reports."""

    @property
    def outcomes(self) -> Mapping[Outcome, int]: ...

    @property
    def last_ok_at(self) -> float | None: ...


class Kept(Protocol):
    """What waits to be told: bytes on disk, None without one, and events that were dropped since the agent started."""

    @property
    def bytes(self) -> int | None: ...

    @property
    def dropped(self) -> int: ...


class AgentCollector:
    """`clock_ahead_s` is how far the node's clock is ahead, None while that is not known."""

    def __init__(
        self,
        sampler: Sampler,
        reporter: Told,
        *,
        node: str,
        version: str,
        xids: XidCounts | None = None,
        kept: Kept | None = None,
        clock_ahead_s: Callable[[], float | None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sampler = sampler
        self._reporter = reporter
        self._node = node
        self._version = version
        self._xids = xids or XidCounts()
        self._kept = kept
        self._clock_ahead_s = clock_ahead_s
        self._monotonic = monotonic

    def text(self) -> str:
        """The page."""
        return "".join(self._lines())

    def _lines(self) -> Iterator[str]:
        sample = self._sampler.view()
        if sample is not None:
            yield from self._gpus(sample)
            yield from self._of(series.HOLDER, self._holders(sample))
            yield from self._of_node(series.SEES, sample.snapshot.sees_processes)
        now, last_ok_at = self._monotonic(), self._reporter.last_ok_at
        yield from self._of_node(series.SNAPSHOT_AGE, max(0.0, now - self._sampler.answered_at))
        yield from self._of_node(series.REPORT_AGE, None if last_ok_at is None else max(0.0, now - last_ok_at))
        counted = (((self._node, outcome), self._reporter.outcomes.get(outcome, 0)) for outcome in OUTCOMES)
        yield from self._of(series.REPORTS, counted)
        yield from self._of_node(series.CLOCK, self._clock_ahead_s())
        yield from self._of_node(series.SPOOL, None if self._kept is None else self._kept.bytes)
        yield from self._of_node(series.DROPPED, None if self._kept is None else self._kept.dropped)
        yield from self._of(series.BUILD, [((self._node, self._version), 1)])

    def _gpus(self, sample: Sample) -> Iterator[str]:
        pools = self._sampler.allocations.pools
        named = self._named(sample.snapshot.gpus, pools)
        everything = named + self._named(sample.snapshot.cards, pools)
        for reading in series.READINGS:
            told = named if reading in series.OF_UNITS else everything
            rows = _parts(reading, told) if isinstance(reading, Parts) else _values(reading.read, told)
            yield from exposition.family(reading.name, reading.kind, reading.about, rows)
        for one, rows in (
            (series.XIDS, self._counted(sample, pools)),
            (series.VIOLATIONS, _violations(sample, named)),
            (series.INFO, _about(sample, everything)),
        ):
            yield from exposition.family(one.name, one.kind, one.about, rows)

    def _named(self, gpus: Iterable[GpuSnapshot], pools: Mapping[str, str]) -> "Named":
        return [
            (gpu, exposition.labels(series.GPU, (self._node, gpu.uuid, gpu.product, pools.get(gpu.uuid, ""))))
            for gpu in gpus
        ]

    def _counted(self, sample: Sample, pools: Mapping[str, str]) -> Iterator[Row]:
        physical = {gpu.parent or gpu.uuid: gpu.product for gpu in sample.snapshot.gpus}
        for uuid, product in physical.items():
            labels = exposition.labels(series.GPU, (self._node, uuid, product, pools.get(uuid, "")))
            for xid, count in self._xids.of(uuid).items():
                yield f'{labels},xid="{xid}"', count

    def _holders(self, sample: Sample) -> Iterator[tuple[tuple[str, ...], float]]:
        running = self._sampler.allocations.running(self._monotonic())
        pods: dict[str, list[tuple[str, str, str]]] = {}
        for holder in sample.holders or ():
            pods.setdefault(holder.gpu, []).append((holder.namespace, holder.pod, holder.container))
        for uuid in sample.gpus():
            held = running.get(uuid)
            if held is None and uuid not in pods:
                continue
            lease, company = ("", "") if held is None else (held.lease, held.company)
            for pod in dict.fromkeys(pods.get(uuid, [("", "", "")])):
                yield (self._node, uuid, lease, company, *pod), 1

    def _of_node(self, one: Series, value: float | None) -> Iterator[str]:
        return self._of(one, [] if value is None else [((self._node,), value)])

    def _of(self, one: Series, values: Iterable[tuple[tuple[str, ...], float]]) -> Iterator[str]:
        names = (*one.base, *one.more)
        rows = ((exposition.labels(names, told), value) for told, value in values)
        return exposition.family(one.name, one.kind, one.about, rows)


def route(collector: AgentCollector) -> Route:
    """What `/metrics` answers, whatever is accepted."""
    return lambda _: Answer(status=200, content_type=exposition.CONTENT_TYPE, body=collector.text().encode())


Named = list[tuple[GpuSnapshot, str]]
"""The GPUs, each with its labels written out."""


def _values(read: Callable[[GpuSnapshot], float | None], named: Named) -> Iterator[Row]:
    for gpu, labels in named:
        value = read(gpu)
        if value is not None:
            yield labels, value


def _parts(reading: Parts, named: Named) -> Iterator[Row]:
    (name,) = reading.more
    for gpu, labels in named:
        for part, value in (reading.read(gpu) or {}).items():
            if value is not None:
                yield f'{labels},{name}="{part}"', value


def _about(sample: Sample, named: Named) -> Iterator[Row]:
    versions = [sample.snapshot.driver_version, sample.snapshot.cuda_version]
    for gpu, labels in named:
        told = [getattr(gpu, field) for field in series.INFO_FIELDS] + versions
        more = exposition.labels(series.INFO.more, ["" if value is None else str(value) for value in told])
        yield f"{labels},{more}", 1


def _violations(sample: Sample, named: Named) -> Iterator[Row]:
    """None of a kind that nobody can see."""
    seen = {"process": sample.snapshot.sees_processes, "pod": sample.holders is not None}
    counted = Counter((one.gpu, one.kind) for one in sample.violations)
    for gpu, labels in named:
        for kind in (kind for kind, can in seen.items() if can):
            yield f'{labels},kind="{kind}"', counted[gpu.uuid, kind]
