"""The driver that the sampler reads: which GPUs there are now, each read in turn, and what became of those that do not answer.

`wait` is called from a thread of its own, and so may `open` be; everything else from the sampler's.
"""

import logging
import threading
import time
from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pynvml

from agents.allocations import Allocations
from agents.driver import DriverError
from agents.nvml import failures, identity, processes
from agents.nvml.asking import Asking
from agents.nvml.bus import Bus
from agents.nvml.card import Card, Seen
from agents.nvml.processes import Census
from agents.nvml.xids import Xids
from agents.snapshot import GpuSnapshot, Process, Snapshot, without_readings

log = logging.getLogger(__name__)


class NvmlDriver:
    """Raises DriverError when the driver as a whole does not answer; the next `read` starts anew.

    Processes with an `allowed` name count nowhere. Monotonic and wall clocks, and the kernel's own files, are those of the
    machine unless they are given.
    """

    def __init__(
        self,
        *,
        allowed: Set[str] = frozenset(),
        sees_processes: bool | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        proc: Path = processes.PROC,
        sys: Path = identity.SYS,
    ) -> None:
        self._sees_processes = processes.sees_host_processes() if sees_processes is None else sees_processes
        self._census = Census(allowed, proc=proc)
        self._absent = {} if self._sees_processes else {"processes": "unavailable"}
        self._monotonic = monotonic
        self._sys = sys
        self._bus = Bus(sys)
        self._xids = Xids(now=now)
        self._cards: dict[str, Card] = {}
        self._said: dict[str, Seen] = {}
        """What was last said of each physical GPU, to know it by when it does not answer."""
        self._at: dict[int, str] = {}
        self._count = 0
        self._lost: set[str] = set()
        self._unnamed: set[int] = set()
        self._versions: tuple[str | None, str | None] = (None, None)
        self._open = False
        self._opening = threading.Lock()

    def open(self) -> None:
        """Takes hold of the driver where nobody did yet, as `read` does. May be called on another thread than the sampler's, which
        then waits for it. Raises DriverError.
        """
        with self._opening:
            if not self._open:
                self._start()

    def read(self, *, processes_of: Set[str] | None = frozenset()) -> Snapshot:
        now = self._monotonic()
        self.open()
        self._xids.poll()
        if self._bus.changed(now):
            # NVML knows the GPUs that there were when it was started.
            log.info("the GPUs on this node changed: NVML is started anew", extra={"action": "nvml.restarted"})
            self.close()
            self.open()
        try:
            seen = self._gpus(now, processes_of)
        except failures.ERRORS as error:
            self.close()
            raise DriverError(failures.sentence(error)) from error
        driver_version, cuda_version = self._versions
        return Snapshot(
            gpus=tuple(unit for one in seen for unit in one.units),
            cards=tuple(one.cut for one in seen if one.cut is not None),
            driver_version=driver_version,
            cuda_version=cuda_version,
            sees_processes=self._sees_processes,
            xids=self._xids.take(),
        )

    def wait(self, seconds: float) -> bool:
        return self._xids.wait(seconds)

    def follow(self, allocations: Allocations) -> None:
        """Real GPUs work for whoever holds them and need no telling."""

    def close(self) -> None:
        """Lets go of the driver; the next `read` starts anew."""
        self._open = False
        for uuid in tuple(self._cards):
            self._cards.pop(uuid).close()
        if not self._xids.close():
            log.warning("a call hangs in the driver, which stays open", extra={"action": "nvml.hangs"})
            return
        try:
            pynvml.nvmlShutdown()
        except failures.ERRORS as error:
            log.info("the driver was gone already: %s", error, extra={"action": "nvml.closed"})

    def _start(self) -> None:
        try:
            pynvml.nvmlInit()
        except failures.ERRORS as error:
            raise DriverError(failures.sentence(error)) from error
        self._open = True
        self._bus.remember(self._monotonic())
        self._xids.open()
        ask = Asking()
        cuda = ask("cuda", pynvml.nvmlSystemGetCudaDriverVersion_v2)
        self._versions = (
            ask("driver", pynvml.nvmlSystemGetDriverVersion),
            None if cuda is None else f"{cuda // 1000}.{cuda % 1000 // 10}",
        )

    def _gpus(self, now: float, processes_of: Set[str] | None) -> list[Seen]:
        """Every physical GPU."""
        found = [_named(index) for index in range(pynvml.nvmlDeviceGetCount())]
        there = {one.uuid for one in found if one.uuid is not None}
        seen: list[Seen] = []
        first = 0
        at: dict[int, str] = {}
        for index, one in enumerate(found):
            uuid = one.uuid or self._missing(index, there | set(at.values()), moved=len(found) != self._count)
            if uuid is not None:
                at[index] = uuid
            seen.append(self._seen(index, uuid, one, first, now, processes_of))
            first += len(seen[-1].units)
        self._forget_all_but(set(at.values()))
        self._at, self._count = at, len(found)
        return seen

    def _seen(
        self, index: int, uuid: str | None, found: "_Found", first: int, now: float, processes_of: Set[str] | None
    ) -> Seen:
        """One physical GPU, also when it does not answer."""
        if uuid is None or found.error is not None:
            return self._gone(index, uuid, found.error, first)
        try:
            seen = self._read(index, uuid, found.handle, first, now, processes_of)
        except failures.ERRORS as error:
            if failures.code(error) in failures.DRIVER_GONE:
                raise
            return self._gone(index, uuid, error, first)
        self._unnamed.discard(index)
        self._lost.discard(uuid)
        self._said[uuid] = seen
        return seen

    def _read(self, place: int, uuid: str, handle: Any, first: int, now: float, processes_of: Set[str] | None) -> Seen:
        card = self._cards.get(uuid)
        if card is None:
            card = self._cards[uuid] = Card(uuid, handle, absent=self._absent, sys=self._sys)
        self._xids.watch(uuid, handle)
        return card.read(
            handle,
            now,
            place=place,
            first=first,
            heard=self._xids.heard(uuid),
            census=lambda unit, ask, own: self._processes(unit, ask, own, processes_of),
        )

    def _processes(self, uuid: str, ask: Asking, handle: Any, wanted: Set[str] | None) -> tuple[Process, ...] | None:
        asked = self._sees_processes and (wanted is None or uuid in wanted)
        return self._census.of(ask, handle) if asked else None

    def _gone(self, index: int, uuid: str | None, error: Exception | None, first: int) -> Seen:
        """What was known of it, without readings: it is lost, must be reset, or gave an error that nobody expects."""
        lost = failures.GONE.get(failures.code(error)) if error is not None else None
        reason = lost or f"the driver says: {error}"
        known = self._said.get(uuid) if uuid is not None else None
        if uuid is not None:
            self._lost.add(uuid)
        if uuid is not None and uuid in self._cards:
            # Whatever comes back is asked everything anew.
            self._cards.pop(uuid).close()
            self._xids.forget(uuid)
        if known is None and index not in self._unnamed:
            log.error("GPU %s cannot be named: %s", index, reason, extra={"action": "nvml.unnamed", "gpu": index})
            self._unnamed.add(index)
        if uuid is None or known is None:
            return Seen()
        last_xid = self._xids.heard(uuid).last_xid

        def silent(unit: GpuSnapshot, at: int) -> GpuSnapshot:
            bare = without_readings(unit, health="unhealthy" if lost else "suspect", reason=reason, lost=lost)
            return replace(bare, index=at, last_xid=last_xid, trouble=None if lost else reason)

        units = tuple(silent(unit, first + at) for at, unit in enumerate(known.units))
        return Seen(units, None if known.cut is None else silent(known.cut, index))

    def _missing(self, index: int, there: Set[str], *, moved: bool) -> str | None:
        """Which GPU does not say who it is: the one that was in this place, unless places have `moved`; else the only one that
        can be it."""
        missing = self._said.keys() - there
        if not moved and self._at.get(index) in missing:
            return self._at[index]
        candidates = missing & self._lost or missing
        return next(iter(candidates)) if len(candidates) == 1 else None

    def _forget_all_but(self, there: Set[str]) -> None:
        """A GPU that is no longer counted is gone with all that was known of it."""
        for uuid in self._cards.keys() - there:
            self._cards.pop(uuid).close()
            self._xids.forget(uuid)
        self._said = {uuid: units for uuid, units in self._said.items() if uuid in there}
        self._lost &= there


@dataclass(frozen=True, slots=True)
class _Found:
    """The GPU in one of NVML's places: who it is, or why that cannot be told."""

    uuid: str | None = None
    handle: Any = None
    error: Exception | None = None


def _named(index: int) -> _Found:
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        return _Found(pynvml.nvmlDeviceGetUUID(handle), handle)
    except failures.ERRORS as error:
        if failures.code(error) in failures.DRIVER_GONE:
            raise
        return _Found(error=error)
