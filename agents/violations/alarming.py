"""A stage of the sampler that tells of violations, behind the one that says who holds what.

The allocator knows of a lease's start before the agent does, and swaps GPUs inside a node when it hears which pod has which.
So whom no lease explains is told only once several of its answers left that so, and not within seconds, however fast it answers;
at once on a GPU that a lease has left, as nobody else gets that before it is shown empty.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from agents.allocations import Allocations, Held
from agents.events import Event, Recorder
from agents.snapshot import Sample, Violation
from agents.violations.finding import Key, find, key, nobody, suspected

log = logging.getLogger(__name__)

ANSWERS = 3
"""One may be under way, one is to a report that does not tell of it yet, and one has what followed from it."""

LEAST_S = 15.0
"""Answers may follow each other within a second, and the allocator hears of a new pod from its cluster, which takes longer."""

LOOK_EVERY_S = 10.0
"""So often one more leased GPU is looked at, one after the other."""


@dataclass(slots=True)
class _Candidate:
    """Somebody unexplained since `at` (monotonic), the newest answer that did not explain it, and how many did not."""

    violation: Violation
    allocations: Allocations
    at: float
    answers: int = 0
    is_told: bool = False


class Alarming:
    """Tells whom no lease explains, and has the processes of GPUs asked for on which somebody may be. `owns` is as for `find`."""

    def __init__(self, record: Recorder, *, owns: Callable[[int], bool] = nobody) -> None:
        self._record = record
        self._owns = owns
        self._known: dict[Key, _Candidate] = {}
        self._floors: dict[str, int] = {}
        self._looked: tuple[float, str] = (-LOOK_EVERY_S, "")

    def __call__(self, sample: Sample, before: Sample | None) -> Sample:
        found = {
            key(one): one for one in find(sample, [one.violation for one in self._known.values()], owns=self._owns)
        }
        for gone in self._known.keys() - found.keys():
            self._over(self._known.pop(gone), sample)
        for each, violation in found.items():
            self._go_on(each, violation, sample)
        self._learn(sample)
        return replace(
            sample,
            violations=tuple(one.violation for one in self._known.values() if one.is_told),
            suspicious=sample.suspicious
            | suspected(sample, self._floors)
            | {each[0] for each in found}
            | self._next(sample),
        )

    def _next(self, sample: Sample) -> frozenset[str]:
        """The leased GPU whose turn it is to be looked at, by UUID; none before it is time."""
        at, last = self._looked
        leased = sorted(sample.allocations.running(sample.at).keys() & sample.gpus().keys())
        if not leased or not sample.snapshot.sees_processes or sample.at - at < LOOK_EVERY_S:
            return frozenset()
        turn = next((gpu for gpu in leased if gpu > last), leased[0])
        self._looked = (sample.at, turn)
        return frozenset({turn})

    def _go_on(self, each: Key, violation: Violation, sample: Sample) -> None:
        known = self._known.setdefault(each, _Candidate(violation, sample.allocations, sample.at))
        known.violation = violation
        if known.is_told:
            return
        if known.allocations is not sample.allocations:
            known.allocations, known.answers = sample.allocations, known.answers + 1
        was_left = any(item.ended and item.gpu == violation.gpu for item in sample.allocations.items)
        known.is_told = was_left or (known.answers >= ANSWERS and sample.at - known.at >= LEAST_S)
        if known.is_told:
            self._record(_event(violation, "began", sample))
            log.warning(
                "%s is on %s, and no lease explains it: %s",
                _who(violation),
                violation.gpu,
                _what_to_do(violation, sample.allocations.items),
                extra={"action": "violation.began", "gpu": violation.gpu, "violation": _detail(violation)},
            )

    def _over(self, known: _Candidate, sample: Sample) -> None:
        if not known.is_told:
            return
        self._record(_event(known.violation, "ended", sample))
        about = {"action": "violation.ended", "gpu": known.violation.gpu, "violation": _detail(known.violation)}
        log.info("%s is no longer on %s without a lease", _who(known.violation), known.violation.gpu, extra=about)

    def _learn(self, sample: Sample) -> None:
        """How much memory is in use on each GPU when nobody is there."""
        for gpu in sample.snapshot.gpus:
            if gpu.processes == 0 and gpu.memory_used_bytes is not None:
                self._floors[gpu.uuid] = gpu.memory_used_bytes


def _event(violation: Violation, state: str, sample: Sample) -> Event:
    detail = {"state": state, "since": violation.since, **_detail(violation)}
    return Event(kind="violation", at=sample.wall, gpu=violation.gpu, detail=detail)


def _detail(violation: Violation) -> dict[str, str | int | None]:
    """What is known of it, under the names that a report has for it."""
    found = {
        "kind": violation.kind,
        "pid": violation.pid,
        "name": violation.name,
        "cgroup": violation.cgroup,
        "container": violation.container,
        "pod_uid": violation.pod_uid,
        "namespace": violation.namespace,
        "pod": violation.pod,
    }
    return {name: value for name, value in found.items() if value is not None}


def _who(violation: Violation) -> str:
    if violation.kind == "pod":
        return f"pod {violation.namespace}/{violation.pod}"
    return f"process {violation.pid} ({violation.name or 'its name cannot be read'})"


def _what_to_do(violation: Violation, items: Iterable[Held]) -> str:
    theirs = sorted({item.lease for item in items if item.gpu == violation.gpu and not item.ended})
    whose = f" The GPU is held by {', '.join(theirs)}." if theirs else ""
    if violation.namespace is not None:
        return f"ask whose it is, and end it with `kubectl delete pod -n {violation.namespace} {violation.pod}`.{whose}"
    if violation.pod_uid is not None:
        return f"it is of the pod with uid {violation.pod_uid}: ask whose that is, and delete it.{whose}"
    return f"look at it with `ps -fp {violation.pid}`, ask whose it is, and end it.{whose}"
