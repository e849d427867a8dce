"""Who is on a GPU: the calls are slow and hold the driver's lock, so they are made only for GPUs that are named."""

from collections.abc import Set
from pathlib import Path
from typing import Any, Literal

import pynvml

from agents import cgroups
from agents.nvml import failures
from agents.nvml.asking import NOT_AVAILABLE, Asking
from agents.snapshot import Process

FIELD = "processes"

Kind = Literal["compute", "graphics"]

COMPUTE = (pynvml.nvmlDeviceGetComputeRunningProcesses_v3, pynvml.nvmlDeviceGetComputeRunningProcesses_v2)
OTHERS: tuple[tuple[Kind, Any], ...] = (
    ("compute", pynvml.nvmlDeviceGetMPSComputeRunningProcesses_v3),
    ("graphics", pynvml.nvmlDeviceGetGraphicsRunningProcesses_v3),
)

PROC = Path("/proc")
HOST_PID_NAMESPACE = "pid:[4026531836]"
"""The first PID namespace has this number in every Linux kernel (PROC_PID_INIT_INO)."""


def sees_host_processes() -> bool:
    """Whether this process is in the host's own PID namespace, as with `hostPID`.

    In another one the driver hides the processes of the rest of the node, and "none" would be a lie.
    """
    try:
        return str(Path("/proc/self/ns/pid").readlink()) == HOST_PID_NAMESPACE
    except OSError:
        return False


class Census:
    """Processes of the host by GPU. Those with an `allowed` name are left out, unless they are in a container: whoever leases a GPU
    names the processes in theirs as they like.
    """

    def __init__(self, allowed: Set[str] = frozenset(), *, proc: Path = PROC) -> None:
        self._allowed = cgroups.Names(allowed)
        self._proc = proc

    def of(self, ask: Asking, handle: Any) -> tuple[Process, ...] | None:
        """None where they cannot all be told, which is no proof of anything."""
        found = _running(ask, handle)
        if found is None:
            return None
        boot = cgroups.booted_at(self._proc) if found else None
        known = (self._process(pid, kind, memory, boot) for pid, (kind, memory) in sorted(found.items()))
        return tuple(one for one in known if not self._is_allowed(one))

    def _is_allowed(self, one: Process) -> bool:
        """One whose cgroup cannot be read may be in a container."""
        is_hosts_own = one.cgroup is not None and one.container is None and one.pod is None
        return is_hosts_own and one.name is not None and self._allowed.has(one.name)

    def _process(self, pid: int, kind: Kind, memory: int | None, boot: float | None) -> Process:
        """One that is gone meanwhile has nothing but its pid, and still counts."""
        who = cgroups.look_up(pid, proc=self._proc, booted_at=boot)
        return Process(
            pid=pid,
            kind=kind,
            name=who.name,
            used_memory_bytes=memory,
            started_at=who.started_at,
            cgroup=who.cgroup,
            container=who.container,
            pod=who.pod,
        )


def _running(ask: Asking, handle: Any) -> dict[int, tuple[Kind, int | None]] | None:
    """Each process once: a client of MPS is told of twice."""
    compute = ask(FIELD, COMPUTE[0], handle)
    if compute is None:
        compute = ask(FIELD, COMPUTE[1], handle)
    if compute is None:
        return None
    found: dict[int, tuple[Kind, int | None]] = {}
    _add(found, "compute", compute)
    for kind, call in OTHERS:
        more = ask(FIELD, call, handle)
        if more is None and ask.absent.get(FIELD, failures.NOT_SUPPORTED) not in (
            failures.NOT_SUPPORTED,
            failures.NOT_IN_LIBRARY,
        ):
            return None
        # Who cannot have such processes has none.
        ask.has(FIELD)
        _add(found, kind, more or ())
    return found


def _add(found: dict[int, tuple[Kind, int | None]], kind: Kind, processes: Any) -> None:
    for one in processes:
        memory = None if one.usedGpuMemory in NOT_AVAILABLE else one.usedGpuMemory
        before = found.get(one.pid)
        if before is None or before[1] is None:
            found[one.pid] = (kind if before is None else before[0], memory)
