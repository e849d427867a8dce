"""The cluster that enforces the demo's leases, if there is one: reached by the user's own kubectl, as an admin would."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Self

from deploy.demo.pace import Pace
from deploy.demo.seen import Seen
from deploy.demo.stage import StageError
from dure import kube, wire

SETTING = "DURE_KUBECONFIG"
NAME = "main"
ACCOUNTS = {"DURE_SCHEDULER_CLUSTERS": kube.RECONCILER_ACCOUNT, "DURE_API_CLUSTERS": kube.API_ACCOUNT}
ROOM_S = 60.0
LOOK_S = 0.2
CLEARED_S = 60
AT_ONCE = 4
BREAK_GLASS = ("--as=dure-demo", "--as-group=system:masters", "--as-group=dure:break-glass")
"""The chart's policies keep administrators, too, from deleting a company's namespace."""


def wanted() -> Path | None:
    """The kubeconfig that the demo is given, if it is."""
    said = os.environ.get(SETTING)
    return Path(said).expanduser().absolute() if said else None


@dataclass
class Cluster:
    """What kubectl is told and says, and what was seen of the leases' pods. Entered by `with`; what it made goes with it."""

    kubeconfig: Path
    folder: Path
    companies: frozenset[str]
    tell: Callable[[str], None] = print
    seen: Seen = field(default_factory=Seen)
    pace: Pace = field(default_factory=lambda: Pace(cores=os.cpu_count() or 1))
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE))
    _sent: list[Future[None]] = field(default_factory=list[Future[None]])
    _done: set[str] = field(default_factory=set[str])
    _over: Event = field(default_factory=Event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is left there is said, and is no error: the demo is over by then, and the cluster may be as well."""
        self._over.set()
        self._threads.shutdown(cancel_futures=True)
        names = sorted(map(kube.namespace, self.companies))
        self.tell(f"\nTaking the namespaces of the demo's {len(names)} companies out of the cluster again.")
        removal = (*BREAK_GLASS, "delete", "namespace", *names, "--ignore-not-found")
        try:
            self._kubectl(*removal, f"--timeout={CLEARED_S}s")
        except StageError as why:
            self.tell(f"They may still be there ({_first_line(why)}): kubectl {' '.join(removal)}")

    def fit(self, nodes: Iterable[str]) -> str:
        """The cluster's version. Raises StageError, which says what is missing, or in the way, and what to do."""
        version = json.loads(self._kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
        if self._run("auth", "can-i", "*", "*", "--all-namespaces").returncode:
            raise StageError(
                f"this needs an administrator's kubeconfig: {self.kubeconfig} may not do everything in the cluster"
            )
        if not self._kubectl("get", "mutatingadmissionpolicies", kube.GATE_POLICY, "--ignore-not-found").strip():
            raise StageError(
                f"the cluster has no policy {kube.GATE_POLICY}: helm install dure deploy/helm/dure "
                f"-n {kube.SYSTEM_NAMESPACE} --create-namespace, or let `make cluster` do it"
            )
        missing = sorted(set(nodes) - self._names("nodes"))
        if missing:
            raise StageError(
                f"the cluster has no nodes {', '.join(missing)}, which the demo's agents speak for; `make cluster` makes them"
            )
        there = sorted(self._names("namespaces") & set(map(kube.namespace, self.companies)))
        if there:
            raise StageError(
                "the cluster has namespaces of the demo's companies, of another demo that runs or was killed: "
                f"kubectl {' '.join(BREAK_GLASS)} delete namespace {' '.join(there)}"
            )
        return version

    def environ(self) -> dict[str, str]:
        """What tells the processes of the cluster, each with the chart's own account for it."""
        return {setting: f"{NAME}={self._as(account)}" for setting, account in ACCOUNTS.items()}

    def workload(self, lease: wire.Lease) -> None:
        """Sends a Job of its company for a lease, while the play goes on: it waits at the gate until the lease starts.

        Not before its company's quota counts the lease, a moment after it was promised: a Job whose pods are refused
        tries again in its own time. A lease that is over before that gets none.
        """
        self._sent.append(self._threads.submit(self._send, lease))

    def over(self, lease: wire.Lease) -> None:
        """Takes the Job of a lease that is over away: pods that it makes again would wait at the gate, within the quota."""
        self._done.add(lease.id)
        self._sent.append(self._threads.submit(self._take_away, lease))

    def look(self) -> list[str]:
        """What is new of the leases' pods, each a sentence. Raises StageError, also for a workload that was refused."""
        for sent in [sent for sent in self._sent if sent.done()]:
            self._sent.remove(sent)
            sent.result()
        asked_at, began = datetime.now(UTC), time.monotonic()
        found = json.loads(self._kubectl("get", "pods", "-A", "-l", kube.LEASE_LABEL, "-o", "json"))["items"]
        self.pace.saw(load=os.getloadavg()[0], answered_in_s=time.monotonic() - began)
        ours = set(map(kube.namespace, self.companies))
        return self.seen.look([pod for pod in found if pod["metadata"]["namespace"] in ours], asked_at)

    def _send(self, lease: wire.Lease) -> None:
        namespace = kube.namespace(lease.company)
        until = time.monotonic() + ROOM_S
        while self._room(namespace) < lease.shape.total:
            if lease.id in self._done or self._over.wait(LOOK_S) or time.monotonic() > until:
                return
        self._kubectl("create", "-n", namespace, "-f", "-", given=json.dumps(_job(lease)))

    def _take_away(self, lease: wire.Lease) -> None:
        self._kubectl("delete", "job", _name(lease), "-n", kube.namespace(lease.company), "--ignore-not-found")

    def _room(self, namespace: str) -> int:
        """How many more GPUs its pods may ask for."""
        said = self._kubectl("get", "resourcequota", kube.QUOTA, "-n", namespace, "--ignore-not-found", "-o", "json")
        if not said.strip():
            return 0
        found, name = json.loads(said), f"requests.{kube.DEFAULT_RESOURCE}"
        used = found.get("status", {}).get("used", {})
        return int(found["spec"]["hard"].get(name, 0)) - int(used.get(name, 0))

    def _names(self, kind: str) -> set[str]:
        return {name.partition("/")[2] for name in self._kubectl("get", kind, "-o", "name").split()}

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

    def _kubectl(self, *words: str, given: str = "") -> str:
        done = self._run(*words, given=given)
        if done.returncode:
            raise StageError(f"kubectl {' '.join(words[:4])} failed: {done.stderr.strip()}")
        return done.stdout

    def _run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = shutil.which("kubectl")
        if command is None:
            raise StageError(f"{SETTING} is set and kubectl is not there: install it, or leave {SETTING} out")
        return subprocess.run(
            [command, f"--kubeconfig={self.kubeconfig}", *words],
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )


def _first_line(why: StageError) -> str:
    return str(why).partition("\n")[0]


def _name(lease: wire.Lease) -> str:
    return lease.id.replace("_", "-")


def _job(lease: wire.Lease) -> dict[str, Any]:
    """A pod a node of a gang, else a pod a GPU."""
    shape = lease.shape
    pods, gpus = (shape.total, 1) if shape.nodes is None else (shape.nodes, shape.gpus_per_node or 1)
    container = {
        "name": "main",
        "image": "busybox:1.37",
        "command": ["sleep", "infinity"],
        "resources": {"limits": {kube.DEFAULT_RESOURCE: str(gpus)}},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": _name(lease)},
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
