"""One physical GPU for as long as it keeps its UUID: it is one schedulable GPU itself, or as many as it is cut into."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pynvml

from agents.nvml import identity, mig
from agents.nvml.asking import Asking
from agents.nvml.mig import Instance
from agents.nvml.whole import Whole
from agents.nvml.xids import Heard
from agents.snapshot import GpuSnapshot, Process

log = logging.getLogger(__name__)

Census = Callable[[str, Asking, Any], tuple[Process, ...] | None]
"""Who is on the GPU with this UUID; None where it is not asked, or cannot be told."""

Unit = Whole | Instance


@dataclass(frozen=True, slots=True)
class Seen:
    """What a physical GPU is now: the schedulable GPUs, and itself where those are its instances."""

    units: tuple[GpuSnapshot, ...] = ()
    cut: GpuSnapshot | None = None


class Card:
    """`absent` is why some fields are None on every GPU of this node."""

    def __init__(self, uuid: str, handle: Any, *, absent: Mapping[str, str], sys: Path = identity.SYS) -> None:
        self.uuid = uuid
        ask = Asking(absent)
        self._identity = identity.of_card(ask, handle, sys=sys)
        self._absent = ask.absent
        self._mode = mig.Mode(False, False)
        self._modes = Asking()
        self._units: dict[str, Unit] = {}
        self._cut: Whole | None = None
        self._said: str | None = None

    def read(self, handle: Any, now: float, *, place: int, first: int, heard: Heard, census: Census) -> Seen:
        """The GPU in NVML's `place`, its schedulable GPUs numbered from `first`. Raises NVMLError where the GPU, or the driver, is
        gone."""
        self._turn(mig.mode(self._modes, handle))
        there = self._layout(handle)
        half_done = self._say(mig.trouble(self._mode, uuid=self.uuid, instances=len(there)))
        self._keep(there, handle)
        found: list[GpuSnapshot] = []
        for uuid, own in there.items():
            unit = self._units[uuid]
            unit.read(own, now)
            seen = census(uuid, unit.ask, own)
            if heard.why_not is not None:
                unit.ask.lacks("last_xid", heard.why_not)
            found.append(
                GpuSnapshot(
                    uuid=uuid,
                    index=first + len(found),
                    parent=self.uuid if self._mode.on else None,
                    last_xid=heard.last_xid,
                    processes=None if seen is None else len(seen),
                    seen=seen or (),
                    trouble=unit.trouble or half_done,
                    absent=unit.ask.absent,
                    **unit.values,
                )
            )
        return Seen(tuple(found), self._whole(handle, now, place, heard) if self._mode.on else None)

    def close(self) -> None:
        """Gives back what the driver keeps for it."""
        for unit in self._units.values():
            unit.close()
        self._units = {}
        self._cut = None

    def _whole(self, handle: Any, now: float, place: int, heard: Heard) -> GpuSnapshot:
        """The GPU that is cut. What no instance is told of is read of it: how hot it is, what it draws, how its memory is."""
        if self._cut is None:
            self._cut = Whole(handle, self._identity, self._absent, is_cut=True)
        cut = self._cut
        cut.read(handle, now)
        if heard.why_not is not None:
            cut.ask.lacks("last_xid", heard.why_not)
        return GpuSnapshot(
            uuid=self.uuid,
            index=place,
            last_xid=heard.last_xid,
            trouble=cut.trouble,
            absent=cut.ask.absent,
            **cut.values,
        )

    def _turn(self, mode: mig.Mode) -> None:
        """What a GPU does not have is forgotten when it is cut, or made whole: one that is cut has less."""
        if mode.on != self._mode.on:
            self.close()
        self._mode = mode

    def _layout(self, handle: Any) -> dict[str, Any]:
        """Handles by UUID."""
        if not self._mode.on:
            return {self.uuid: handle}
        return {pynvml.nvmlDeviceGetUUID(one): one for one in mig.handles(self._modes, handle)}

    def _keep(self, there: Mapping[str, Any], handle: Any) -> None:
        """Those that are no more are forgotten, those that are new are asked who they are."""
        gone, new = self._units.keys() - there, there.keys() - self._units.keys()
        for uuid in gone:
            self._units.pop(uuid).close()
        for uuid in new:
            self._units[uuid] = self._made(there[uuid], handle)
        if gone or new:
            mig.mark_shared([unit for unit in self._units.values() if isinstance(unit, Instance)])

    def _made(self, own: Any, card: Any) -> Unit:
        if self._mode.on:
            return Instance(own, card, self._identity, self._absent)
        return Whole(own, self._identity, self._absent)

    def _say(self, trouble: str | None) -> str | None:
        """Tells of what is half done once, not with every reading."""
        if trouble is not None and trouble != self._said:
            log.warning("%s", trouble, extra={"action": "nvml.mig", "gpu": self.uuid})
        self._said = trouble
        return trouble
