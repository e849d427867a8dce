"""Leases enforced on a real API server, by the chart's own account, with tenants who make pods by their own keys."""

from collections.abc import Iterator

import pytest

from dure import kube
from scheduler.store.db import Database
from tests.cluster.cluster import Cluster
from tests.integration.kube.stand import Stand, pod, soon, stand


@pytest.fixture
def acme(database: Database, cluster: Cluster) -> Iterator[Stand]:
    with stand(database, cluster) as made, made.loop():
        soon(lambda: _has_key(made), "the company's namespace and key")
        yield made


def _has_key(made: Stand) -> bool:
    answer = made.cluster.api.get(
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{made.namespace()}/rolebindings/{kube.COMPANY_KEY}"
    )
    return answer.status_code == 200


def test_a_pod_waits_at_the_gate_runs_when_its_lease_starts_and_is_gone_when_it_ends(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=16)
    soon(lambda: _quota(acme) == "8", "the quota of what is booked")
    acme.make(pod("early", 4))
    soon(lambda: acme.running() == {"early"}, "the pod to run")
    found = acme.pods()["early"]
    assert found["metadata"]["labels"][kube.PLACEMENT_LABEL] == lease.id
    assert found["spec"]["nodeName"] in {share.node for share in acme.lease(lease).placement}
    soon(lambda: acme.lease(lease).state == "ended", "the lease to end")
    assert not acme.running()
    soon(lambda: not acme.pods(), "the pod to be gone")


def _quota(made: Stand) -> str | None:
    answer = made.cluster.api.get(f"/api/v1/namespaces/{made.namespace()}/resourcequotas/{kube.QUOTA}")
    return answer.json()["spec"]["hard"].get("requests.nvidia.com/gpu") if answer.status_code == 200 else None
