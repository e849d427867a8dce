"""Processes that run in a pod of the cluster that they enforce: the account's own files, as a kubelet writes them, lead there."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from dure import kube
from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.keys import Keys
from scheduler.store.db import Database
from tests.cluster.cluster import Cluster
from tests.integration.kube import chart
from tests.integration.kube.stand import pod, soon, stand

SECRETS = f"/api/v1/namespaces/{kube.SYSTEM_NAMESPACE}/secrets"


class Account:
    """The files of one of the chart's accounts, as they are in a pod; each token is one that can be made to die."""

    def __init__(self, cluster: Cluster, name: str, folder: Path) -> None:
        self._cluster, self._name = cluster, name
        self._secret: str | None = None
        self.address = ClusterAddress(name="main", account=folder)
        (folder / "ca.crt").write_bytes(cluster.authority.crt.read_bytes())
        self.token = self._written()

    def rotate(self) -> None:
        """Another token; that of before is dead then."""
        before, secret = self.token, self._secret
        self.token = self._written()
        self._cluster.api.delete(f"{SECRETS}/{secret}").raise_for_status()
        with self._cluster.http(token=before) as old:
            # It may be believed for ten seconds.
            soon(lambda: old.get("/api/v1/nodes").status_code == 401, "the token of before to be dead")

    def remove(self) -> None:
        self._cluster.api.delete(f"{SECRETS}/{self._secret}").raise_for_status()

    def _written(self) -> str:
        """In one piece, as a kubelet does it."""
        api, self._secret = self._cluster.api, f"bound-{uuid.uuid4().hex[:8]}"
        api.post(SECRETS, json={"metadata": {"name": self._secret}}).raise_for_status()
        token = chart.token(api, kube.SYSTEM_NAMESPACE, self._name, secret=self._secret)
        draft = self.address.account / "draft"
        draft.write_text(token)
        draft.replace(self.address.account / "token")
        return token


@pytest.fixture
def in_pod(charted: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Account]]:
    """The files of the account of a name, in this process as in a pod of its."""
    at = httpx.URL(charted.url)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", at.host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(at.port))
    with ExitStack() as stack:

        @contextmanager
        def made(name: str) -> Iterator[Account]:
            found = Account(charted, name, tmp_path)
            yield found
            found.remove()

        yield lambda name: stack.enter_context(made(name))


def test_a_scheduler_in_a_pod_enforces_leases_also_when_its_token_was_rotated(
    database: Database, charted: Cluster, in_pod: Callable[[str], Account]
) -> None:
    account = in_pod(kube.RECONCILER_ACCOUNT)
    with stand(database, charted, count=1) as made:
        made.address = account.address
        with made.loop() as running:
            soon(made.has_key, "the company's namespace and key")
            lease = made.ask(8, duration_s=600)
            made.make(pod("before", 1))
            soon(lambda: made.running() == {"before"}, "the pod to run")
            account.rotate()
            made.make(pod("after", 1))
            soon(lambda: made.running() == {"before", "after"}, "the pod of after it")
            soon(lambda: running.value("dure_cluster_up", cluster="main") == 1, "the cluster to be well")
            made.release(lease)
            soon(lambda: not made.pods() and made.lease(lease).state == "ended", "the end")


def test_an_api_in_a_pod_makes_keys_also_when_its_token_was_rotated(
    database: Database, charted: Cluster, in_pod: Callable[[str], Account]
) -> None:
    account = in_pod(kube.API_ACCOUNT)
    keys = Keys([account.address])
    with stand(database, charted, count=1) as made, made.loop():
        soon(made.has_key, "the company's namespace and key")
        for happens in (None, account.rotate):
            if happens is not None:
                happens()
            key = keys.make("main", made.acme, kube.COMPANY_KEY, 600)
            with charted.http(token=key.token) as company:
                path = f"/api/v1/namespaces/{made.namespace()}/pods"
                soon(lambda company=company, path=path: company.get(path).is_success, "the key to work")
    server = keys.server("main")
    keys.close()
    assert (server.url, server.authority) == (charted.url, charted.authority.crt.read_text())
