"""An API that makes keys on the charted test cluster with the chart's own account, and a company of its own there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner, Result

from dure import kube, wire
from dure.cli import app
from dure.cli.terminal import Outside
from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.keys import Keys
from scheduler.store import joining, pools, quotas
from scheduler.store.db import Database
from tests.cluster.cluster import Cluster
from tests.integration.api.conftest import Site, opened, token
from tests.integration.kube import companies
from tests.integration.kube.chart import account
from tests.integration.kube.chart import token as kube_token
from tests.integration.kube.escapes.story import until
from tests.integration.kube.tenants import shell
from tests.integration.scheduler.conftest import ADMIN, T0, World


@dataclass(frozen=True, kw_only=True)
class Keyed:
    """`company` has a namespace in the cluster, and `environ` is its own shell's."""

    site: Site
    cluster: Cluster
    company: str
    reconciler: httpx.Client
    environ: Mapping[str, str]

    @property
    def namespace(self) -> str:
        return kube.namespace(self.company)

    def running(self, **more: Any) -> str:
        """A lease that holds its GPUs, with its account in the cluster."""
        lease = self.site.world.ask(who=self.company, **more).id
        self.site.world.turn(T0)
        self.account(kube.lease_account(lease), kube.LEASE_ROLE)
        return lease

    def account(self, name: str, role: str) -> None:
        """As the reconciler makes it."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        body = {"metadata": {"name": name}, "automountServiceAccountToken": False}
        self.reconciler.post(path, json=body).raise_for_status()
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        companies.bind(self.reconciler, self.namespace, name, [subject], role=role).raise_for_status()
        until(lambda: self._may_look(name), "its rights to be known")

    def _may_look(self, name: str) -> bool:
        """As the API server sees it, which hears of a binding a moment after it was made."""
        attributes = {"namespace": self.namespace, "verb": "list", "resource": "pods"}
        spec = {"user": f"system:serviceaccount:{self.namespace}:{name}", "resourceAttributes": attributes}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return self.cluster.api.post(path, json={"spec": spec}).raise_for_status().json()["status"]["allowed"]

    def end(self, lease: str) -> None:
        """As the reconciler takes it away: the binding first."""
        name = kube.lease_account(lease)
        bindings = "/apis/rbac.authorization.k8s.io/v1"
        for path in (f"{bindings}/namespaces/{self.namespace}/rolebindings", self._accounts):
            self.reconciler.delete(f"{path}/{name}").raise_for_status()

    @property
    def _accounts(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/serviceaccounts"

    def dure(self, *words: str, who: str | None = None) -> Result:
        """As the company, or as somebody else whose token is said."""
        environ = {**self.environ, **({"DURE_TOKEN": who} if who else {})}
        now = lambda: datetime.fromtimestamp(self.site.clock.at, UTC)  # noqa: E731
        result = CliRunner().invoke(app, list(words), obj=Outside(environ=environ, now=now))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result


@contextmanager
def keyed(db: Database, cluster: Cluster, company: str, home: Path) -> Iterator[Keyed]:
    """The namespace goes again, in its own time."""
    api = cluster.kubeconfig_for_token(kube_token(cluster.api, kube.SYSTEM_NAMESPACE, kube.API_ACCOUNT))
    keys = Keys([ClusterAddress(name="main", kubeconfig=str(api))])
    with opened(World(db).found(), keys=keys) as site, account(cluster, kube.RECONCILER_ACCOUNT) as reconciler:
        with db.begin() as session:
            joining.add(session, wire.CompanyCreate(name=company), actor=ADMIN, now=T0)
            quotas.put(session, company, "h100", wire.QuotaSet(gpus=16), actor=ADMIN, now=T0)
            pools.change(session, "h100", wire.PoolChange(cluster="main"), actor=ADMIN, now=T0)
        environ = shell(site.url, token(db, role="company", company=company), home)
        found = Keyed(site=site, cluster=cluster, company=company, reconciler=reconciler, environ=environ)
        labels = {kube.COMPANY_LABEL: company, kube.MANAGED_BY: kube.MANAGER}
        companies.namespace(reconciler, found.namespace, labels).raise_for_status()
        found.account(kube.COMPANY_KEY, kube.COMPANY_KEY)
        try:
            yield found
        finally:
            cluster.api.delete(f"/api/v1/namespaces/{found.namespace}")
