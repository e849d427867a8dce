"""What a scheduler and an API are known by in a cluster, and an agent to the API, is changed while a lease runs there: no process
is started again, the lease runs on and ends, and what was used before is refused.
"""

import base64
import datetime
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import yaml
from cryptography import x509

from dure import kube, wire
from dure.client import Client
from dure.errors import DureError
from tests.acceptance.house import House
from tests.acceptance.mounted import Secrets
from tests.cluster import nodes
from tests.cluster.certificates import Pair
from tests.cluster.cluster import Cluster
from tests.integration.kube import chart
from tests.integration.kube.stand import pod

PRODUCT = "NVIDIA H100 80GB HBM3"
SYSTEM = f"/api/v1/namespaces/{kube.SYSTEM_NAMESPACE}"
ACCOUNTS = "system:serviceaccounts"
SHORT, LONG = datetime.timedelta(seconds=15), datetime.timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """`node` is in the cluster, with an agent; `company` has a namespace there once the scheduler acts."""

    house: House
    secrets: Secrets
    cluster: Cluster
    tag: str = field(default_factory=lambda: uuid.uuid4().hex[:6])

    @property
    def node(self) -> str:
        return f"gpu-{self.tag}"

    @property
    def company(self) -> str:
        return f"acme-{self.tag}"

    @property
    def server(self) -> str:
        return f"http://{self.house.address('api')}"

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{kube.namespace(self.company)}/pods"

    def token(self, account: str, secret: str) -> str:
        """A kubeconfig of one of the chart's accounts, by a token that dies with a Secret."""
        name = f"{secret}-{self.tag}"
        self.cluster.api.post(f"{SYSTEM}/secrets", json={"metadata": {"name": name}}).raise_for_status()
        made = chart.token(self.cluster.api, kube.SYSTEM_NAMESPACE, account, secret=name)
        return self._kubeconfig({"token": made})

    def kill(self, secret: str) -> None:
        self.cluster.api.delete(f"{SYSTEM}/secrets/{secret}-{self.tag}").raise_for_status()

    def certificate(self, account: str, life: datetime.timedelta) -> tuple[str, float]:
        """A kubeconfig of such an account, by a certificate; and when that ends, in Unix seconds."""
        name, groups = (
            f"{ACCOUNTS[:-1]}:{kube.SYSTEM_NAMESPACE}:{account}",
            (ACCOUNTS, f"{ACCOUNTS}:{kube.SYSTEM_NAMESPACE}"),
        )
        pair = self.cluster.authority.client(name, groups, life=life)
        return self._kubeconfig(_keys(pair)), x509.load_pem_x509_certificate(pair.crt).not_valid_after_utc.timestamp()

    def is_refused(self, kubeconfig: str) -> bool:
        """By the API server, as it does not know who comes."""
        path = self.secrets.folder.with_name("before.kubeconfig")
        path.write_text(kubeconfig)
        try:
            self.cluster.kubectl("get", "--raw", "/api", kubeconfig=path)
        except subprocess.CalledProcessError as refused:
            return "must be logged in to the server" in refused.stderr
        return False

    def shown(self) -> float | None:
        """When the certificate ends that the scheduler is known by, as it says."""
        series = 'dure_certificate_expiry_timestamp_seconds{certificate="cluster/main"}'
        return self.house.metric("scheduler", series)

    def makes(self, acme: Client, name: str) -> None:
        """A pod that runs, by a key that the API makes anew."""
        self.house.until(lambda: self.made(acme, name), f"the pod {name} to be made")
        self.house.until(lambda: self._runs(name), f"the pod {name} to run")

    def made(self, acme: Client, name: str) -> bool:
        try:
            key = acme.kube_token(company=self.company, cluster="main").token
        except DureError:  # its namespace is not there yet
            return False
        with self.cluster.http(token=key) as company:
            return company.post(self.pods, json=pod(name, 1)).status_code == 201

    def _kubeconfig(self, user: dict[str, str]) -> str:
        found = self.cluster.user("any")
        found["users"][0]["user"] = user
        return yaml.safe_dump(found)

    def _runs(self, name: str) -> bool:
        answer = self.cluster.api.get(f"{self.pods}/{name}")
        return answer.status_code == 200 and answer.json()["status"].get("phase") == "Running"


@pytest.fixture
def scene(database_url: str, charted: Cluster, tmp_path: Path) -> Iterator[Scene]:
    secrets = Secrets(tmp_path / "secrets")
    secrets.folder.mkdir()
    house = House(folder=tmp_path, shared={"DURE_DATABASE_URL": database_url})
    found = Scene(house=house, secrets=secrets, cluster=charted)
    with ExitStack() as left:
        nodes.add(charted, [nodes.node(found.node, pool="h100")])
        left.callback(nodes.remove, charted, [found.node])
        left.callback(house.close)
        yield found
        with chart.break_glass(charted) as operator:
            operator.delete(found.pods.removesuffix("/pods"))


