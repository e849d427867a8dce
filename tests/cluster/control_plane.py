"""A control plane of its own: etcd, API server, controller manager, scheduler and kwok, on the loopback, in one folder."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import yaml

from deploy.local.children import Child
from tests import ports
from tests.cluster import binaries, daemons, kwok
from tests.cluster.certificates import HOST, Authority, signing_key
from tests.cluster.cluster import ADMINS, Cluster

READY_S = 90.0
"""It takes 3 s where there is nothing else to do."""

PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")

SERVICES = "10.96.0.0/16"
KUBELETS = ("kwok", (ADMINS, "system:nodes"))
"""Whom kwok comes as: policies know kubelets by their group. Not by the name of one, which is bound to its own node."""

FRONT_PROXY = "front-proxy"
"""Name of the authority, and of the user, that may say who it speaks for: see `proxy.py`."""


class ControlPlane:
    """Started by `with`, and gone after it. Dies with its thread: enter it in one that stays.

    `cluster` is what tests work with. With `audit` each API call is written down (`Cluster.audited`); `apiserver` are
    more flags of the API server, such as those that switch an API off.
    """

    def __init__(self, folder: Path, *, audit: bool = False, apiserver: Sequence[str] = ()) -> None:
        """`folder` is empty and goes when the caller is done; nothing here removes it. Raises NoBinaries."""
        for name in PARTS:
            binaries.find(name)
        self.folder = folder
        self._audit, self._flags = audit, tuple(apiserver)
        self._etcd, self._peers, self._port, *self._others = ports.free(6)
        self._parts: dict[str, Child] = {}
        self.cluster = Cluster(folder, f"https://{HOST}:{self._port}")

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends all of it, at once."""
        self.cluster.close()
        for child in reversed(self._parts.values()):
            daemons.kill(child)

    def kill(self, part: str) -> None:
        """SIGKILL to one of `PARTS`."""
        daemons.kill(self._parts[part])

    def restart(self, part: str) -> None:
        """Starts a killed part as it was; answers when the API server is ready again."""
        self._parts[part].launch()
        self._until("the API server", "/readyz")

    def pids(self) -> dict[str, int]:
        """Of the parts that run."""
        return {name: child.pid for name, child in self._parts.items() if child.pid}

    def _start(self) -> None:
        self._write()
        client = f"http://{HOST}:{self._etcd}"
        self._run("etcd", *_etcd(self.folder, client, f"http://{HOST}:{self._peers}"))
        self._run("kube-apiserver", *self._apiserver(client), *self._flags)
        # The others wait for it too, and give up where it is slow.
        self._until("the API server", "/readyz")
        controllers, scheduler, fake = self._others
        self._run("kube-controller-manager", *self._controllers(controllers))
        self._run("kube-scheduler", f"--config={self.folder / 'scheduler.yaml'}", *self._serving(scheduler))
        self._parts["kwok"] = daemons.start(
            "kwok", kwok.command(self.cluster.kubeconfig(*KUBELETS), fake), folder=self.folder
        )
        # Without it no pod can be made.
        self._until("the controllers", "/api/v1/namespaces/default/serviceaccounts/default")

    def _run(self, name: str, *flags: str) -> None:
        self._parts[name] = daemons.start(name, [binaries.find(name), *flags], folder=self.folder)

    def _until(self, what: str, path: str) -> None:
        """Until `path` is answered."""

        def answers() -> bool:
            try:
                return self.cluster.api.get(path).is_success
            except httpx.TransportError:
                return False

        daemons.until(answers, self._parts.values(), within_s=READY_S, what=what)

    def _write(self) -> None:
        folder, authority = self.folder, self.cluster.authority
        signing_key(folder)
        authority.server("server").write(folder, "server")
        authority.client("kube-apiserver-kubelet-client", [ADMINS]).write(folder, "kubelet-client")
        proxy = Authority(folder, FRONT_PROXY)
        proxy.client(FRONT_PROXY).write(folder, "front-proxy-client")
        self.cluster.admin.touch(mode=0o600)
        self.cluster.admin.write_text(yaml.safe_dump(self.cluster.user("admin", [ADMINS])))
        (folder / "scheduler.yaml").write_text(
            yaml.safe_dump(_scheduler(self.cluster.kubeconfig("system:kube-scheduler")))
        )
        (folder / "audit.yaml").write_text(yaml.safe_dump(AUDITED))

    def _serving(self, port: int) -> list[str]:
        folder = self.folder
        keys = [f"--tls-cert-file={folder / 'server.crt'}", f"--tls-private-key-file={folder / 'server.key'}"]
        return [f"--bind-address={HOST}", f"--secure-port={port}", *keys]

    def _apiserver(self, etcd: str) -> list[str]:
        folder = self.folder
        audit = [f"--audit-policy-file={folder / 'audit.yaml'}", f"--audit-log-path={folder / 'audit.log'}"]
        return [
            *self._serving(self._port),
            f"--etcd-servers={etcd}",
            f"--advertise-address={HOST}",
            # Else it insists on an address that others can reach.
            "--endpoint-reconciler-type=none",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--client-ca-file={folder / 'ca.crt'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder / 'accounts.pub'}",
            f"--service-account-signing-key-file={folder / 'accounts.key'}",
            f"--service-cluster-ip-range={SERVICES}",
            f"--kubelet-client-certificate={folder / 'kubelet-client.crt'}",
            f"--kubelet-client-key={folder / 'kubelet-client.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={folder / f'{FRONT_PROXY}.crt'}",
            f"--requestheader-allowed-names={FRONT_PROXY}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            *(audit if self._audit else []),
        ]

    def _controllers(self, port: int) -> list[str]:
        folder = self.folder
        return [
            *self._serving(port),
            f"--kubeconfig={self.cluster.kubeconfig('system:kube-controller-manager')}",
            "--leader-elect=false",
            "--use-service-account-credentials",
            f"--root-ca-file={folder / 'ca.crt'}",
            f"--service-account-private-key-file={folder / 'accounts.key'}",
            f"--cluster-signing-cert-file={folder / 'ca.crt'}",
            f"--cluster-signing-key-file={folder / 'ca.key'}",
            f"--node-monitor-grace-period={kwok.LEASE_S}s",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ]


AUDITED = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {"level": "Request", "verbs": ["delete"], "resources": [{"group": "", "resources": ["pods"]}]},
        {
            "level": "Request",
            "verbs": ["create", "patch"],
            "resources": [{"group": "rbac.authorization.k8s.io", "resources": ["rolebindings"]}],
        },
        {"level": "Metadata"},
    ],
}
"""Each call once, when it is answered; a watch when it ends. Of the end of a pod, and of what binds a role, also what was asked for."""


def _etcd(folder: Path, client: str, peers: str) -> list[str]:
    return [
        f"--data-dir={folder / 'etcd'}",
        # What is lost with the machine is no loss here.
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
    ]


def _scheduler(kubeconfig: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 500, "burst": 1000},
        "leaderElection": {"leaderElect": False},
    }
