"""A node that is there and whose kubelet is not: its pods are asked to go, nothing is forced, and somebody is told for how long."""

from collections.abc import Callable, Sequence

import pytest

from dure import kube
from scheduler.store.db import Database
from tests.cluster import nodes as fakes
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ControlPlane
from tests.integration.kube.stand import MARGIN_S, pod, soon, stand

pytestmark = pytest.mark.timeout(900)

GRACE_S = 12
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
WHO = f"system:serviceaccount:{kube.SYSTEM_NAMESPACE}:{kube.RECONCILER_ACCOUNT}"


def test_a_pod_whose_kubelet_is_away_at_its_lease_s_end_is_forced_only_once_its_node_is_gone(
    database: Database, control_planes: Callable[..., ControlPlane]
) -> None:
    plane = control_planes(audit=True)
    cluster = plane.cluster
    with stand(database, cluster, count=1, grace_s=GRACE_S, extension_closes_s=GRACE_S) as made, made.loop() as running:
        soon(made.has_key, "the company's namespace and key")
        # The first decision of a process takes the longest.
        made.ask(8, who=made.globex, start_in_s=3600)
        lease = made.ask(8, duration_s=45)
        made.make(pod("left", 1))
        soon(lambda: made.running() == {"left"}, "the pod to run")
        plane.kill("kwok")
        _say_nothing(cluster, made.nodes)
        end = made.ends(lease)
        assert made.clock.now() < end - GRACE_S, "too late to prove anything"

        def undone_s() -> float:
            return running.value("dure_kube_undone_age_seconds", cluster="main")

        soon(lambda: undone_s() > 2 * MARGIN_S, "the age of what is not ended", within_s=120)
        # It was to be gone the margin before the end.
        assert end - MARGIN_S - 1 < made.clock.now() - undone_s() <= end
        soon(lambda: running.value("dure_kube_undone", cluster="main") == 1, "nothing else to be undone")
        soon(lambda: running.value("dure_kube_pods_unexplained", cluster="main") == 1, "it to be counted")
        assert made.lease(lease).state == "ended"
        assert "deletionTimestamp" in made.pods()["left"]["metadata"]
        graces = _graces(cluster, made.path("left"))
        assert graces[0] > graces[1] == 1, graces
        assert len(graces) == 2
        fakes.remove(cluster, made.nodes)
        soon(lambda: not made.pods(), "the pod's object to go")
        soon(lambda: _graces(cluster, made.path("left")) == [*graces, 0], "it to be written down")
        soon(lambda: running.value("dure_kube_undone", cluster="main") == 0, "nothing to be undone")
        assert not [call for call in cluster.audited() if call["requestURI"].startswith(f"{made.path('left')}/log")]


def _say_nothing(cluster: Cluster, names: Sequence[str]) -> None:
    """As nodes' controller says of those that it hears nothing of."""
    ready = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}
    for name in names:
        path = f"/api/v1/nodes/{name}/status"
        cluster.api.patch(path, headers=STRATEGIC, json={"status": {"conditions": [ready]}}).raise_for_status()
    soon(lambda: not fakes.ready(cluster) & set(names), "the nodes not to be ready")


def _graces(cluster: Cluster, path: str) -> list[int]:
    """Those with which the reconciler asked for the end of a pod, oldest first."""
    asked = (call for call in cluster.audited() if (call["verb"], call["user"]["username"]) == ("delete", WHO))
    return [
        call["requestObject"]["gracePeriodSeconds"] for call in asked if call["requestURI"].partition("?")[0] == path
    ]
