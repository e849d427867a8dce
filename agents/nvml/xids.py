"""XIDs out of NVML's event set: told when they come, to whoever waits, and kept for the next reading."""

import ctypes
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pynvml

from agents.nvml import failures
from agents.snapshot import Xid

log = logging.getLogger(__name__)

MOST_AT_ONCE = 256
"""So many are taken by one reading; what is left is the next one's."""

MOST_KINDS = 64
"""So many different XIDs of one GPU are kept between two readings, the newest: a GPU that makes numbers up pushes out none of another's."""

PIECE_S = 1.0
"""So long one wait blocks in the driver, which may not be shut down meanwhile."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest XID of a GPU since the agent started, and why none is told of it, if so."""

    last_xid: int | None
    why_not: str | None


class Xids:
    """`wait` is called from a thread of its own, everything else from the sampler's."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._waiting = threading.Lock()
        """Held by whoever is in the driver with the event set."""
        self._kept = threading.Lock()
        self._xids: dict[tuple[str, int], Xid] = {}
        """By GPU and number, the newest last."""
        self._last: dict[str, int] = {}
        self._set: Any = None
        self._broken = False
        self._uuids: dict[int, str] = {}
        """UUID by the address of the handle: a GPU that fell off the bus cannot be asked for it any more."""
        self._deaf: dict[str, str] = {}

    def open(self) -> None:
        """Makes a new event set, in which no GPU is watched yet."""
        self._broken = False
        self._uuids = {}
        self._deaf = {}
        try:
            self._set = pynvml.nvmlEventSetCreate()
        except failures.ERRORS as error:
            self._set = None
            log.warning("no XIDs are told: %s", error, extra={"action": "nvml.no_events"})

    def close(self) -> bool:
        """Lets go of the event set. False where somebody hangs in the driver with it: then NVML may not be shut down."""
        held, self._set = self._set, None
        if held is None:
            return True
        if not self._waiting.acquire(timeout=5 * PIECE_S):
            return False
        try:
            pynvml.nvmlEventSetFree(held)
        except failures.ERRORS as error:
            log.debug("the event set was gone already: %s", error, extra={"action": "nvml.closed"})
        finally:
            self._waiting.release()
        return True

    def watch(self, uuid: str, handle: Any) -> None:
        """Asks for this GPU's XIDs, once."""
        address = _address(handle)
        if self._uuids.get(address) == uuid or uuid in self._deaf:
            return
        if self._set is None:
            self._deaf[uuid] = failures.NOT_SUPPORTED
            return
        try:
            pynvml.nvmlDeviceRegisterEvents(handle, pynvml.nvmlEventTypeXidCriticalError, self._set)
        except failures.ERRORS as error:
            self._deaf[uuid] = failures.REASONS.get(failures.code(error), str(error))
            return
        self._uuids[address] = uuid

    def forget(self, uuid: str) -> None:
        """A GPU that was gone is watched anew when it is back."""
        self._uuids = {address: one for address, one in self._uuids.items() if one != uuid}
        self._deaf.pop(uuid, None)

    def heard(self, uuid: str) -> Heard:
        return Heard(self._last.get(uuid), self._deaf.get(uuid))

    def poll(self) -> None:
        """Takes what nobody waited for; it waits for nothing."""
        if self._waiting.acquire(blocking=False):
            try:
                for _ in range(MOST_AT_ONCE):
                    if not self._next(0):
                        break
            finally:
                self._waiting.release()
        if self._broken:
            # An event set with a lost GPU in it tells of nothing but that: the others get a new one.
            self.close()
            self.open()

    def take(self) -> tuple[Xid, ...]:
        """What came since the last time, each of a GPU once, in the order of their newest."""
        with self._kept:
            kept, self._xids = self._xids, {}
        found = tuple(kept.values())
        _say(found)
        return found

    def wait(self, seconds: float) -> bool:
        """Blocks until an XID comes; false after `seconds` without one."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with self._waiting:
                told = self._next(min(left, PIECE_S))
            if told:
                return True
            if self._set is None or self._broken:
                # Nothing there can be waited in; the next reading may make one.
                time.sleep(min(PIECE_S, max(0.0, until - time.monotonic())))
        return False

    def _next(self, seconds: float) -> bool:
        """Takes one event if there is one, or comes within so many seconds."""
        events = self._set
        if events is None or self._broken:
            return False
        try:
            event = pynvml.nvmlEventSetWait_v2(events, int(seconds * 1000))
        except failures.ERRORS as error:
            self._broken = failures.code(error) != pynvml.NVML_ERROR_TIMEOUT
            return False
        uuid = self._uuid(event.device)
        if uuid is not None:
            self._keep(Xid(gpu=uuid, xid=int(event.eventData), at=self._now()))
        return uuid is not None

    def _keep(self, xid: Xid) -> None:
        with self._kept:
            before = self._xids.pop((xid.gpu, xid.xid), None)
            self._xids[xid.gpu, xid.xid] = xid if before is None else replace(xid, times=before.times + 1)
            if before is None:
                kinds = [key for key in self._xids if key[0] == xid.gpu]
                for oldest in kinds[:-MOST_KINDS]:
                    del self._xids[oldest]
            self._last[xid.gpu] = xid.xid

    def _uuid(self, device: Any) -> str | None:
        """Of the physical GPU."""
        known = self._uuids.get(_address(device))
        if known is not None:
            return known
        try:
            return pynvml.nvmlDeviceGetUUID(device)
        except failures.ERRORS as error:
            log.warning("an XID of a GPU that has no name: %s", error, extra={"action": "nvml.xid"})
            return None


def _say(xids: Iterable[Xid]) -> None:
    """One line for each, however often it came: a GPU may send the same one many times in a second."""
    for one in xids:
        about = {"action": "nvml.xid", "gpu": one.gpu, "xid": one.xid, "times": one.times}
        often = f", {one.times} times" if one.times > 1 else ""
        log.warning("XID %s on %s%s", one.xid, one.gpu, often, extra=about)


def _address(handle: Any) -> int:
    # Not ctypes.cast, which leaves a cycle for the garbage collector each time.
    return ctypes.addressof(handle.contents) if handle else 0
