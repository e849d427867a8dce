"""What is known of a cluster now, kept by watches and by what the API server answers to our own changes."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

from dure import kube
from scheduler.kube import observed
from scheduler.kube.observed import Begun, Json, Lines, Node, Pod, Seen

ENDED = 1000
"""Of so many pods of a company at most it is known how they ended, until somebody asks."""

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

    def __init__(self, changed: Callable[[str | None], None], others: frozenset[str] = frozenset()) -> None:
        """`others` are devices that pods have without a lease."""
        self._others = others
        self._lock = threading.Lock()
        self._changed = changed
        self._pods: dict[str, dict[str, Pod]] = {}
        self._ended: dict[str, deque[Pod]] = {}
        self._namespaces: dict[str, Json] = {}
        self._objects: dict[str, dict[str, Json]] = {}
        self._nodes: dict[str, Node] = {}
        self._versions: dict[str, int] = {}
        self._upto: dict[Kind, int] = {}
        """The version up to which watches have told."""

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

    def seen(self, company: str, lines: Mapping[tuple[str, str], Lines], begun: Begun) -> Seen:
        """What there is of a company. `begun` is asked for first: what has been done since then is seen."""
        with self._lock:
            return Seen(
                namespace=self._namespaces.get(company),
                objects=dict(self._objects.get(company, {})),
                pods=tuple(self._pods.get(company, {}).values()),
                lines=lines,
                begun=begun,
            )

    def take_ended(self, company: str) -> tuple[Pod, ...]:
        """Its pods that were over and went since this was asked last, as they were last: nobody may have seen them so before."""
        with self._lock:
            return tuple(self._ended.pop(company, ()))

    def replace(self, kind: Kind, found: Iterable[Json], version: str) -> None:
        """What a list of that version says: all there was of the kind then. What was made since stays."""
        items, at = list(found), int(version)
        with self._lock:
            if at < self._upto.get(kind, 0):  # a cluster that was restored counts from an earlier version again
                for path in self._paths(kind):
                    self._versions[path] = -1
            known = {path for path in self._paths(kind) if self._versions.get(path, -1) <= at}
            self._upto[kind] = at
        for path in known - {_path(kind, item) for item in items}:
            self.drop(kind, path)
        for item in items:
            self.put(kind, item)

    def answered(self, found: Json) -> None:
        """What the API server answered to a change of ours. Where the watch is further, it knows better: it may be gone."""
        kind = _KINDS.get(found.get("kind", ""))
        if kind is None:
            return
        company, path = _company(kind, found), _path(kind, found)
        with self._lock:
            is_late = _version(found) <= self._upto.get(kind, 0)
            is_new_pod = kind is Kind.PODS and path not in self._pods.get(company or "", {})
        if not is_late and not is_new_pod:
            self.put(kind, found)

    def put(self, kind: Kind, found: Json) -> None:
        """A new or changed one; an answer that is older than what is known is left aside."""
        company = _company_of(kind, found)
        if kind is not Kind.NODES and company is None:
            return
        path, version = _path(kind, found), _version(found)
        with self._lock:
            if self._versions.get(path, -1) >= version:
                return
            is_new = self._put_node(found) if company is None else self._put(kind, company, path, found)
            self._versions[path] = version
        if is_new:
            self._changed(company)

    def drop(self, kind: Kind, path: str, version: int | None = None) -> None:
        """It is not there any more, since that version; one made anew since then stays."""
        with self._lock:
            if version is not None and self._versions.get(path, -1) > version:
                return
            self._versions.pop(path, None)
            if kind is Kind.NODES:
                is_known, company = self._nodes.pop(path.rpartition("/")[2], None) is not None, None
            else:
                company = self._drop(kind, path)
                is_known = company is not None
        if is_known:
            self._changed(company)

    def gone(self, path: str, uid: str) -> None:
        """The API server knows no such one; one made anew of that name stays."""
        kind = _kind(path)
        with self._lock:
            is_it = self._uid(kind, path) == uid
        if is_it:
            self.drop(kind, path)

    def event(self, kind: Kind, event: Mapping[str, Any]) -> None:
        """What a watch says."""
        found = event["object"]
        if event["type"] in ("ADDED", "MODIFIED"):
            self.put(kind, found)
        elif event["type"] == "DELETED" and (kind is Kind.NODES or _company(kind, found) is not None):
            if kind is Kind.PODS:
                self._note(observed.pod(found), str(_company(kind, found)))
            self.drop(kind, _path(kind, found), _version(found))
        with self._lock:
            self._upto[kind] = max(self._upto.get(kind, 0), _version(found))

    def _note(self, pod: Pod, company: str) -> None:
        if pod.is_over:
            with self._lock:
                self._ended.setdefault(company, deque(maxlen=ENDED)).append(pod)

    def _put_node(self, found: Json) -> bool:
        node = observed.node(found)
        is_new = self._nodes.get(node.name) != node
        self._nodes[node.name] = node
        return is_new

    def _put(self, kind: Kind, company: str, path: str, found: Json) -> bool:
        if kind is Kind.PODS:
            pods = self._pods.setdefault(company, {})
            before, pods[path] = pods.get(path), observed.pod(found, self._others)
            # A kubelet writes much that decides nothing.
            return before is None or replace(before, version=pods[path].version) != pods[path]
        slim = _without_noise(found)
        if kind is Kind.NAMESPACES:
            was, self._namespaces[company] = self._namespaces.get(company), slim
        else:
            objects = self._objects.setdefault(company, {})
            was, objects[path] = objects.get(path), slim
        return was != slim

    def _uid(self, kind: Kind, path: str) -> str | None:
        company = owner(path)
        pod = self._pods.get(company or "", {}).get(path)
        if kind is Kind.PODS:
            return None if pod is None else pod.uid
        spaces, objects = self._namespaces, self._objects.get(company or "", {})
        found = spaces.get(company or "") if kind is Kind.NAMESPACES else objects.get(path)
        return None if found is None else found["metadata"]["uid"]

    def _drop(self, kind: Kind, path: str) -> str | None:
        """The company of which it was known."""
        company = owner(path)
        if kind is Kind.NAMESPACES:
            return company if company is not None and self._namespaces.pop(company, None) is not None else None
        held = self._pods if kind is Kind.PODS else self._objects
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


def _version(found: Json) -> int:
    """Those of one cluster are in order."""
    return int(found["metadata"]["resourceVersion"])


def _company_of(kind: Kind, found: Json) -> str | None:
    return None if kind is Kind.NODES else _company(kind, found)


def _company(kind: Kind, found: Json) -> str | None:
    meta = found["metadata"]
    return company_of(meta["name"] if kind is Kind.NAMESPACES else meta["namespace"])


def _path(kind: Kind, found: Json) -> str:
    meta = found["metadata"]
    if kind in (Kind.NODES, Kind.NAMESPACES):
        return f"{kind.value}/{meta['name']}"
    root, _, plural = kind.value.rpartition("/")
    return f"{root}/namespaces/{meta['namespace']}/{plural}/{meta['name']}"


def owner(path: str) -> str | None:
    """Whose a namespace is, or what is in it; None of what is in no company's."""
    _, _, inside = path.partition("/namespaces/")
    return company_of(inside.partition("/")[0])


def _kind(path: str) -> Kind:
    """Of a namespace, or of what is in one."""
    root, _, rest = path.partition("/namespaces/")
    parts = rest.split("/")
    return Kind.NAMESPACES if len(parts) == 1 else Kind(f"{root}/{parts[1]}")


def _without_noise(found: Json) -> Json:
    """Without what changes by itself, such as a quota's count of what is used, or who applied what."""
    meta = {
        name: value for name, value in found["metadata"].items() if name not in ("managedFields", "resourceVersion")
    }
    return {**{name: value for name, value in found.items() if name != "status"}, "metadata": meta}