def test_credentials_are_changed_while_a_lease_runs_and_nothing_is_started_again(scene: Scene) -> None:
    scene.secrets.write(scheduler=scene.token(kube.RECONCILER_ACCOUNT, "r1"), api=scene.token(kube.API_ACCOUNT, "a1"))
    secret = _served(scene)
    with Client(scene.server, secret, why="a test") as admin, ExitStack() as left:
        acme = left.enter_context(Client(scene.server, _company(scene, admin)))
        lease = acme.ask(wire.Ask(pool="h100", shape=wire.Shape(gpus=3), duration_s=3600))
        scene.makes(acme, "before")
        pids = {name: part.pid for name, part in scene.house.parts.items()}
        _another_token_of_the_agent(scene, admin)
        _another_token_of_the_api_and_a_certificate_of_the_scheduler(scene, acme)
        _another_certificate_of_the_scheduler(scene, acme)
        found = admin.lease(lease.id)
        assert (found.state, found.degraded) == (wire.LeaseState.ACTIVE, False)
        _ends(scene, admin, lease)
    assert {name: part.pid for name, part in scene.house.parts.items()} == pids
    assert "Traceback" not in scene.house.logs()


def _served(scene: Scene) -> str:
    """The admin's token, once the API answers."""
    token, here = scene.house.admin_token(), scene.secrets.now
    scene.house.scheduler(DURE_SCHEDULER_CLUSTERS=f"main={here / 'scheduler'}")
    scene.house.api(DURE_API_CLUSTERS=f"main={here / 'api'}")
    scene.house.until(lambda: scene.house.metric("api", "dure_api_event_streams") is not None, "the API")
    return token


def _company(scene: Scene, admin: Client) -> str:
    """The token of a company that may use the pool, whose one node reports."""
    admin.add_pool(wire.PoolCreate(name="h100", product=PRODUCT, gap_s=2, grace_s=1, cluster="main"))
    admin.add_company(wire.CompanyCreate(name=scene.company))
    admin.set_quota(scene.company, "h100", wire.QuotaSet(gpus=8))
    scene.secrets.write(agent=admin.enroll_node(wire.NodeEnroll(name=scene.node)).secret)
    said = {"SERVER": scene.server, "NODE": scene.node, "TOKEN_FILE": str(scene.secrets.now / "agent")}
    said |= {"DRIVER": "simulated", "INTERVAL_S": "1", "STATE": str(scene.house.folder / "state")}
    scene.house.start("agent", "agents", "DURE_AGENT_", {f"DURE_AGENT_{name}": value for name, value in said.items()})
    scene.house.until(lambda: scene.house.nodes_report(admin, 1), "the node's first report")
    return admin.issue_token(wire.TokenIssue(role=wire.Role.COMPANY, company=scene.company)).secret


def _another_token_of_the_agent(scene: Scene, admin: Client) -> None:
    before = scene.secrets.read("agent")
    scene.secrets.write(agent=admin.enroll_node(wire.NodeEnroll(name=scene.node), renew=True).secret)
    answer = httpx.get(
        f"{scene.server}/v1/nodes", headers={"Authorization": f"Bearer {before}"}, trust_env=False, timeout=120
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    renewed = datetime.datetime.now(datetime.UTC)
    scene.house.until(lambda: (admin.node(scene.node).last_report_at or renewed) > renewed, "a report by the other")


def _another_token_of_the_api_and_a_certificate_of_the_scheduler(scene: Scene, acme: Client) -> None:
    """The tokens of before die, as when they leaked."""
    before = [scene.secrets.read(name) for name in ("scheduler", "api")]
    certificate, ends = scene.certificate(kube.RECONCILER_ACCOUNT, SHORT)
    scene.secrets.write(scheduler=certificate, api=scene.token(kube.API_ACCOUNT, "a2"))
    for secret in ("r1", "a1"):
        scene.kill(secret)
    scene.house.until(lambda: all(map(scene.is_refused, before)), "the tokens to be refused")
    scene.house.until(lambda: scene.made(acme, "between"), "a pod by the API's other token")
    scene.house.until(lambda: scene.shown() == ends, "the scheduler to come by its certificate")


def _another_certificate_of_the_scheduler(scene: Scene, acme: Client) -> None:
    """That of before ends by itself."""
    before = scene.secrets.read("scheduler")
    certificate, ends = scene.certificate(kube.RECONCILER_ACCOUNT, LONG)
    scene.secrets.write(scheduler=certificate)
    scene.house.until(lambda: scene.is_refused(before), "the certificate to be refused")
    scene.makes(acme, "after")
    scene.house.until(lambda: scene.shown() == ends, "when it ends to be told")


def _ends(scene: Scene, admin: Client, lease: wire.Lease) -> None:
    """Its pods go, and its GPUs are proved empty."""
    admin.release(lease.id)
    scene.house.until(lambda: admin.lease(lease.id).state is wire.LeaseState.ENDED, "the lease to end")
    scene.house.until(lambda: not scene.cluster.get(scene.pods)["items"], "its pods to be gone")
    scene.house.until(lambda: all(gpu.proved_empty_at for gpu in admin.lease(lease.id).gpus), "empty GPUs")


def _keys(pair: Pair) -> dict[str, str]:
    said = {"client-certificate-data": pair.crt, "client-key-data": pair.key}
    return {name: base64.b64encode(pem).decode() for name, pem in said.items()}
