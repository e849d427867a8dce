"""The cluster that enforces the demo's leases, if there is one: reached by the user's own kubectl, as an admin would."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.demo.stage import StageError
from dure import kube, wire

SETTING = "DURE_KUBECONFIG"
NAME = "main"
ACCOUNTS = {"DURE_SCHEDULER_CLUSTERS": kube.RECONCILER_ACCOUNT, "DURE_API_CLUSTERS": kube.API_ACCOUNT}
NAMESPACE_S = 30.0
LATE_S = 1.5
"""What is seen running within so long after its end was seen by a look that began before it."""

Tell = Callable[[str], None]


def wanted() -> Path | None:
    """The kubeconfig that the demo is given, if it is."""
    said = os.environ.get(SETTING)
    return Path(said).expanduser().absolute() if said else None


@dataclass
class Cluster:
    """What kubectl says, and what was seen of the leases' pods: by pod, its lease, and when it first and last ran."""

    kubeconfig: Path
    folder: Path
    tell: Tell
    ran: dict[str, tuple[str, datetime, datetime]] = field(default_factory=dict[str, tuple[str, datetime, datetime]])

    def fit(self, nodes: Iterable[str]) -> str:
        """The cluster's version. Raises StageError, which says what is missing and where it comes from."""
        version = json.loads(self._kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
        if not self._kubectl("get", "mutatingadmissionpolicies", kube.GATE_POLICY, "--ignore-not-found").strip():
            raise StageError(
                f"the cluster has no policy {kube.GATE_POLICY}: helm install dure deploy/helm/dure -n {kube.SYSTEM_NAMESPACE} --create-namespace, "
                "or let `make cluster` do it"
            )
        there = {one["metadata"]["name"] for one in json.loads(self._kubectl("get", "nodes", "-o", "json"))["items"]}
        missing = sorted(set(nodes) - there)
        if missing:
            raise StageError(
                f"the cluster has no nodes {', '.join(missing)}, which the demo's agents speak for; `make cluster` makes them"
            )
        return version

    def environ(self) -> dict[str, str]:
        """What tells the processes of the cluster, each with the chart's own account for it."""
        return {setting: f"{NAME}={self._as(account)}" for setting, account in ACCOUNTS.items()}

    def workload(self, lease: wire.Lease) -> None:
        """A Job of its company for a lease: it waits at the gate until the lease starts.

        First for its namespace, whose quota counts the lease a moment after it was promised.
        """
        namespace = kube.namespace(lease.company)
        until = time.monotonic() + NAMESPACE_S
        while self._room(namespace) < lease.shape.total:
            if time.monotonic() > until:
                raise StageError(f"namespace {namespace} has no room for {lease.id} after {NAMESPACE_S:.0f} s")
            time.sleep(0.1)
        self._kubectl("create", "-n", namespace, "-f", "-", given=json.dumps(_job(lease)))

    def _room(self, namespace: str) -> int:
        """How many more GPUs its pods may ask for."""
        said = self._kubectl("get", "resourcequota", kube.QUOTA, "-n", namespace, "--ignore-not-found", "-o", "json")
        if not said.strip():
            return 0
        found, name = json.loads(said), f"requests.{kube.DEFAULT_RESOURCE}"
        used = found.get("status", {}).get("used", {})
        return int(found["spec"]["hard"].get(name, 0)) - int(used.get(name, 0))

    def look(self) -> None:
        """Tells which pods run and which do not any more since the last look."""
        now = datetime.now(UTC)
        found = json.loads(self._kubectl("get", "pods", "-A", "-l", kube.PLACEMENT_LABEL, "-o", "json"))["items"]
        running = {one["metadata"]["uid"]: one for one in found if one["status"].get("phase") == "Running"}
        new = [one for uid, one in running.items() if uid not in self.ran]
        for uid, one in running.items():
            lease = one["metadata"]["labels"][kube.PLACEMENT_LABEL]
            self.ran[uid] = (lease, self.ran.get(uid, (lease, now, now))[1], now)
        for lease, pods in _by_lease(new).items():
            where = ", ".join(sorted({one["spec"]["nodeName"] for one in pods}))
            self.tell(f"    Kubernetes runs {len(pods)} {'pod' if len(pods) == 1 else 'pods'} of {lease} on {where}")

    def wrong(self, leases: Mapping[str, wire.Lease]) -> list[str]:
        """Pods that ran outside of their lease, each a sentence."""
        found: list[str] = []
        for uid, (lease_id, first, last) in self.ran.items():
            lease = leases[lease_id]
            if lease.started_at is None or first < lease.started_at:
                found.append(f"pod {uid} of {lease_id} ran before its start")
            elif lease.stops_at is not None and (last - lease.stops_at).total_seconds() > LATE_S:
                found.append(f"pod {uid} of {lease_id} ran after its end")
        return found

    def left(self) -> int:
        """How many pods of leases run."""
        return len(
            self._kubectl(
                *("get", "pods", "-A", "-l", kube.PLACEMENT_LABEL, "--field-selector", "status.phase=Running"),
                *("--no-headers", "--ignore-not-found"),
            ).splitlines()
        )

    def clear(self, companies: Iterable[str]) -> None:
        """Takes the demo's namespaces away again; they go in their own time."""
        for company in companies:
            name = kube.namespace(company)
            self._kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false", check=False)

    def _as(self, account: str) -> Path:
        """A kubeconfig with a token of one of the chart's accounts."""
        token = self._kubectl("create", "token", account, "-n", kube.SYSTEM_NAMESPACE, "--duration=2h").strip()
        found: dict[str, Any] = json.loads(
            self._kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json")
        )
        for user in found["users"]:
            user["user"] = {"token": token}
        path = self.folder / f"{account}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(found))
        return path

    def _kubectl(self, *words: str, given: str = "", check: bool = True) -> str:
        command = shutil.which("kubectl")
        if command is None:
            raise StageError(f"{SETTING} is set and kubectl is not there: install it, or leave {SETTING} out")
        done = subprocess.run(
            [command, f"--kubeconfig={self.kubeconfig}", *words],
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise StageError(f"kubectl {' '.join(words[:4])} failed: {done.stderr.strip()}")
        return done.stdout


def _by_lease(pods: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for one in pods:
        found.setdefault(one["metadata"]["labels"][kube.PLACEMENT_LABEL], []).append(one)
    return found


def _job(lease: wire.Lease) -> dict[str, Any]:
    """A pod a node of a gang, else a pod a GPU."""
    shape = lease.shape
    pods, gpus = (shape.total, 1) if shape.nodes is None else (shape.nodes, shape.gpus_per_node or 1)
    container = {
        "name": "main",
        "image": "registry.example/train:1",
        "resources": {"limits": {kube.DEFAULT_RESOURCE: str(gpus)}},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": lease.id.replace("_", "-")},
        "spec": {
            "completionMode": "Indexed",
            "completions": pods,
            "parallelism": pods,
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": {kube.LEASE_LABEL: lease.id}},
                "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]},
            },
        },
    }
