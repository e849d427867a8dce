"""A stage of the sampler that adds who has which GPU by the kubelet's record, and the thread that keeps asking for it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from agents.snapshot import Holder, Sample

log = logging.getLogger(__name__)

EVERY_S = 10.0

Ask = Callable[[], tuple[Holder, ...] | str]
"""Those that hold GPUs, or why that cannot be told. It may take seconds."""


class Holders:
    """`run` asks every ten seconds, and at once after a lease began or ended or a process came; as a stage it hands on the newest list."""

    def __init__(self, ask: Ask, *, every_s: float = EVERY_S) -> None:
        self._ask = ask
        self._every_s = every_s
        self._newest: tuple[Holder, ...] | None = None
        self._trouble: str | None = None
        self._wake = threading.Event()

    def __call__(self, sample: Sample, before: Sample | None) -> Sample:
        if before is not None and _may_have_changed(before, sample):
            self.wake()
        return replace(sample, holders=self._newest)

    def run(self, stop: threading.Event) -> None:
        """Asks until `stop` is set; `wake` it then."""
        while not stop.is_set():
            self._wake.clear()
            self.step()
            self._wake.wait(self._every_s)

    def wake(self) -> None:
        self._wake.set()

    def step(self) -> None:
        """Asks once."""
        found = self._ask()
        trouble = found if isinstance(found, str) else None
        self._newest = None if isinstance(found, str) else found
        if trouble is not None and self._trouble is None:
            log.error(
                "the kubelet does not say which pod has which GPU: %s. Mount its pod-resources folder and name its socket in "
                "DURE_AGENT_POD_RESOURCES; until then no holder of a GPU is known",
                trouble,
                extra={"action": "holders.unavailable", "why": trouble},
            )
        elif trouble is None and self._trouble is not None:
            log.info("the kubelet says again which pod has which GPU", extra={"action": "holders.available"})
        self._trouble = trouble


def _may_have_changed(before: Sample, sample: Sample) -> bool:
    return before.allocations.items != sample.allocations.items or not _pids(sample) <= _pids(before)


def _pids(sample: Sample) -> set[tuple[str, int]]:
    return {(gpu.uuid, process.pid) for gpu in sample.snapshot.gpus for process in gpu.seen}
