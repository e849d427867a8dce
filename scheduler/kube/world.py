"""What is known of a cluster now, kept by watches and by what the API server answers to our own changes."""

import threading
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

from dure import kube
from scheduler.kube import observed
from scheduler.kube.observed import Json, Node, Pod, Seen

_PREFIX = kube.namespace("")


class Kind(Enum):
    """What is watched, and where the API server lists it."""

    PODS = "/api/v1/pods"
    NODES = "/api/v1/nodes"
    NAMESPACES = "/api/v1/namespaces"
    QUOTAS = "/api/v1/resourcequotas"
    LIMITS = "/api/v1/limitranges"
    ACCOUNTS = "/api/v1/serviceaccounts"
    POLICIES = "/apis/networking.k8s.io/v1/networkpolicies"
    BINDINGS = "/apis/rbac.authorization.k8s.io/v1/rolebindings"

    @property
    def is_ours(self) -> bool:
        """Whether only what carries our label is watched."""
        return self not in (Kind.PODS, Kind.NODES, Kind.NAMESPACES)


_KINDS = {
    "Pod": Kind.PODS,
    "Namespace": Kind.NAMESPACES,
    "ResourceQuota": Kind.QUOTAS,
    "LimitRange": Kind.LIMITS,
    "ServiceAccount": Kind.ACCOUNTS,
    "NetworkPolicy": Kind.POLICIES,
    "RoleBinding": Kind.BINDINGS,
}


def company_of(namespace: str) -> str | None:
    """Whose namespace it would be, by its name."""
    return namespace.removeprefix(_PREFIX) if namespace.startswith(_PREFIX) else None


