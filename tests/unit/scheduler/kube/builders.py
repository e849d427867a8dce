"""What the reconciler decides on, with defaults, so that a test says only what it is about; and what an API server makes of a
JSON patch. Instants in them are small numbers.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from scheduler.kube import manifests
from scheduler.kube.actions import Action, Json
from scheduler.kube.desired import CompanyNow, LeaseNow, Terms
from scheduler.kube.observed import Amounts, Node, Pod, Seen

GPU = "nvidia.com/gpu"
GATE = "dure.dev/lease"


class Unprocessable(Exception):
    """What an API server answers to a patch that does not fit (422)."""


def a_lease(id: str = "lea_a", *, starts_at: int = 100, stops_at: int = 1000, **more: Any) -> LeaseNow:
    """Of acme, eight GPUs of node n1 from 100 to 1000, open for extending until 900."""
    said: dict[str, Any] = {
        "name": None,
        "company": "acme",
        "resource": GPU,
        "holds": True,
        "grace_s": 30,
        "closes_at": 900,
        "placement": {"n1": 8},
        **more,
    }
    return LeaseNow(id=id, starts_at=starts_at, stops_at=stops_at, **said)


CUT_AT = Terms().cut_at(a_lease())
"""When every grace of the pods of such a lease is over."""


def a_pod(name: str = "p", gpus: int = 1, **more: Any) -> Pod:
    """At the gate."""
    amounts: Amounts = ((GPU, gpus),) if gpus else ()
    said = {"gpus": amounts, "gates": (GATE,), "phase": "Pending", "containers": ("main",), **more}
    return Pod(uid=f"uid-{name}", namespace="dure-co-acme", name=name, version="7", **said)


def a_placed_pod(name: str = "p", gpus: int = 1, *, lease: str = "lea_a", node: str | None = "n1", **more: Any) -> Pod:
    """Running since 200, with all that is written on it."""
    said = {
        "gates": (),
        "phase": "Running",
        "placed": lease,
        "node": node,
        "hostname": node,
        "started_at": 200.0,
        "ends_at": "1970-01-01T00:16:40Z",
        **more,
    }
    return a_pod(name, gpus, **said)


def some_nodes(*names: str, **more: Any) -> Mapping[str, Node]:
    """Adopted into pool h100, with more GPUs than any test places on one."""
    said: dict[str, Any] = {"ready": True, "devices": ((GPU, 16),), "pool": "h100", "taints": (GPU,), **more}
    return {name: Node(name=name, hostname=name, **said) for name in names or ("n1", "n2")}


def a_company(*leases: LeaseNow, closed_at: int | None = None) -> CompanyNow:
    return CompanyNow(name="acme", closed_at=closed_at, leases=leases)


def a_namespace(**labels: str | None) -> Json:
    """As we make it; a label that is None is left out."""
    found: Json = copy.deepcopy(dict(manifests.namespace("acme")))
    found["metadata"]["uid"] = "uid-ns"
    for name, value in labels.items():
        found["metadata"]["labels"].pop(name, None)
        if value is not None:
            found["metadata"]["labels"][name] = value
    return found


def furnished_with(company: CompanyNow, now: float, *pods: Pod, resources: tuple[str, ...] = (GPU,)) -> Seen:
    """All that should be there is, and the pods beside it."""
    wanted = manifests.objects(company, resources, Terms(), now)
    objects = {path: with_uid(body, path) for path, body in wanted.items()}
    return Seen(namespace=a_namespace(), objects=objects, pods=pods)


def with_uid(body: Mapping[str, Any], uid: str) -> Json:
    found = copy.deepcopy(dict(body))
    found["metadata"]["uid"] = uid
    return found


def a_json_pod(name: str = "p", *, version: int = 7, meta: Json | None = None, **spec: Any) -> Json:
    """As an API server writes it: one container with a GPU, at the gate."""
    resources = {"limits": {GPU: "1"}, "requests": {GPU: "1"}}
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "dure-co-acme",
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": "1970-01-01T00:03:20Z",
            **(meta or {}),
        },
        "spec": {
            "containers": [{"name": "main", "resources": resources}],
            "schedulingGates": [{"name": GATE}],
            "terminationGracePeriodSeconds": 30,
            **spec,
        },
        "status": {"phase": "Pending"},
    }


def of_kind(actions: Sequence[Action], kind: type[Action]) -> list[Any]:
    return [one for one in actions if isinstance(one, kind)]


def patched(document: Json, operations: Sequence[Json]) -> Json:
    """RFC 6902's test, add, replace and remove. Raises Unprocessable."""
    found = copy.deepcopy(document)
    for one in operations:
        *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:])
        place: Any = found
        for part in parents:
            if part not in place:
                raise Unprocessable(f"{one['path']} leads nowhere")
            place = place[part]
        _do(one, place, last)
    return found


def _do(operation: Json, place: Any, last: str) -> None:
    match operation["op"]:
        case "test":
            if place.get(last) != operation["value"]:
                raise Unprocessable(f"{operation['path']} is {place.get(last)}")
        case "add" if isinstance(place, list):
            assert last == "-"
            place.append(operation["value"])
        case "add":
            place[last] = operation["value"]
        case "replace" if last in place:
            place[last] = operation["value"]
        case "remove" if last in place:
            del place[last]
        case _:
            raise Unprocessable(f"{operation['path']} is not there")
