"""Samples the driver on a thread of its own and keeps the newest snapshot, for report and /metrics alike.

Nothing else calls the driver. A call that hangs there stops this thread alone: the others go on with a view that says
that the GPUs do not answer, and since when. Nothing here speaks HTTP.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import replace

from agents.allocations import Allocations
from agents.driver import Driver, DriverError
from agents.silence import Silence, when
from agents.snapshot import GpuSnapshot, Sample, Snapshot, without_readings
from agents.totals import Totals

log = logging.getLogger(__name__)

Stage = Callable[[Sample, Sample | None], Sample]
"""What makes more of a sample than the driver said, given the sample before it: on the sampler's thread, after each reading, in order.
It waits for nothing."""

EDGE_S = 15.0
"""Processes are asked for this long after a lease began and before it stops."""

STALE_SAMPLES = 3
"""So many sampling intervals without an answer, and what was read before is no longer said."""

LEAST_STALE_S = 2.0


class Sampler:
    """`step` takes one sample; `run` takes one every `sample_s`, and one at once when the allocations change."""

    def __init__(
        self,
        driver: Driver,
        *,
        sample_s: float,
        stages: Sequence[Stage] = (),
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._driver = driver
        self._sample_s = sample_s
        self._stages = tuple(stages)
        self._monotonic = monotonic
        self._now = now
        self._listener: Callable[[], object] = lambda: None
        self._stale_s = max(LEAST_STALE_S, STALE_SAMPLES * sample_s)
        self.totals = Totals(longest_gap_s=self._stale_s)
        self._allocations = Allocations()
        self._followed: Allocations | None = None
        self._newest: Sample | None = None
        self._trouble: str | None = None
        self._wake = threading.Event()
        self._silence = Silence()
        self._began_at, self._began_wall = monotonic(), now()

    @property
    def allocations(self) -> Allocations:
        return self._allocations

    @property
    def newest(self) -> Sample | None:
        """The newest sample there is, however old."""
        return self._newest

    @property
    def answered_at(self) -> float:
        """The monotonic second at which the reading began that the driver last answered; the sampler's start before the first."""
        return self._began_at if self._newest is None else self._newest.at

    @property
    def silent_s(self) -> float | None:
        """Seconds since then, once that is too long."""
        age = self._monotonic() - self.answered_at
        return age if age > self._stale_s else None

    def follow(self, allocations: Allocations) -> None:
        """Takes what an answer said. Every sample that begins from now on was taken knowing it."""
        changed = allocations.items != self._allocations.items
        self._allocations = allocations
        if changed:
            self._wake.set()

    def tell(self, listener: Callable[[], object]) -> None:
        """Calls `listener` after every sample, on the sampler's thread."""
        self._listener = listener

    def step(self) -> None:
        """Takes one sample. An error of the driver leaves the newest one to grow old."""
        before = self._newest
        # In this order: a sample may only claim to know what was known before its reading began.
        allocations = self._allocations
        at = self._monotonic()
        try:
            if allocations is not self._followed:
                self._driver.follow(allocations)
                self._followed = allocations
            snapshot = self._driver.read(processes_of=self._asked(before, allocations, at))
        except DriverError as error:
            self._failed(str(error))
            return
        self._trouble = None
        sample = Sample(snapshot=snapshot, at=at, wall=self._now(), allocations=allocations)
        for stage in self._stages:
            sample = stage(sample, before)
        self._newest = sample
        if before is not None:
            self.totals.add(before, sample)
        else:
            self._say_what_is_seen(snapshot)
        self._listener()

    def view(self) -> Sample | None:
        """What can be said now: the newest sample or, once it is too old, the GPUs as not answering. None before the
        first sample. The log says when they fall silent."""
        newest, silent_s = self._newest, self.silent_s
        since = self._began_wall if newest is None else newest.wall
        self._silence.look(silent_s, since=since, is_explained=self._trouble is not None)
        if newest is None or silent_s is None:
            return newest
        reason = f"no answer from the driver since {when(since)}" + (f": {self._trouble}" if self._trouble else "")
        # Nothing was read, so it is no proof of anything: it claims to know of no allocation's end.
        silent = newest.snapshot.but(lambda gpu: _unanswered(gpu, reason))
        silent = replace(silent, cards=tuple(_unanswered(card, reason) for card in silent.cards))
        return replace(newest, snapshot=silent, allocations=Allocations())

    def run(self, stop: threading.Event) -> None:
        """Samples until `stop` is set; `wake` it then."""
        due = self._monotonic()
        while not stop.is_set():
            self.step()
            due = self._after(due)
            self._wake.wait(max(0.0, due - self._monotonic()))
            self._wake.clear()

    def _after(self, due: float) -> float:
        """The next due time, on the grid of the first: neither a slow call nor an early sample shifts those to come."""
        late = self._monotonic() - due
        return due if late < 0 else due + self._sample_s * (late // self._sample_s + 1)

    def wake(self) -> None:
        self._wake.set()

    def _asked(self, before: Sample | None, allocations: Allocations, at: float) -> Set[str] | None:
        """Whose processes to ask for: everybody's once, then only where a lease begins or ends, or somebody is suspected."""
        return None if before is None else allocations.near_an_edge(at, within_s=EDGE_S) | before.suspicious

    def _say_what_is_seen(self, snapshot: Snapshot) -> None:
        about = {"action": "sample.first", "gpus": len(snapshot.gpus), "sees_processes": snapshot.sees_processes}
        log.info("%d GPUs, driver %s", len(snapshot.gpus), snapshot.driver_version, extra=about)
        if not snapshot.sees_processes:
            log.warning(
                "the host's processes are hidden, so no GPU can be proved empty after a lease: run with hostPID",
                extra={"action": "processes.unavailable"},
            )

    def _failed(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.error("the GPUs cannot be read: %s", trouble, extra={"action": "sample.failed"})
        self._trouble = trouble


def _unanswered(gpu: GpuSnapshot, reason: str) -> GpuSnapshot:
    health = "unhealthy" if gpu.health == "unhealthy" else "suspect"
    return without_readings(gpu, health=health, reason=reason)
