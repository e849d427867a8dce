"""One real node for a test cluster: kubelet, containerd and runc, whose GPUs a device plugin of ours makes up."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from deploy.local.children import Child
from dure import kube
from tests import ports
from tests.cluster import binaries, cgroups, daemons, enclosure, images, node_files, nodes
from tests.cluster.certificates import HOST
from tests.cluster.cluster import Cluster
from tests.cluster.device_plugin import Allocated, DevicePlugin, allocated
from tests.cluster.enclosure import Enclosure

READY_S = 60.0


class CannotHere(Exception):
    """This machine cannot have a real node; the text says why."""


class RealNode:
    """A node that runs. Made from its cluster and name, also of one that another process started."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name = name
        self.folder = cluster.folder / name
        self._cluster = cluster

    def allocated(self) -> list[Allocated]:
        """Which pod has which GPUs, by the kubelet's own record (PodResources)."""
        return allocated(self.folder / "kubelet")


def refuse() -> None:
    """Raises CannotHere, with the first thing that is in the way."""
    for found, package in ((shutil.which("runc"), "runc"), (_has_plugins(), "containernetworking-plugins")):
        if not found:
            raise CannotHere(f"{package} is missing: install it (Debian, Ubuntu: apt install {package})")
    if not images.SHELL.exists():
        raise CannotHere("busybox-static is missing: install it (Debian, Ubuntu: apt install busybox-static)")
    why = cgroups.why_not() or enclosure.why_not()
    if why:
        raise CannotHere(why)


@contextmanager
def real_node(
    cluster: Cluster,
    name: str,
    *,
    gpus: int = 4,
    pool: str | None = None,
    labels: Mapping[str, str] | None = None,
    taint: bool = True,
) -> Iterator[RealNode]:
    """Joins while the `with` lasts, and is Ready with its GPUs, `gpu-0` and on. Raises CannotHere, NoBinaries, NotReady.

    To be entered by a thread that stays. Its images are those of `images.py`.
    """
    refuse()
    node = RealNode(cluster, name)
    node.folder.mkdir()
    with ExitStack() as stack:
        group = stack.enter_context(cgroups.group(cluster.folder.name))
        inside = stack.enter_context(enclosure.enclosure(node.folder))
        (port,) = ports.free(1)
        node_files.write(node.folder, cluster, name, group=group, port=port)
        containerd = _containerd(node, inside)
        stack.callback(nodes.remove, cluster, [name])
        _announce(cluster, nodes.node(name, gpus=0, pool=pool, labels=labels, taint=taint))
        kubelet = _kubelet(node, inside)
        ids = [f"gpu-{number}" for number in range(gpus)]
        registry = node.folder / "kubelet" / "device-plugins"
        daemons.until((registry / "kubelet.sock").exists, [containerd, kubelet], within_s=READY_S, what="the kubelet")
        stack.enter_context(DevicePlugin(registry, ids))
        ready = lambda: _gpus(cluster, name) == gpus  # noqa: E731
        daemons.until(ready, [containerd, kubelet], within_s=READY_S, what=f"{name} with its GPUs")
        yield node


def _containerd(node: RealNode, inside: Enclosure) -> Child:
    """Answers when it has the images."""
    environ = {"PATH": f"{binaries.find('containerd-shim-runc-v2').parent}:{os.environ['PATH']}"}
    command = [binaries.find("containerd"), f"--config={node.folder / 'containerd.toml'}"]
    child = inside.start("containerd", command, environ)
    socket, archive = node_files.containerd_socket(node.folder), node.folder / "images.tar"
    daemons.until(socket.exists, [child], within_s=READY_S, what="containerd")
    images.write(archive)
    ctr = [binaries.find("ctr"), "-a", socket, "-n", "k8s.io", "images", "import", "--snapshotter=native", "--local"]
    inside.run([*ctr, archive], environ)
    return child


def _announce(cluster: Cluster, made: dict[str, Any]) -> None:
    """As a cloud's controller would, which knows the address; the kubelet itself takes no loopback for one."""
    addresses = [("InternalIP", HOST), ("Hostname", made["metadata"]["name"])]
    made["status"] = {"addresses": [{"type": kind, "address": address} for kind, address in addresses]}
    made["metadata"].pop("annotations")
    cluster.api.post("/api/v1/nodes", json=made).raise_for_status()


def _kubelet(node: RealNode, inside: Enclosure) -> Child:
    command = [
        binaries.find("kubelet"),
        f"--config={node.folder / 'kubelet.yaml'}",
        f"--kubeconfig={node.folder / 'kubelet.kubeconfig'}",
        f"--cert-dir={node.folder / 'kubelet-certificates'}",
        f"--hostname-override={node.name}",
        "--cloud-provider=external",
    ]
    return inside.start("kubelet", command, {})


def _gpus(cluster: Cluster, name: str) -> int:
    """Those that are ready to be given out; 0 while the node is not Ready."""
    if name not in nodes.ready(cluster):
        return 0
    found = cluster.get(f"/api/v1/nodes/{name}")["status"].get("allocatable", {})
    return int(found.get(kube.DEFAULT_RESOURCE, 0))


def _has_plugins() -> bool:
    return all((node_files.PLUGINS / name).exists() for name in ("ptp", "host-local", "loopback"))
