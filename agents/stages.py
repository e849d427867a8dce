"""What is made of each sample, in order: XIDs counted, devices compared, health judged, who holds what, whom no lease explains, what is empty."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from agents.devices import Devices
from agents.empty.proofs import Proving
from agents.events import Recorder
from agents.health.remembered import Folder
from agents.health.stage import Judging
from agents.metrics.xids import XidCounts
from agents.pods import kubelet
from agents.pods.holders import Holders
from agents.sampler import LEAST_STALE_S, STALE_SAMPLES, Stage
from agents.settings import Settings
from agents.violations.alarming import Alarming


class Beside(Protocol):
    """What a stage does on a thread of its own, until it is told to stop and woken."""

    def run(self, stop: threading.Event) -> None: ...

    def wake(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """`beside` is what some of them do beside the sampler's thread, by name."""

    in_order: Sequence[Stage]
    beside: Mapping[str, Beside]
    xids: XidCounts
    close: Callable[[], None]


def made(settings: Settings, record: Recorder, *, host_boot: str | None) -> Stages:
    """As the settings have it. Raises TableError where the table of verdicts is no table, and CommandError for a command that cannot be."""
    xids = XidCounts()
    memory = None if settings.state is None else Folder(settings.state)
    silent_s = max(LEAST_STALE_S, STALE_SAMPLES * settings.sample_s)
    judging = Judging(record=record, memory=memory, boot=host_boot, silent_s=silent_s)
    stages: list[Stage] = [xids, Devices(record), judging]
    beside: dict[str, Beside] = {}
    if settings.pod_resources is not None:
        holders = Holders(partial(kubelet.ask, settings.pod_resources))
        stages.append(holders)
        beside["holders"] = holders
    proving = Proving(
        scrub=settings.scrub_command,
        check=settings.check_command,
        limit_s=settings.check_s,
        record=record,
        checked=judging.checked,
    )
    stages += [Alarming(record, owns=proving.owns), proving]
    return Stages(in_order=stages, beside=beside, xids=xids, close=proving.close)
