"""Agents with tokens of their cluster, as a kubelet projects them: a real API server says whose they are and on which node."""

import base64
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import examples
from dure import kube
from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.reviews import AGENT, AUDIENCE, Reviews
from scheduler.store.db import Database
from tests.cluster import nodes
from tests.cluster.cluster import Cluster
from tests.integration.api.conftest import Site, code, opened
from tests.integration.kube import companies
from tests.integration.kube.chart import token as kube_token
from tests.integration.kube.escapes.story import until
from tests.integration.scheduler.conftest import World

_, _, NAMESPACE, ACCOUNT = AGENT.split(":")


@dataclass(frozen=True, kw_only=True)
class Vouched:
    """An API that is told of the cluster by the chart's own account, and a node there with an agent's pod on it."""

    site: Site
    cluster: Cluster
    node: str

    def pod(self, *, account: str = ACCOUNT, node: str | None = None) -> dict[str, Any]:
        body = companies.pod(f"agent-{uuid.uuid4().hex[:8]}", gpus=0, serviceAccountName=account)
        body["spec"]["nodeName"] = node or self.node
        made = self.cluster.api.post(f"/api/v1/namespaces/{NAMESPACE}/pods", json=body)
        return made.raise_for_status().json()["metadata"]

    def token(self, pod: dict[str, Any] | None = None, *, account: str = ACCOUNT, audience: str = AUDIENCE) -> str:
        """As the kubelet asks for it; of no pod where none is given."""
        spec: dict[str, Any] = {"audiences": [audience], "expirationSeconds": 600}
        if pod is not None:
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod["name"], "uid": pod["uid"]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
        return self.cluster.api.post(path, json=body).raise_for_status().json()["status"]["token"]

    def report(self, token: str, node: str | None = None) -> httpx.Response:
        self.site.secrets["agent"] = token
        body = examples.requests("report_node")[0]
        body = {**body, "gpus": [{**gpu, "uuid": f"GPU-{self.node}-{gpu['index']}"} for gpu in body["gpus"]]}
        return self.site.post("agent", f"/v1/nodes/{node or self.node}/reports", json=body)

    def heard(self) -> float | None:
        """When its node last reported."""
        answer = self.site.get("admin", f"/v1/nodes/{self.node}")
        said = answer.json().get("last_report_at") if answer.status_code == 200 else None
        return None if said is None else datetime.fromisoformat(said).timestamp()

    def delete(self, pod: dict[str, Any]) -> None:
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['name']}"
        self.cluster.api.delete(path, params={"gracePeriodSeconds": 0}).raise_for_status()

    def vouches(self, token: str) -> bool:
        """The cluster itself."""
        spec = {"token": token, "audiences": [AUDIENCE]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        answer = self.cluster.api.post("/apis/authentication.k8s.io/v1/tokenreviews", json=body)
        return answer.raise_for_status().json()["status"].get("authenticated", False)

    def refuses(self, token: str) -> bool:
        """The API, whatever is said by it."""
        self.site.secrets["agent"] = token
        return code(self.site.post("agent", f"/v1/nodes/{self.node}/reports", json={})) == (401, "token_invalid")


def account(cluster: Cluster, name: str) -> None:
    """As the chart makes it, whoever comes first."""
    for path, named in (("/api/v1/namespaces", NAMESPACE), (f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", name)):
        answer = cluster.api.post(path, json={"metadata": {"name": named}})
        assert answer.status_code in (201, 409), answer.text


@pytest.fixture
def reviews(charted: Cluster) -> Iterator[Reviews]:
    mine = charted.kubeconfig_for_token(kube_token(charted.api, kube.SYSTEM_NAMESPACE, kube.API_ACCOUNT))
    found = Reviews([ClusterAddress(name="main", kubeconfig=str(mine))])
    yield found
    found.close()


@pytest.fixture
def at(database: Database, charted: Cluster, reviews: Reviews) -> Iterator[Vouched]:
    name = f"agent-node-{uuid.uuid4().hex[:8]}"
    for one in (ACCOUNT, "other"):
        account(charted, one)
    nodes.add(charted, [nodes.node(name)])
    with opened(World(database).found(), reviews=reviews) as site:
        site.clock.at = int(time.time())
        yield Vouched(site=site, cluster=charted, node=name)
    nodes.remove(charted, [name])


def test_an_agent_whose_cluster_vouches_for_it_is_enrolled_by_its_first_report(at: Vouched) -> None:
    pod = at.pod()
    answer = at.report(at.token(pod))
    assert answer.status_code == 200, answer.text
    assert at.site.get("admin", f"/v1/nodes/{at.node}").json()["state"] == "ok"
    (line,) = at.site.get("admin", f"/v1/audit?action=node.enroll&subject={at.node}").json()["items"]
    assert line["actor"] == f"node:{at.node}:main/{pod['name']}"
    assert line["after"] == {"vouched_by": "main"}


def test_it_reports_for_its_own_node_alone(at: Vouched) -> None:
    token = at.token(at.pod())
    assert code(at.report(token, "n1")) == (403, "wrong_node")
    assert at.report(token).status_code == 200


def test_the_token_opens_nothing_but_the_report(at: Vouched) -> None:
    at.site.secrets["agent"] = at.token(at.pod())
    assert code(at.site.get("agent", "/v1/nodes")) == (401, "token_invalid")
    proposal = {"secret_sha256": "0" * 64}
    assert code(at.site.post("agent", f"/v1/nodes/{at.node}/credential", json=proposal)) == (409, "not_rotating")


def test_other_tokens_of_the_cluster_are_refused_each_with_its_code(at: Vouched) -> None:
    pod, others = at.pod(), at.pod(account="other")
    said = {
        "another account": (at.token(others, account="other"), (403, "forbidden")),
        "no pod": (at.token(), (403, "forbidden")),
        "another audience": (at.token(pod, audience="vault"), (401, "token_invalid")),
        "made up": (forged(at.token(pod), at.node), (401, "token_invalid")),
    }
    for what, (token, want) in said.items():
        assert code(at.report(token)) == want, what


def _expires_at(token: str) -> int:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["exp"]


def test_a_token_that_has_expired_is_refused_though_its_review_is_kept(at: Vouched) -> None:
    token = at.token(at.pod())
    assert at.report(token).status_code == 200
    at.site.clock.at = _expires_at(token)
    assert code(at.report(token)) == (401, "token_expired")


def test_the_token_of_a_pod_that_is_gone_is_refused_a_minute_later(at: Vouched) -> None:
    pod = at.pod()
    token = at.token(pod)
    assert at.report(token).status_code == 200
    at.delete(pod)
    at.site.clock.at += 61

    def refused() -> bool:
        at.site.clock.at += 61
        return at.report(token).status_code == 401

    until(refused, "the token to be dead")


def test_an_agent_whose_token_was_replaced_goes_on_through_its_lease_and_is_not_started_again(
    at: Vouched, tmp_path: Path
) -> None:
    world, clock, file = at.site.world, at.site.clock, tmp_path / "token"
    first, second = at.pod(), at.pod()
    before = _projected(file, at.token(first))
    with _agent(at, file, tmp_path) as agent:
        until(lambda: at.heard() == clock.at, "the agent's first report")
        for node in ("n1", "n2"):
            at.site.post("admin", f"/v1/nodes/{node}/drain", json={"duration_s": 3600}).raise_for_status()
        lease = world.ask(8, now=clock.at)
        clock.at += 2
        world.turn(clock.at)
        assert world.lease(lease).state == "active"
        _projected(file, at.token(second))
        at.delete(first)
        until(lambda: not at.vouches(before), "the cluster to know the first token no more")
        clock.at += 61
        assert at.refuses(before)
        until(lambda: at.heard() == clock.at, "a report by the second")
        assert world.lease(lease).state == "active"
        clock.at += lease.duration_s
        world.turn(clock.at)
        until(lambda: all(gpu.proved_empty_at for gpu in world.lease(lease).gpus), "its GPUs to be proved empty")
        assert (world.lease(lease).state, agent.poll()) == ("ended", None)


def _projected(file: Path, token: str) -> str:
    """As a kubelet writes it: in one piece."""
    draft = file.with_name("draft")
    draft.write_text(token)
    draft.replace(file)
    return token


@contextmanager
def _agent(at: Vouched, token: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The real process, which runs as in the first pod."""
    said = {"SERVER": at.site.url, "NODE": at.node, "DRIVER": "simulated", "PORT": "0", "INTERVAL_S": "0.2"}
    said |= {"TOKEN_FILE": str(token), "STATE": str(folder / "state")}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DURE_")}
    environ = inherited | {f"DURE_AGENT_{name}": value for name, value in said.items()}
    with (folder / "agent.log").open("wb") as log:
        agent = subprocess.Popen([sys.executable, "-m", "agents"], env=environ, stderr=log)
    try:
        yield agent
    finally:
        agent.terminate()
        agent.wait(60)


def forged(token: str, node: str) -> str:
    """The same with another node in it, under the signature of before."""
    head, middle, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(middle + "=="))
    claims["kubernetes.io"]["node"] = {"name": f"{node}x", "uid": str(uuid.uuid4())}
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{head}.{changed}.{signature}"
