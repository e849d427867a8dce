"""What a real node itself says of who ran on it, with what and from when to when: never what Dure says."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.cluster import binaries, cgroups
from tests.cluster.cluster import Cluster
from tests.cluster.daemons import kill, start
from tests.cluster.following import followed
from tests.cluster.images import BUSYBOX
from tests.cluster.node_files import containerd_socket
from tests.cluster.real_node import RealNode

LOOK_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A tenant's container by containerd's own record, and its pod and devices by the kubelet's. Unix seconds."""

    id: str
    namespace: str | None
    """None, as the pod, where the kubelet never told the API server which container it was."""
    pod: str | None
    began: float
    ended: float | None
    """None while it runs."""
    code: int | None
    devices: tuple[str, ...]


@dataclass(slots=True)
class Witness:
    """From the moment that `watched` begins."""

    cluster: Cluster
    node: RealNode
    log: Path
    busy: set[str] = field(default_factory=set[str])
    """GPUs that a process on the node has, as the stand's agents call them: what NVML would tell one."""
    shared: list[str] = field(default_factory=list[str])
    """What the kubelet gave to two at a time."""
    statuses: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict[tuple[str, str], dict[str, Any]])
    """The last that the kubelet told of each pod, by namespace and name."""
    _of: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    _devices: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict[tuple[str, str], tuple[str, ...]])
    _over: threading.Event = field(default_factory=threading.Event)

    def ran(self, namespace: str | None = None) -> list[Ran]:
        """Oldest first: those in a namespace, or all."""
        starts, exits, tenants = _events(self.log)
        found = [self._ran(each, starts[each], exits.get(each)) for each in starts if each in tenants]
        return [one for one in found if namespace in (None, one.namespace)]

    def of(self, namespace: str, pod: str) -> Ran:
        """The one container of a pod."""
        (found,) = [one for one in self.ran(namespace) if one.pod == pod]
        return found

    def given(self, namespace: str) -> Mapping[str, tuple[str, ...]]:
        """Devices by pod, as PodResources tells them now."""
        return {one.pod: one.ids for one in self.node.allocated() if one.namespace == namespace}

    def _ran(self, container: str, began: float, exited: tuple[float, int] | None) -> Ran:
        found = self._of.get(container)
        namespace, pod = found or (None, None)
        devices = self._devices.get(found, ()) if found else ()
        ended, code = exited or (None, None)
        return Ran(id=container, namespace=namespace, pod=pod, began=began, ended=ended, code=code, devices=devices)

    def look(self) -> None:
        """At what the kubelet has given out, and at processes."""
        while not self._over.wait(LOOK_S):
            given: dict[str, tuple[str, str]] = {}
            for one in self.node.allocated():
                pod = (one.namespace, one.pod)
                self._devices[pod] = one.ids
                self.shared += [f"{each}: {pod} and {given[each]}" for each in one.ids if each in given]
                given |= dict.fromkeys(one.ids, pod)
            held = _held(self.cluster.folder.name)
            found = {f"GPU-{self.node.name}-{each.removeprefix('gpu-')}" for each in held}
            self.busy |= found
            self.busy &= found

    def take(self, event: Mapping[str, Any]) -> None:
        """Every status that the kubelet writes, as it comes."""
        meta, status = event["object"]["metadata"], event["object"].get("status", {})
        name = (meta["namespace"], meta["name"])
        self.statuses[name] = status
        for one in status.get("containerStatuses", ()):
            if one.get("containerID"):
                self._of[one["containerID"].removeprefix("containerd://")] = name

    def close(self) -> None:
        self._over.set()


@contextmanager
def watched(cluster: Cluster, node: RealNode, folder: Path) -> Iterator[Witness]:
    """A witness of all that happens on the node meanwhile; `folder` has its notes."""
    witness = Witness(cluster, node, folder / "containerd.log")
    ctr = [binaries.find("ctr"), "-a", containerd_socket(node.folder), "-n", "k8s.io", "events"]
    child = start("containerd", ctr, folder=folder)
    thread = threading.Thread(target=witness.look, daemon=True)
    try:
        thread.start()
        with followed(cluster, "/api/v1/pods", witness.take):
            yield witness
    finally:
        witness.close()
        thread.join(60)
        kill(child)


def _events(log: Path) -> tuple[dict[str, float], dict[str, tuple[float, int]], set[str]]:
    """When containers began, when and how they ended, and which are tenants', all by containerd's id."""
    starts: dict[str, float] = {}
    exits: dict[str, tuple[float, int]] = {}
    tenants: set[str] = set()
    for line in log.read_text().splitlines(keepends=True):
        # 2026-11-29 22:45:28.249862822 +0000 UTC k8s.io /tasks/start {...}
        day, clock, _, _, _, topic, *rest = line.split(" ", 6) if line.endswith("}\n") else [""] * 6
        said = json.loads(rest[0]) if rest else {}
        if topic == "/containers/create" and said["image"] == BUSYBOX:
            tenants.add(said["id"])
        elif topic == "/tasks/start":
            at = datetime.fromisoformat(f"{day}T{clock[:15]}").replace(tzinfo=UTC)
            starts[said["container_id"]] = at.timestamp()
        elif topic == "/tasks/exit" and said["id"] == said["container_id"]:
            at = said["exited_at"]["seconds"] + said["exited_at"]["nanos"] / 1e9
            exits[said["id"]] = (at, said.get("exit_status", 0))
    return starts, exits, tenants


def _held(group: str) -> set[str]:
    """The ids in the environments of all processes under a control group."""
    found: set[str] = set()
    for folder, _, _ in os.walk(cgroups.ROOT / "pids" / group):
        with suppress(OSError):
            for pid in Path(folder, "cgroup.procs").read_text().split():
                with suppress(OSError):
                    found |= _visible(Path(f"/proc/{pid}/environ").read_bytes())
    return found


def _visible(environ: bytes) -> set[str]:
    given = [one for one in environ.split(b"\0") if one.startswith(b"NVIDIA_VISIBLE_DEVICES=gpu-")]
    return {each for one in given for each in one.decode().partition("=")[2].split(",")}
