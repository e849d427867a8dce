"""A company in a cluster, reconciled: what is decided is done, at once or late, and judged by what the cluster then holds.

The judge reads the pods as the API server has them and the leases as they were granted; nothing that the reconciler says.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from scheduler.kube import observed
from scheduler.kube.actions import Action, Apply, Create, Delete, End, Follow, Json, Keep, Open, Patch, Remove, Tell
from scheduler.kube.desired import CompanyNow, LeaseNow, Terms
from scheduler.kube.manifests import BINDINGS, key, lease_key
from scheduler.kube.observed import HOSTNAME, Seen
from scheduler.kube.opening import stays
from scheduler.kube.reconcile import Steps, reconcile
from tests.property.cluster import GPUS, NAMESPACE, Cluster, gpus_of, is_deleted, is_gated, is_over
from tests.unit.scheduler.kube.builders import GPU, Unprocessable, with_uid

TERMS = Terms(warning_s=60)
ROUNDS = 12
"""What is to be done is done in so many, or never."""


@dataclass(kw_only=True)
class Enforcement:
    """`is_slow`: gates are opened only some time after that was decided."""

    cluster: Cluster
    is_slow: bool = False
    leases: dict[str, LeaseNow] = field(default_factory=dict[str, LeaseNow])
    most: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """GPUs that a lease ever had on a node: pods that are told to end still have them for a grace."""
    namespace: Json | None = None
    objects: dict[str, Json] = field(default_factory=dict[str, Json])
    late: list[Open] = field(default_factory=list[Open])
    armed: tuple[End, ...] = ()
    next_at: float | None = None

    @property
    def company(self) -> CompanyNow:
        return CompanyNow(name="acme", leases=tuple(self.leases.values()))

    def grant(self, lease: LeaseNow) -> None:
        self.leases[lease.id] = lease
        for node, gpus in lease.placement.items():
            self.most[lease.id, node] = max(gpus, self.most[lease.id, node])

    def decide(self) -> Steps:
        return self.decide_at(self.cluster.now)

    def decide_at(self, now: float) -> Steps:
        pods = tuple(observed.pod(one) for one in self.cluster.pods.values())
        begun = {one.uid: (one.lease, one.node) for one in self.late}
        seen = Seen(namespace=self.namespace, objects=self.objects, pods=pods, begun=begun)
        return reconcile(self.company, seen, self.cluster.known_nodes(), (GPU,), TERMS, now)

    def settle(self) -> None:
        """Decides and does until there is nothing to do."""
        todo: list[Action] = []
        for _ in range(ROUNDS):
            steps = self.decide()
            assert all(one.at is not None and one.at > self.cluster.now for one in steps.ahead)
            self.armed, self.next_at = steps.ahead, steps.next_at
            todo = self._todo(steps.actions)
            if not todo:
                return
            begun = self._begun()
            for action in todo:
                self._check_action(action)
                self._do(action)
            self._check_together(todo, begun)
            self.cluster.work()
        raise AssertionError(f"there is no end to it: {todo}")

    def until(self, at: float) -> None:
        """Lets time pass, and looks again only when the reconciler said so or a kubelet did something. What was decided ahead is
        done at its instant by itself.
        """
        while self.cluster.now < at:
            instants = [at, self.next_at, self.cluster.next_at(), *self._starts(), *(one.at for one in self.armed)]
            following = min(one for one in instants if one is not None and one > self.cluster.now)
            if not self.is_slow:
                early = self._todo(self.decide_at((self.cluster.now + following) / 2).actions)
                assert not early, f"it said {self.next_at}: {early}"
            self.cluster.now = following
            self._fire()
            self.turn()

    def _fire(self) -> None:
        for action in self.armed:
            if action.at is not None and action.at <= self.cluster.now and self._is_there(action):
                self._check_action(action)
                self._do(action)

    def _is_there(self, action: End) -> bool:
        found = self.objects.get(action.path) or self.cluster.pods.get(action.path.rpartition("/")[2])
        return found is not None and found["metadata"]["uid"] == action.uid

    def turn(self) -> None:
        """What changes by itself, then what follows from it; and all that must be true then."""
        self._live()
        self.cluster.work()
        self.settle()
        self.cluster.work()
        self.settle()
        self.check()

    def land(self) -> None:
        """What was decided long ago is done now."""
        late, self.late = self.late, []
        for action in late:
            if stays(action, CompanyNow(name="acme", leases=tuple(self.leases.values())), self.cluster.now):
                self._open(action)
        self._check_rooms()
        self.turn()

    def _starts(self) -> Iterable[float]:
        return (one.starts_at for one in self.leases.values() if not one.holds)

    def _live(self) -> None:
        for lease in list(self.leases.values()):
            if not lease.holds and lease.starts_at <= self.cluster.now:
                self.leases[lease.id] = replace(lease, holds=True)
            if lease.stops_at + 5 <= self.cluster.now:
                del self.leases[lease.id]

    def _todo(self, actions: Iterable[Action]) -> list[Action]:
        """What is said and read changes nothing; what is under way is not begun again."""
        under_way = {one.uid for one in self.late}
        found = (one for one in actions if not isinstance(one, Tell | Follow | Keep))
        return [one for one in found if not (isinstance(one, Open) and one.uid in under_way)]

    def _do(self, action: Action) -> None:
        match action:
            case Create(body=body):
                assert self.namespace is None
                self.namespace = with_uid(body, "uid-ns")
            case Apply(path=path, body=body) if path.endswith(f"/{NAMESPACE}"):
                self.namespace = with_uid(body, "uid-ns")
            case Apply(path=path, body=body):
                self.objects[path] = with_uid(body, path)
            case Remove(path=path, uid=uid):
                assert path not in self._keys(), "its lease still runs"
                assert self.objects.pop(path)["metadata"]["uid"] == uid
            case Open() if self.is_slow:
                self.late.append(action)
            case Open():
                self._open(action)
            case Patch(path=path, operations=operations):
                self.cluster.patch(path, operations)
            case Delete(path=path, uid=uid, grace_s=grace_s):
                self.cluster.delete(path.rpartition("/")[2], grace_s, uid)
            case _:
                raise AssertionError(action)

    def _open(self, action: Open) -> None:
        try:
            self.cluster.patch(action.path, action.operations)
        except Unprocessable:
            assert self.is_slow, "nobody else changed it"

    def _check_action(self, action: Action) -> None:
        """Nothing outside of the company's namespace is touched; nothing comes before its instant."""
        inside = action.path.startswith(
            (f"/api/v1/namespaces/{NAMESPACE}/", f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/")
        )
        inside = inside or action.path.startswith(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/")
        own = action.path == f"/api/v1/namespaces/{NAMESPACE}" or (
            isinstance(action, Create) and action.body["metadata"]["name"] == NAMESPACE
        )
        assert inside or own, action.path
        if isinstance(action, Delete):
            self._check_delete(action)

    def _check_delete(self, action: Delete) -> None:
        now, pod = self.cluster.now, self.cluster.pods[action.path.rpartition("/")[2]]
        assert not is_over(pod) or action.grace_s == 0
        assert action.grace_s > 0 or pod["spec"]["nodeName"] not in self.cluster.nodes, (
            "only a node that is gone is proof"
        )
        assert action.at is None or action.at <= now
        lease = (
            self.leases.get(pod["metadata"]["labels"].get("dure.dev/placement", ""))
            if "labels" in pod["metadata"]
            else None
        )
        if lease is not None and action.at is None:
            assert self._spans(deleted=True)[lease.id, _node(pod)] > lease.placement.get(_node(pod), 0), (
                "it gave nothing back"
            )
        if lease is not None and action.at is not None:
            assert now >= lease.stops_at - lease.grace_s
            assert action.grace_s > 1 or now >= lease.stops_at - TERMS.kill_margin_s
            assert now + action.grace_s <= max(lease.stops_at, now + 1)

    def _check_together(self, todo: list[Action], begun: set[str]) -> None:
        for name in {one.lease for one in todo if isinstance(one, Open)} - begun:
            lease, spans = self.leases[name], self._spans()
            if lease.all_at_once and not self.is_slow:
                assert all(spans[name, node] == gpus for node, gpus in lease.placement.items()), "all of it, or none"

    def _begun(self) -> set[str]:
        """Leases with pods past the gate, whoever let them in: then one that is made again starts by itself."""
        past = (one for one in self.cluster.pods.values() if not is_gated(one))
        return {(one["metadata"].get("labels") or {}).get("dure.dev/placement", "") for one in past}

    def _keys(self) -> set[str]:
        """What the keys of leases that run have their rights by."""
        held = (one for one in self.leases.values() if one.holds and self.cluster.now < one.stops_at)
        return {lease_key("acme", one.id) for one in held}

    def check(self) -> None:
        """All that must be true whenever nothing is left to be done."""
        self._check_places()
        bindings = {path for path in self.objects if BINDINGS in path} - {key("acme")}
        assert bindings == self._keys()
        for pod in self.cluster.pods.values():
            self._check_deadline(pod)
            if not self.is_slow:
                self._check_waits(pod)

    def _check_places(self) -> None:
        now = self.cluster.now
        for pod in self._past():
            lease = self.leases.get((pod["metadata"].get("labels") or {}).get("dure.dev/placement", ""))
            if is_deleted(pod):
                continue
            assert lease is not None, "no lease explains it"
            assert lease.holds
            assert lease.starts_at <= now < lease.stops_at - lease.grace_s
            assert _node(pod) in lease.placement
        for (name, node), gpus in self._spans().items():
            assert gpus <= self.leases[name].placement.get(node, 0)
        self._check_rooms()
        for pod in self._past():
            lease = self.leases.get((pod["metadata"].get("labels") or {}).get("dure.dev/placement", ""))
            if lease is None or now >= lease.stops_at:
                assert pod["metadata"]["deletionGracePeriodSeconds"] <= 1

    def _check_rooms(self) -> None:
        """Nobody has GPUs of a node that their lease never had."""
        for (name, node), gpus in self._spans(deleted=True).items():
            assert gpus <= self.most[name, node]

    def _check_deadline(self, pod: Json) -> None:
        """Once extending has closed the kubelet knows the end, and its own grace lies before it."""
        lease = self.leases.get((pod["metadata"].get("labels") or {}).get("dure.dev/placement", ""))
        if lease is None or is_over(pod) or is_deleted(pod) or lease.closes_at is None:
            return
        seconds, started = pod["spec"].get("activeDeadlineSeconds"), observed.pod(pod).started_at
        if self.cluster.now < lease.closes_at:
            return
        assert seconds is not None
        if started is not None:
            assert (
                started + seconds <= TERMS.cut_at(lease) - pod["spec"]["terminationGracePeriodSeconds"] or seconds == 1
            )

    def _check_waits(self, pod: Json) -> None:
        """Who fits exactly one lease, on a node that is there, waits for nothing. A node that is away for a moment decides nothing."""
        if not is_gated(pod) or is_deleted(pod) or HOSTNAME in (pod["spec"].get("nodeSelector") or {}):
            return
        wish = (pod["metadata"].get("labels") or {}).get("dure.dev/lease")
        own_s = pod["spec"]["terminationGracePeriodSeconds"]
        latest = {one.id: min(one.ending_at, TERMS.cut_at(one) - own_s) for one in self.leases.values()}
        held = [one for one in self.leases.values() if one.holds and self.cluster.now < latest[one.id]]
        fit = [one for one in held if wish in (None, one.id) and self._rooms(one, gpus_of(pod))]
        may_wait = len(fit) != 1 or fit[0].all_at_once or own_s > fit[0].grace_s
        may_wait = may_wait or not any(self.cluster.nodes.get(node) for node in self._rooms(fit[0], gpus_of(pod)))
        assert may_wait, f"{pod} fits {fit}"

    def _rooms(self, lease: LeaseNow, gpus: int) -> list[str]:
        """The nodes of a lease that have so many GPUs left."""
        spans = self._spans(deleted=True)
        return [node for node, most in lease.placement.items() if most - spans[lease.id, node] >= gpus]

    def _past(self) -> list[Json]:
        return [one for one in self.cluster.pods.values() if not is_gated(one) and gpus_of(one) and not is_over(one)]

    def _spans(self, *, deleted: bool = False) -> Counter[tuple[str, str]]:
        """GPUs that pods past the gate have, by lease and node."""
        found: Counter[tuple[str, str]] = Counter()
        for pod in self._past():
            name = (pod["metadata"].get("labels") or {}).get("dure.dev/placement")
            if name in self.leases and (deleted or not is_deleted(pod)):
                found[name, _node(pod)] += gpus_of(pod)
        return found

    def free(self, node: str) -> int:
        """GPUs of a node that neither a lease has nor anything still runs on."""
        booked = sum(one.placement.get(node, 0) for one in self.leases.values())
        strays = sum(
            gpus_of(one)
            for one in self._past()
            if _node(one) == node and (one["metadata"].get("labels") or {}).get("dure.dev/placement") not in self.leases
        )
        return GPUS - booked - strays


def _node(pod: Json) -> str:
    return pod["spec"].get("nodeName") or (pod["spec"].get("nodeSelector") or {}).get(HOSTNAME) or ""
