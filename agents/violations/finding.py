"""Who is on a GPU though no lease explains it: a process of the host, or a pod that the kubelet gave somebody else's GPU.

Pure. Where processes cannot be seen none is a violation, and where the kubelet cannot be asked no pod, nor any process on
a leased GPU. When one is
told is decided by `agents.violations.alarming`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from agents.allocations import Allocations
from agents.snapshot import GpuSnapshot, Holder, Process, Sample, Violation
from dure import kube

CLEANING_S = 30.0
"""So long after a lease's end what is left of it is being cleaned up, and is no violation."""

MOST = 256
"""So many violations are told of a node."""

SLACK_BYTES = 32 << 20
"""An empty GPU's memory in use moves by less."""

Key = tuple[str, str, int | str | None, str | None]


def key(violation: Violation) -> Key:
    """What makes it the same violation in the next sample."""
    if violation.kind == "pod":
        return violation.gpu, "pod", violation.namespace, violation.pod
    return violation.gpu, "process", violation.pid, None


def nobody(_: int) -> bool:
    """Of an agent that runs nothing on GPUs itself."""
    return False


def find(
    sample: Sample, before: Sequence[Violation] = (), *, owns: Callable[[int], bool] = nobody
) -> tuple[Violation, ...]:
    """Whom no lease explains in this sample, as far as it tells; each since the sample that first had it.

    `before` is what was found in the one before. Of whom nothing was asked this time, it is taken that they are there still. `owns`
    says of a process whether it is the agent's own, such as one that cleans the GPU.
    """
    since = {key(one): one.since for one in before}
    explained = _explained(sample.allocations, sample.at)
    found = {
        key(one): replace(one, since=since.get(key(one), one.since))
        for one in (*_pods(sample, explained, before), *_processes(sample, explained, before, owns))
    }
    return tuple(found.values())[:MOST]


def _explained(allocations: Allocations, at: float) -> Mapping[str, frozenset[str]]:
    """The namespaces that may be on each GPU now: those of leases that hold it, or whose leavings are still cleaned up."""
    now = allocations.server_time(at)
    found: dict[str, frozenset[str]] = {}
    for item in allocations.items:
        if item.starts_at <= now < item.stops_at + CLEANING_S:
            found[item.gpu] = found.get(item.gpu, frozenset()) | {kube.namespace(item.company)}
    return found


def _pods(sample: Sample, explained: Mapping[str, frozenset[str]], before: Sequence[Violation]) -> Iterator[Violation]:
    there = sample.gpus()
    if sample.holders is None:
        yield from (
            one
            for one in before
            if one.kind == "pod" and one.gpu in there and one.namespace not in explained.get(one.gpu, ())
        )
    for one in sample.holders or ():
        if one.gpu in there and one.namespace not in explained.get(one.gpu, ()):
            yield Violation(
                gpu=one.gpu,
                kind="pod",
                since=sample.wall,
                container=one.container[:200],
                namespace=one.namespace,
                pod=one.pod,
            )


def _processes(
    sample: Sample,
    explained: Mapping[str, frozenset[str]],
    before: Sequence[Violation],
    owns: Callable[[int], bool],
) -> Iterator[Violation]:
    if not sample.snapshot.sees_processes:
        return
    alone = _alone(sample.holders or ())
    running = sample.allocations.running(sample.at)
    for gpu in sample.snapshot.gpus:
        # Where the kubelet says who has it, a lease that runs explains processes of pods alone.
        is_strict = gpu.uuid in running and sample.holders is not None
        if gpu.uuid in explained and not is_strict:
            continue
        has_pod = is_strict and any(one.gpu == gpu.uuid for one in sample.holders or ())
        if gpu.processes is None:
            yield from (one for one in before if _is_on(gpu.uuid, one) and not (has_pod and one.pod_uid is not None))
        for process in gpu.seen:
            if not owns(process.pid) and not (has_pod and process.pod is not None):
                yield _of_process(gpu.uuid, process, alone.get(gpu.uuid), sample.wall)


def _is_on(gpu: str, one: Violation) -> bool:
    return one.gpu == gpu and one.kind == "process"


def _alone(holders: Iterable[Holder]) -> Mapping[str, Holder]:
    """GPUs that one pod alone has, and which: a process of some pod there is of that one."""
    pods: dict[str, set[tuple[str, str]]] = {}
    last: dict[str, Holder] = {}
    for one in holders:
        pods.setdefault(one.gpu, set()).add((one.namespace, one.pod))
        last[one.gpu] = one
    return {gpu: one for gpu, one in last.items() if len(pods[gpu]) == 1}


def _of_process(gpu: str, process: Process, holder: Holder | None, wall: float) -> Violation:
    inside = holder if process.pod is not None else None
    return Violation(
        gpu=gpu,
        kind="process",
        since=wall,
        pid=process.pid,
        name=_cut(process.name, 200),
        cgroup=_cut(process.cgroup, 1000),
        container=_cut(process.container, 200),
        pod_uid=_cut(process.pod, 200),
        namespace=None if inside is None else inside.namespace,
        pod=None if inside is None else inside.pod,
    )


def _cut(text: str | None, length: int) -> str | None:
    return None if text is None else text[:length]


def suspected(sample: Sample, floors: Mapping[str, int]) -> frozenset[str]:
    """GPUs without a running lease on which somebody seems to be: they work, or have more memory in use than when nobody was there.

    `floors` is how much that was, in bytes, for those of which it is known; an allocation that is over says it too.
    """
    if not sample.snapshot.sees_processes:
        return frozenset()
    running = sample.allocations.running(sample.at)
    said = {item.gpu: item.empty_memory_bytes for item in sample.allocations.items if item.ended}
    return frozenset(
        gpu.uuid
        for gpu in sample.snapshot.gpus
        if gpu.uuid not in running and _seems_used(gpu, said.get(gpu.uuid), floors.get(gpu.uuid))
    )


def _seems_used(gpu: GpuSnapshot, said: int | None, seen: int | None) -> bool:
    floor = min((one for one in (said, seen) if one is not None), default=None)
    if gpu.utilization_percent:
        return True
    if floor is None:
        # One that came while others ran: it is asked once, if it can be.
        return gpu.processes is None and gpu.lost is None and "processes" not in (gpu.absent or {})
    return gpu.memory_used_bytes is not None and gpu.memory_used_bytes > floor + SLACK_BYTES
