"""Kubernetes' Job controller is away while leases end: what it has to count is left to it."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from scheduler.store.db import Database
from tests.cluster.control_plane import ControlPlane
from tests.integration.kube.stand import soon, stand
from tests.integration.kube.workloads import indexed_job

pytestmark = pytest.mark.timeout(900)

CONTROLLERS = "kube-controller-manager"
AWAY_S = 5
"""Longer than what holds a pod's object is looked at after its end."""


def test_a_job_whose_lease_was_released_meanwhile_knows_afterwards_that_its_pods_failed(
    database: Database, control_planes: Callable[..., ControlPlane]
) -> None:
    plane = control_planes()
    with stand(database, plane.cluster, count=1) as made, made.loop():
        lease = made.ask(8, duration_s=300)
        soon(made.has_key, "the company's namespace and key")
        made.make(indexed_job("gang", 1, pods=2, backoffLimit=0))
        soon(lambda: len(made.running()) == 2, "both to run")
        plane.kill(CONTROLLERS)
        made.release(lease)
        soon(lambda: made.lease(lease).state == "ended", "the lease to end")
        ended = made.clock.now()
        soon(lambda: made.clock.now() > ended + AWAY_S, "a while to pass")
        assert all("deletionTimestamp" in one["metadata"] for one in made.pods().values())
        plane.restart(CONTROLLERS)
        job = f"/apis/batch/v1/namespaces/{made.namespace()}/jobs/gang"
        soon(lambda: _has_failed(made.get(job)), "the Job to have failed", within_s=90)
        soon(lambda: not made.pods(), "its pods to be gone")


def _has_failed(job: Mapping[str, Any] | None) -> bool:
    conditions = (job or {}).get("status", {}).get("conditions", ())
    return any(one["type"] == "Failed" and one["status"] == "True" for one in conditions)
