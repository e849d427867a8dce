"""Several clusters in one allocator: each pool names its own, and each is reconciled by itself."""

from collections.abc import Callable
from contextlib import closing

from dure import kube, wire
from scheduler.kube.clusters import ClusterAddress
from scheduler.store import nodes, pools, quotas
from scheduler.store.db import Database
from tests.cluster import nodes as fakes
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ControlPlane
from tests.integration.kube import chart
from tests.integration.kube.stand import ADMIN, Stand, pod, soon, stand

MIG = "nvidia.com/mig-1g.10gb"
LATE_S = 1.0
PRODUCT = "NVIDIA A100 MIG 1g.10gb"


def test_each_pool_is_enforced_by_its_own_cluster_and_one_that_is_away_holds_up_no_other(
    database: Database, cluster: Cluster, control_planes: Callable[..., ControlPlane]
) -> None:
    plane = control_planes()
    edge = plane.cluster
    chart.install(edge)
    token = chart.token(edge.api, kube.SYSTEM_NAMESPACE, kube.RECONCILER_ACCOUNT, seconds=7200)
    there = ClusterAddress(name="edge", kubeconfig=str(edge.kubeconfig_for_token(token)))
    with stand(database, cluster) as made:
        _edge_pool(made, edge)
        with made.loop(more=(there,)) as running, closing(edge):
            lease = made.ask(8, duration_s=75)
            other = made.ask(2, duration_s=75, pool="mig")
            alone = made.ask(1, who=made.globex, duration_s=300, pool="mig")
            soon(lambda: made.quota() == "8", "the quota of the one")
            soon(lambda: _quota(made, edge) == "2", "the quota of the other")
            made.make(pod("here", 1))
            body = pod("there", 1)
            body["spec"]["containers"][0]["resources"] = {"limits": {MIG: "1"}}
            path = f"/api/v1/namespaces/{made.namespace()}/pods"
            soon(lambda: edge.api.post(path, json=body).is_success, "the other's pod to be taken")
            soon(lambda: made.running() == {"here"}, "the pod in the one")
            soon(lambda: edge.get(f"{path}/there")["status"].get("phase") == "Running", "the pod in the other")
            placed = edge.get(f"{path}/there")["metadata"]["labels"][kube.PLACEMENT_LABEL]
            assert placed == other.id != lease.id
            want = [
                {kube.COMPANY_KEY, kube.lease_account(lease.id)},
                {kube.COMPANY_KEY},
                {kube.COMPANY_KEY, kube.lease_account(other.id)},
                {kube.COMPANY_KEY, kube.lease_account(alone.id)},
            ]
            places = [(where, who) for where in (cluster, edge) for who in (made.acme, made.globex)]
            soon(lambda: [_keys(made, *place) for place in places] == want, "the keys of each, where its lease is")
            assert made.quota(made.globex) == "0"
            plane.kill("kube-apiserver")
            soon(lambda: running.value("dure_cluster_up", cluster="edge") == 0, "it to be said that one is away")
            soon(lambda: running.value("dure_cluster_up", cluster="main") == 1, "the other to be well")
            made.make(pod("on", 1))
            soon(lambda: made.running() == {"here", "on"}, "the other to go on")
            end = made.ends(lease)
            soon(lambda: not made.running(), "what runs there to be ended", within_s=120)
            assert made.clock.now() < end + LATE_S
            soon(lambda: made.clock.now() > made.ends(other), "the other's end to pass", within_s=120)
            soon(lambda: running.value("dure_kube_undone", cluster="edge") > 0, "it to be told")
            soon(lambda: running.value("dure_kube_undone", cluster="main") == 0, "nothing to be undone in the one")
            plane.restart("kube-apiserver")
            soon(
                lambda: edge.api.get(f"{path}/there").status_code == 404, "what is over there to be ended", within_s=60
            )
            soon(lambda: running.value("dure_cluster_up", cluster="edge") == 1, "it to be well again", within_s=60)


def _edge_pool(made: Stand, edge: Cluster) -> None:
    """A pool of MIG slices on a node of the other cluster."""
    now, node = made.clock.now(), f"edge-{made.tag}"
    fakes.add(edge, [fakes.node(node, gpus=0, mig={MIG: 4}, pool="mig")])
    with made.db.begin() as session:
        body = {"name": "mig", "product": PRODUCT, "gap_s": 4, "grace_s": 6, "cluster": "edge", "resource": MIG}
        pools.add(session, wire.PoolCreate.model_validate({**body, "slack_ppm": 0}), actor=ADMIN, now=now)
        for who in (made.acme, made.globex):
            quotas.put(session, who, "mig", wire.QuotaSet(gpus=100), actor=ADMIN, now=now)
        nodes.enroll(session, wire.NodeEnroll(name=node), actor=ADMIN, now=now)
    made.products[node] = (PRODUCT, 4)
    made.report(node, ())
    made.nodes.append(node)


def _quota(made: Stand, edge: Cluster) -> str | None:
    answer = edge.api.get(f"/api/v1/namespaces/{made.namespace()}/resourcequotas/{kube.QUOTA}")
    return answer.json()["spec"]["hard"].get(f"requests.{MIG}") if answer.status_code == 200 else None


def _keys(made: Stand, cluster: Cluster, who: str | None = None) -> set[str]:
    """The accounts of ours that a company has in a cluster."""
    found = cluster.get(f"/api/v1/namespaces/{made.namespace(who)}/serviceaccounts")["items"]
    return {one["metadata"]["name"] for one in found} - {"default"}
