"""The configuration of a real node's containerd, network and kubelet."""

import json
from pathlib import Path

import yaml

from tests.cluster import images
from tests.cluster.certificates import HOST
from tests.cluster.cluster import Cluster

PLUGINS = Path("/usr/lib/cni")
"""Where Debian's containernetworking-plugins are."""

PODS = "198.18.57.0/24"
"""Addresses of pods, of the range that is kept for tests of networks; nothing routes them."""


def write(folder: Path, cluster: Cluster, name: str, *, group: str, port: int) -> None:
    """Writes `containerd.toml`, `cni/`, `kubelet.yaml` and `kubelet.kubeconfig` for a node of this name."""
    (folder / "cni").mkdir()
    (folder / "cni" / "10-ptp.conflist").write_text(json.dumps(_network(folder)))
    (folder / "containerd.toml").write_text(_containerd(folder))
    (folder / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet(folder, cluster, group=group, port=port)))
    (folder / "kubelet.kubeconfig").touch(mode=0o600)
    (folder / "kubelet.kubeconfig").write_text(yaml.safe_dump(cluster.user(f"system:node:{name}", ["system:nodes"])))


def containerd_socket(folder: Path) -> Path:
    return folder / "containerd.sock"


def _containerd(folder: Path) -> str:
    return f"""
version = 3
root = "{folder}/containerd"
state = "/run/containerd"

[grpc]
address = "{containerd_socket(folder)}"

[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"

[plugins."io.containerd.cri.v1.images"]
snapshotter = "native"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{images.PAUSE}"

[plugins."io.containerd.cri.v1.runtime"]
# Without CAP_SYS_RESOURCE a score cannot be lowered.
restrict_oom_score_adj = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{PLUGINS}"]
conf_dir = "{folder}/cni"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def _network(folder: Path) -> dict[str, object]:
    addresses = {"type": "host-local", "ranges": [[{"subnet": PODS}]], "dataDir": f"{folder}/addresses"}
    return {
        "cniVersion": "1.0.0",
        "name": "dure-test",
        "plugins": [{"type": "ptp", "ipMasq": False, "ipam": addresses}],
    }


def _kubelet(folder: Path, cluster: Cluster, *, group: str, port: int) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": HOST,
        "port": port,
        "healthzPort": 0,
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(cluster.authority.crt)}},
        "tlsCertFile": str(cluster.folder / "server.crt"),
        "tlsPrivateKeyFile": str(cluster.folder / "server.key"),
        "containerRuntimeEndpoint": f"unix://{containerd_socket(folder)}",
        "podLogsDir": f"{folder}/logs",
        "volumePluginDir": f"{folder}/volume-plugins",
        "resolvConf": "",
        # Nobody answers there; without one each pod would have a warning of it.
        "clusterDNS": ["10.96.0.10"],
        "clusterDomain": "cluster.local",
        # New GPUs are seen within a second, not within ten.
        "nodeStatusUpdateFrequency": "1s",
        "maxPods": 100,
        "failSwapOn": False,
        # A cgroup and a disk that we share with the rest of the machine.
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": group,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": False,
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": False,
    }
