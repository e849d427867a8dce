"""A node whose GPUs are judged, for tests of what a verdict comes from and does."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.events import Event
from agents.health.remembered import Folder
from agents.health.stage import LOOK_S, Judging
from agents.snapshot import GpuSnapshot, Sample, Xid
from tests.unit.agents.builders import a_sample


class Node:
    """A node whose GPUs are judged once a second by an agent that can be restarted."""

    def __init__(self, folder: Path | None = None, *, boot: str = "b1") -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.at = 1000.0
        self.boot = boot
        self.starts()

    def starts(self) -> None:
        self.memory = None if self.folder is None else Folder(self.folder)
        self.judging = Judging(record=self.events.append, memory=self.memory, boot=self.boot)
        self.before: Sample | None = None

    def restarts(self) -> None:
        if self.memory is not None:
            self.memory.flush()
        self.starts()

    def sees(self, *gpus: GpuSnapshot, xids: Sequence[tuple[str, int]] = (), for_s: int = 1) -> Sample:
        told = tuple(Xid(gpu=gpu, xid=xid, at=5.0) for gpu, xid in xids)
        return self.hears(*gpus, xids=told, for_s=for_s)

    def hears(self, *gpus: GpuSnapshot, xids: Sequence[Xid] = (), for_s: int = 1) -> Sample:
        sample = a_sample(*gpus)
        for _ in range(for_s):
            sample = a_sample(*gpus, at=self.at)
            sample = self.judging(replace(sample, snapshot=replace(sample.snapshot, xids=tuple(xids))), self.before)
            self.before = sample
            self.at += 1
        return sample

    def hangs(self, seconds: float) -> None:
        """Its driver does not answer for so long after the newest reading."""
        self.at += seconds - 1

    def heeds(self, *gpus: GpuSnapshot) -> Sample:
        """Until it looked for what somebody said, and judged by that."""
        for _ in range(2):
            self.sees(*gpus, for_s=int(LOOK_S))
            assert self.memory is not None
            self.memory.flush()
        return self.sees(*gpus, for_s=int(LOOK_S))

    def told(self, kind: str) -> list[tuple[str | None, dict[str, Any]]]:
        return [(event.gpu, dict(event.detail)) for event in self.events if event.kind == kind]


def health(sample: Sample) -> dict[str, str]:
    return {gpu.uuid: gpu.health for gpu in sample.snapshot.gpus}
