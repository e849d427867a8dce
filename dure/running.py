"""A company's program as a Job that runs on a lease: one pod a node, started together where there are several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dure import wire
from dure.kube import LEASE_LABEL, LEAST_GRACE_S

Json = dict[str, Any]

MASTER_PORT = 29500
"""Where the first pod of a gang listens, as torchrun has it."""

GRACE_S = 30
"""A pod's own, where its lease has as much."""


class NotSaid(Exception):
    """How many GPUs and nodes are meant cannot be told from the lease; the text says what to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """`gpus` on each of `nodes`."""

    name: str
    image: str
    command: Sequence[str]
    gpus: int
    nodes: int


def sized(lease: wire.Lease, gpus: int | None, nodes: int | None) -> tuple[int, int]:
    """GPUs a pod, and pods; what is not said is all of the lease. Raises NotSaid."""
    if lease.shape.nodes is not None:
        return gpus or lease.shape.gpus_per_node or 0, nodes or lease.shape.nodes
    if gpus is not None:
        return gpus, nodes or 1
    each = {share.gpus for share in lease.placement}
    if len(each) == 1 and nodes in (None, len(lease.placement)):
        return each.pop(), len(lease.placement)
    shown = ", ".join(f"{share.gpus} on {share.node}" for share in lease.placement) or "not placed yet"
    raise NotSaid(f"its {lease.shape.total} GPUs are {shown}: say how many a pod takes, for example --gpus 1")


def objects(work: Work, lease: wire.Lease, pool: wire.Pool) -> list[Json]:
    """The Job; of a gang first the Service by which its pods find each other, so that it is there when they are."""
    return ([_service(work)] if work.nodes > 1 else []) + [_job(work, lease, pool)]


def _job(work: Work, lease: wire.Lease, pool: wire.Pool) -> Json:
    labels = {LEASE_LABEL: lease.id}
    spec: Json = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": max(LEAST_GRACE_S, min(GRACE_S, pool.grace_s, lease.duration_s // 2)),
        "automountServiceAccountToken": False,
        "containers": [_container(work, pool.resource)],
    }
    job: Json = {"backoffLimit": 0, "template": {"metadata": {"labels": labels}, "spec": spec}}
    if work.nodes > 1:
        spec["subdomain"] = work.name
        job |= {"completionMode": "Indexed", "completions": work.nodes, "parallelism": work.nodes}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": work.name, "labels": labels},
        "spec": job,
    }


def _container(work: Work, resource: str) -> Json:
    made: Json = {"name": "main", "image": work.image, "resources": {"limits": {resource: work.gpus}}}
    if work.command:
        made["command"] = list(work.command)
    if work.nodes > 1:
        made["env"] = _of_a_gang(work)
    return made


def _of_a_gang(work: Work) -> list[Json]:
    """What torchrun and its like read."""
    rank = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
    said: Mapping[str, str] = {
        "MASTER_ADDR": f"{work.name}-0.{work.name}",
        "MASTER_PORT": str(MASTER_PORT),
        "NNODES": str(work.nodes),
    }
    return [{"name": "NODE_RANK", "valueFrom": rank}, *({"name": name, "value": value} for name, value in said.items())]


def _service(work: Work) -> Json:
    """Without an address of its own; pods are found before they are ready."""
    selector = {"batch.kubernetes.io/job-name": work.name}
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": selector}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": work.name}, "spec": spec}
