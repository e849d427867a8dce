"""Holds back that a GPU is empty until it was scrubbed and checked: the last stage of the sampler.

A lease's GPU is proved empty by a reading. Where commands are set to clean and to try it, they run first, and only while nobody is
on it; until they succeeded the sample says why not. The sampler never waits for them.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agents.allocations import Held
from agents.empty.layouts import Layouts
from agents.events import Event, Recorder, forget
from agents.snapshot import GpuSnapshot, Sample

if TYPE_CHECKING:
    from agents.empty.trials import Outcome, Step, Trial

log = logging.getLogger(__name__)

AT_ONCE = 4
"""So many GPUs of a node are tried at the same time."""

RETRY_S = 60
LONGEST_RETRY_S = 1800
"""A trial that failed is made again after the first, doubled each time, up to the second."""

SETTLE_S = 5.0
"""What the commands left on a GPU has this long to go before somebody on it is somebody else."""

OVERDUE_S = 10.0
"""What is killed and does not end in this time hangs in the driver."""

MAX_WHY = 200

Checked = Callable[[str, bool, str | None], object]


@dataclass(slots=True)
class _Known:
    """What is known of one ended allocation: a trial that runs since `began_at`, what the last one came to, and how many failed."""

    trial: "Trial | None" = None
    began_at: float = 0.0
    began: float = 0.0
    proved_at: float | None = None
    why: str | None = None
    retry_at: float = 0.0
    failures: int = 0
    is_overdue: bool = False


class CommandError(Exception):
    """A command cannot be read; the text says which, and why."""


class Proving:
    """`checked` is told, by physical GPU, how each check ended. Raises CommandError."""

    def __init__(
        self,
        *,
        scrub: str | None = None,
        check: str | None = None,
        limit_s: float = 60.0,
        record: Recorder = forget,
        checked: Checked | None = None,
    ) -> None:
        self._steps = _steps(scrub, check)
        self._limit_s = limit_s
        self._record = record
        self._tell = checked
        self._layouts = Layouts()
        self._known: dict[str, _Known] = {}
        self._is_closed = False
        self._beginning = threading.Lock()

    def __call__(self, sample: Sample, before: Sample | None) -> Sample:
        self._layouts.follow(sample)
        ended = [item for item in sample.allocations.items if item.ended]
        if not ended and not self._known:
            return sample
        gpus, running = sample.gpus(), sample.allocations.running(sample.at)
        self._drop({item.allocation for item in ended if item.gpu not in running})
        unproved: dict[str, str] = {}
        for item in ended:
            why = self._layouts.left_behind(item, gpus) or self._unproved(item, gpus, running, sample)
            if why is not None:
                unproved[item.allocation] = why[:MAX_WHY]
        return replace(sample, unproved=unproved) if unproved else sample

    def owns(self, pid: int) -> bool:
        """Whether a process of the host is one that cleans or checks a GPU just now. For any thread."""
        trials = [known.trial for known in tuple(self._known.values())]
        return any(trial.owns(pid) is True for trial in trials if trial is not None)

    def close(self) -> None:
        """Kills what runs, and nothing begins any more, so that nobody is on a GPU without an agent that knows of it. From any thread:
        the sampler may still be in a call that hangs, and go on after it."""
        with self._beginning:
            self._is_closed = True
        for known in tuple(self._known.values()):
            if (trial := known.trial) is not None:
                trial.stop()

    def _unproved(
        self, item: Held, gpus: Mapping[str, GpuSnapshot], running: Mapping[str, Held], sample: Sample
    ) -> str | None:
        if not self._steps:
            return None
        if item.gpu in running:
            return f"lease {running[item.gpu].lease} is on it already"
        known = self._known.setdefault(item.allocation, _Known())
        if known.trial is not None:
            return self._tried(item, known, known.trial, gpus[item.gpu], sample)
        is_empty = _is_empty(gpus[item.gpu], item)
        if known.proved_at is not None and (is_empty or sample.at - known.proved_at < SETTLE_S):
            return None
        known.proved_at = None
        if not is_empty:
            return "it is not scrubbed and checked yet, as somebody may be on it"
        if sample.at < known.retry_at:
            return known.why
        return self._begin(item, known, sample)

    def _begin(self, item: Held, known: _Known, sample: Sample) -> str:
        tried = [other.trial.gpu for other in self._known.values() if other.trial is not None and not other.is_overdue]
        if len(tried) >= AT_ONCE or item.gpu in tried:
            return "it waits for its turn to be scrubbed and checked"
        # Here, so that an agent without commands loads none of it.
        from agents.empty.trials import Trial

        with self._beginning:
            if self._is_closed:
                return "the agent ends, so it is not scrubbed and checked"
            known.trial = Trial(item.allocation, item.gpu, self._steps, limit_s=self._limit_s)
        known.began_at, known.began, known.is_overdue = sample.at, sample.wall, False
        return _doing(known, known.trial)

    def _tried(self, item: Held, known: _Known, trial: "Trial", gpu: GpuSnapshot, sample: Sample) -> str:
        """A trial that ended counts for the next reading: this one may have begun before."""
        outcome = trial.outcome
        if any(trial.owns(process.pid) is False for process in gpu.seen):
            trial.stop()
            known.trial = None
            return "somebody came on it while it was tried"
        if outcome is None:
            if sample.at - known.began_at < len(self._steps) * self._limit_s + OVERDUE_S:
                return _doing(known, trial)
            if not known.is_overdue:
                known.is_overdue = True
                hangs = f"the {trial.step} was killed and does not end: it hangs in the driver"
                self._failed(item, known, trial.step, hangs, gpu, sample)
            return known.why or _doing(known, trial)
        known.trial = None
        if outcome.wrong is None:
            self._succeeded(item, known, outcome, gpu, sample)
            return "it is read once more, after its trial"
        return self._failed(item, known, outcome.step, f"the {outcome.step} failed: {outcome.wrong}", gpu, sample)

    def _succeeded(self, item: Held, known: _Known, outcome: "Outcome", gpu: GpuSnapshot, sample: Sample) -> None:
        known.proved_at, known.why, known.failures = sample.at, None, 0
        detail = {
            "allocation": item.allocation,
            "step": outcome.step,
            "passed": True,
            "took_s": round(outcome.took_s, 3),
        }
        self._record(Event(kind="proof", at=sample.wall, gpu=item.gpu, detail=detail))
        log.info(
            "%s passed its %s", item.gpu, outcome.step, extra={"action": "proof.passed", "gpu": item.gpu, **detail}
        )
        if outcome.step == "check" and self._tell is not None:
            self._tell(gpu.parent or gpu.uuid, True, None)

    def _failed(self, item: Held, known: _Known, step: "Step", why: str, gpu: GpuSnapshot, sample: Sample) -> str:
        retry_s = min(LONGEST_RETRY_S, RETRY_S << min(known.failures, 10))
        known.retry_at, known.failures = sample.at + retry_s, known.failures + 1
        known.why = f"{why}; it is tried again at {_clock(sample.wall + retry_s)}"
        detail = {"allocation": item.allocation, "step": step, "passed": False, "why": why}
        self._record(Event(kind="proof", at=sample.wall, gpu=item.gpu, detail=detail))
        log.error(
            "%s is not called empty after lease %s: %s",
            item.gpu,
            item.lease,
            known.why,
            extra={"action": "proof.failed", "gpu": item.gpu, **detail},
        )
        if step == "check" and self._tell is not None:
            self._tell(gpu.parent or gpu.uuid, False, why.removeprefix("the check failed: "))
        return known.why

    def _drop(self, kept: set[str]) -> None:
        """Forgets allocations that are closed or whose GPU is leased again, and kills what runs for them."""
        for allocation in [name for name in self._known if name not in kept]:
            trial = self._known.pop(allocation).trial
            if trial is not None:
                trial.stop()


def _steps(scrub: str | None, check: str | None) -> list[tuple["Step", tuple[str, ...]]]:
    found: list[tuple[Step, tuple[str, ...]]] = []
    wanted: list[tuple[Step, str | None]] = [("scrub", scrub), ("check", check)]
    for step, text in wanted:
        if text is None:
            continue
        from agents.empty.commands import split

        try:
            found.append((step, split(text)))
        except ValueError as error:
            raise CommandError(f"the command to {step} a GPU, {text!r}, cannot be read: {error}") from error
    return found


def _is_empty(gpu: GpuSnapshot, item: Held) -> bool:
    """Whether nobody is seen on it. What cannot be read is not known to be nothing."""
    limit, used = item.empty_memory_bytes, gpu.memory_used_bytes
    return gpu.processes == 0 and gpu.lost is None and (limit is None or (used is not None and used <= limit))


def _doing(known: _Known, trial: "Trial") -> str:
    return f"being {'scrubbed' if trial.step == 'scrub' else 'checked'} since {_clock(known.began)}"


def _clock(wall: float) -> str:
    return f"{datetime.fromtimestamp(wall, UTC):%H:%M:%SZ}"