class World:
    """By company. Safe from any thread; `changed` is called with a company, or None for all, whenever something did."""

    def __init__(self, changed: Callable[[str | None], None]) -> None:
        self._lock = threading.Lock()
        self._changed = changed
        self._pods: dict[str, dict[str, Pod]] = {}
        self._namespaces: dict[str, Json] = {}
        self._objects: dict[str, dict[str, Json]] = {}
        self._nodes: dict[str, Node] = {}

    @property
    def nodes(self) -> Mapping[str, Node]:
        """By name."""
        with self._lock:
            return dict(self._nodes)

    def companies(self) -> frozenset[str]:
        """Those of which something is there."""
        with self._lock:
            return frozenset({*self._pods, *self._namespaces, *self._objects})

    def pods(self) -> int:
        with self._lock:
            return sum(len(found) for found in self._pods.values())

    def seen(self, company: str, kept: frozenset[tuple[str, bool]]) -> Seen:
        """What there is of a company."""
        with self._lock:
            return Seen(
                namespace=self._namespaces.get(company),
                objects=dict(self._objects.get(company, {})),
                pods=tuple(self._pods.get(company, {}).values()),
                kept=kept,
            )

    def replace(self, kind: Kind, found: Iterable[Json]) -> None:
        """What a list says: all there is of the kind."""
        items = list(found)
        with self._lock:
            gone = self._paths(kind) - {_path(kind, item) for item in items}
        for path in gone:
            self.drop(kind, path)
        for item in items:
            self.put(kind, item)

    def answered(self, found: Json) -> None:
        """What the API server answered to a change of ours. What is gone meanwhile stays so."""
        kind = _KINDS.get(found.get("kind", ""))
        if kind is not None:
            company, path = _company(kind, found), _path(kind, found)
            if kind is not Kind.PODS or path in self._pods.get(company or "", {}):
                self.put(kind, found)

    def put(self, kind: Kind, found: Json) -> None:
        """A new or changed one; an answer that is older than what is known is left aside."""
        path = _path(kind, found)
        if kind is Kind.NODES:
            self._put_node(observed.node(found))
        elif (company := _company(kind, found)) is not None:
            with self._lock:
                is_new = self._put(kind, company, path, found)
            if is_new:
                self._changed(company)

    def drop(self, kind: Kind, path: str) -> None:
        """It is not there any more."""
        if kind is Kind.NODES:
            with self._lock:
                self._nodes.pop(path.rpartition("/")[2], None)
            self._changed(None)
            return
        with self._lock:
            company = self._drop(kind, path)
        if company is not None:
            self._changed(company)

    def gone(self, path: str, uid: str) -> None:
        """The API server knows no such pod, whatever a watch will say; one made anew of that name stays."""
        company = company_of(path.split("/namespaces/", 1)[1].split("/", 1)[0])
        with self._lock:
            pod = self._pods.get(company or "", {}).get(path)
        if pod is not None and pod.uid == uid:
            self.drop(Kind.PODS, path)

    def event(self, kind: Kind, event: Mapping[str, Any]) -> None:
        """What a watch says."""
        found = event["object"]
        if event["type"] in ("ADDED", "MODIFIED"):
            self.put(kind, found)
        elif event["type"] == "DELETED" and _company_or_node(kind, found):
            self.drop(kind, _path(kind, found))

    def _put_node(self, found: Node) -> None:
        with self._lock:
            is_new = self._nodes.get(found.name) != found
            self._nodes[found.name] = found
        if is_new:
            self._changed(None)

    def _put(self, kind: Kind, company: str, path: str, found: Json) -> bool:
        match kind:
            case Kind.PODS:
                pods = self._pods.setdefault(company, {})
                pod = observed.pod(found)
                known = pods.get(path)
                if known is not None and known.uid == pod.uid and int(known.version) >= int(pod.version):
                    return False
                pods[path] = pod
            case Kind.NAMESPACES:
                self._namespaces[company] = _without_noise(found)
            case _:
                objects = self._objects.setdefault(company, {})
                slim = _without_noise(found)
                if objects.get(path) == slim:
                    return False
                objects[path] = slim
        return True

    def _drop(self, kind: Kind, path: str) -> str | None:
        """The company of which it was known."""
        if kind is Kind.NAMESPACES:
            company = company_of(path.rpartition("/")[2])
            return company if company is not None and self._namespaces.pop(company, None) is not None else None
        held = self._pods if kind is Kind.PODS else self._objects
        company = company_of(path.split("/namespaces/", 1)[1].split("/", 1)[0])
        if company is None or held.get(company, {}).pop(path, None) is None:
            return None
        if not held[company]:
            del held[company]
        return company

    def _paths(self, kind: Kind) -> set[str]:
        match kind:
            case Kind.PODS:
                return {path for found in self._pods.values() for path in found}
            case Kind.NODES:
                return {f"{Kind.NODES.value}/{name}" for name in self._nodes}
            case Kind.NAMESPACES:
                return {f"{Kind.NAMESPACES.value}/{kube.namespace(name)}" for name in self._namespaces}
            case _:
                root, _, plural = kind.value.rpartition("/")
                paths = (path for found in self._objects.values() for path in found)
                return {path for path in paths if path.startswith(f"{root}/namespaces/") and f"/{plural}/" in path}


def _company_or_node(kind: Kind, found: Json) -> bool:
    return kind is Kind.NODES or _company(kind, found) is not None


def _company(kind: Kind, found: Json) -> str | None:
    meta = found["metadata"]
    return company_of(meta["name"] if kind is Kind.NAMESPACES else meta["namespace"])


def _path(kind: Kind, found: Json) -> str:
    meta = found["metadata"]
    if kind in (Kind.NODES, Kind.NAMESPACES):
        return f"{kind.value}/{meta['name']}"
    root, _, plural = kind.value.rpartition("/")
    return f"{root}/namespaces/{meta['namespace']}/{plural}/{meta['name']}"


def _without_noise(found: Json) -> Json:
    """Without what changes by itself, such as a quota's count of what is used, or who applied what."""
    meta = {
        name: value for name, value in found["metadata"].items() if name not in ("managedFields", "resourceVersion")
    }
    return {**{name: value for name, value in found.items() if name != "status"}, "metadata": meta}
