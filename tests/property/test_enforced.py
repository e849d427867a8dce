"""Whatever companies do in a cluster, and whatever becomes of it: pods have the GPUs of their lease while it runs, and none
else. What is checked after every step is in `enforcement`."""

from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from scheduler.kube.desired import LeaseNow
from tests.property.cluster import Cluster, Program, is_over
from tests.property.enforcement import Enforcement
from tests.unit.scheduler.kube.builders import GPU

BEGIN = 1_800_000_000.0
nodes = st.sampled_from(["n0", "n1", "n2"])


class Company(RuleBasedStateMachine):
    @initialize(is_slow=st.booleans(), at=st.sampled_from([0.0, 0.4]))
    def begin(self, is_slow: bool, at: float) -> None:
        self.it = Enforcement(cluster=Cluster(now=BEGIN + at), is_slow=is_slow)
        self.number = 0
        self._lease({"n0": 4, "n1": 4}, starts_in_s=1, lasts_s=100, grace_s=30, closes="in time", together=False)
        self.it.turn()
        self.it.until(self.it.cluster.now + 2)
        for hangs in (True, False):
            self.it.cluster.create(2, Program(hangs=hangs), terminationGracePeriodSeconds=10)
        self.it.turn()

    @rule(
        gpus=st.dictionaries(nodes, st.integers(1, 8), min_size=1, max_size=2),
        wait_s=st.sampled_from([0, 0, 5, 90]),
        lasts_s=st.integers(20, 400),
        grace_s=st.sampled_from([2, 10, 30]),
        closes=st.sampled_from(["never", "at once", "in time"]),
        together=st.booleans(),
    )
    def lease(self, gpus: dict[str, int], wait_s: int, lasts_s: int, grace_s: int, closes: str, together: bool) -> None:
        placement = {node: min(count, self.it.free(node)) for node, count in gpus.items()}
        placement = {node: count for node, count in placement.items() if count > 0}
        if not placement:
            return
        self._lease(
            placement, starts_in_s=1 + wait_s, lasts_s=lasts_s, grace_s=grace_s, closes=closes, together=together
        )
        self.it.turn()

    def _lease(
        self, placement: dict[str, int], *, starts_in_s: int, lasts_s: int, grace_s: int, closes: str, together: bool
    ) -> None:
        self.number += 1
        starts_at = int(self.it.cluster.now) + starts_in_s
        stops_at = starts_at + lasts_s
        closes_at = {"never": None, "at once": 0, "in time": starts_at + lasts_s // 2}[closes]
        self.it.grant(
            LeaseNow(
                id=f"lea_{self.number}",
                company="acme",
                name=None,
                resource=GPU,
                holds=False,
                starts_at=starts_at,
                stops_at=stops_at,
                grace_s=min(grace_s, lasts_s // 2),
                closes_at=closes_at,
                placement=placement,
                all_at_once=together,
            )
        )

    def _one(self, data: st.DataObject, *, held: bool) -> LeaseNow | None:
        found = [one for one in self.it.leases.values() if one.holds or not held]
        return data.draw(st.sampled_from(found)) if found else None

    @rule(
        gpus=st.sampled_from([0, 1, 1, 2, 4, 8]),
        hangs=st.booleans(),
        again=st.integers(0, 2),
        grace_s=st.sampled_from([0, 1, 10, 10, 10, 31, 3600]),
        deadline_s=st.sampled_from([None, 5, 100_000]),
        holds=st.booleans(),
        count=st.integers(1, 3),
        odd=st.sampled_from(["", "", "", "hostname", "zone", "tolerates", "annotated", "labelled"]),
        data=st.data(),
    )
    def pods(
        self,
        gpus: int,
        hangs: bool,
        again: int,
        grace_s: int,
        deadline_s: int | None,
        holds: bool,
        count: int,
        odd: str,
        data: st.DataObject,
    ) -> None:
        meta: dict[str, Any] = {"finalizers": ["acme.example/mine"]} if holds else {}
        spec: dict[str, Any] = {"terminationGracePeriodSeconds": grace_s}
        if deadline_s is not None:
            spec["activeDeadlineSeconds"] = deadline_s
        match odd:
            case "hostname":
                spec["nodeSelector"] = {"kubernetes.io/hostname": "n0"}
            case "zone":
                spec["nodeSelector"] = {"zone": "a"}
            case "tolerates":
                spec["tolerations"] = [{"operator": "Exists"}]
            case "annotated":
                meta["annotations"] = {"acme.example/a": "b"}
            case "labelled":
                lease = self._one(data, held=False)
                meta["labels"] = {"dure.dev/lease": "nothing" if lease is None else lease.id}
            case _:
                pass
        for _ in range(count):
            self.it.cluster.create(gpus, Program(hangs=hangs, again=again), meta=dict(meta), **spec)
        self.it.turn()

    @rule(gpus=st.integers(1, 8), hangs=st.booleans(), forged=st.booleans(), data=st.data())
    def somebody_gets_past_the_gate(self, gpus: int, hangs: bool, forged: bool, data: st.DataObject) -> None:
        lease = self._one(data, held=False) if forged else None
        label = {} if lease is None else {"labels": {"dure.dev/placement": lease.id}}
        cluster = self.it.cluster
        if lease is not None or cluster.used("n1") + gpus > 8:
            gpus = 9
        selector = {"kubernetes.io/hostname": "n1"}
        cluster.create(
            gpus,
            Program(hangs=hangs),
            meta=label,
            gated=False,
            nodeSelector=selector,
            tolerations=[{"operator": "Exists"}],
        )
        self.it.turn()

    def _pod(self, data: st.DataObject) -> str | None:
        names = sorted(self.it.cluster.pods)
        return data.draw(st.sampled_from(names)) if names else None

    @rule(data=st.data(), grace_s=st.sampled_from([0, 1, 30, 900, 100_000]))
    def delete(self, data: st.DataObject, grace_s: int) -> None:
        """As the chart lets a company: with no force, and with no longer grace than the pod's own."""
        if (name := self._pod(data)) is not None:
            spec = self.it.cluster.pods[name]["spec"]
            if not grace_s and spec.get("nodeName"):
                return
            self.it.cluster.delete(name, min(grace_s, max(1, spec["terminationGracePeriodSeconds"])))
            self.it.turn()

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        if (name := self._pod(data)) is not None:
            self.it.cluster.finish(name)
            self.it.turn()

    @rule(data=st.data(), what=st.sampled_from(["note", "finalizer"]))
    def write(self, data: st.DataObject, what: str) -> None:
        name = self._pod(data)
        if name is None:
            return
        meta = self.it.cluster.pods[name]["metadata"]
        if what == "note":
            operation = {
                "op": "add",
                "path": "/metadata/annotations",
                "value": {**meta.get("annotations", {}), "a": "b"},
            }
        elif "deletionTimestamp" in meta:
            return
        else:
            operation = {"op": "add", "path": "/metadata/finalizers", "value": ["acme.example/more"]}
        self.it.cluster.patch(f"/pods/{name}", (operation,))
        self.it.turn()

    @rule(data=st.data(), by_s=st.integers(1, 300))
    def extend(self, data: st.DataObject, by_s: int) -> None:
        lease = self._one(data, held=True)
        if lease is None or (lease.closes_at is not None and self.it.cluster.now >= lease.closes_at):
            return
        if self.it.cluster.now >= lease.ending_at:
            return
        closes_at = None if lease.closes_at is None else lease.closes_at + by_s
        self.it.grant(replace(lease, stops_at=lease.stops_at + by_s, closes_at=closes_at))
        self.it.turn()

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        lease = self._one(data, held=True)
        if lease is not None and lease.stops_at > self.it.cluster.now + lease.grace_s:
            stops_at = int(self.it.cluster.now) + 1 + lease.grace_s
            self.it.grant(replace(lease, stops_at=min(stops_at, lease.stops_at), closes_at=0))
            self.it.turn()

    @rule(data=st.data(), node=nodes)
    def give_back(self, data: st.DataObject, node: str) -> None:
        lease = self._one(data, held=True)
        if lease is None or node not in lease.placement or lease.gpus == 1:
            return
        left = {**lease.placement, node: lease.placement[node] // 2}
        left = {name: count for name, count in left.items() if count}
        if left:
            self.it.grant(replace(lease, placement=left))
            self.it.turn()

    @rule(node=nodes, state=st.sampled_from(["gone", "away", "ready", "ready"]))
    def a_node(self, node: str, state: str) -> None:
        if state == "gone":
            self.it.cluster.nodes.pop(node, None)
        else:
            self.it.cluster.nodes[node] = state == "ready"
        self.it.turn()

    @rule(seconds=st.sampled_from([0.3, 1.0, 7.0, 31.0, 120.0]))
    def wait(self, seconds: float) -> None:
        self.it.until(self.it.cluster.now + seconds)

    @rule()
    def what_is_late_is_done(self) -> None:
        self.it.land()

    @rule(data=st.data())
    def somebody_takes_something_away(self, data: st.DataObject) -> None:
        if self.it.objects:
            self.it.objects.pop(data.draw(st.sampled_from(sorted(self.it.objects))))
            self.it.turn()

    def teardown(self) -> None:
        """In the end nothing is left of any lease, whatever held it."""
        if not hasattr(self, "it"):
            return
        self.it.land()
        ends = max((one.stops_at for one in self.it.leases.values()), default=0)
        for _ in range(2):
            self.it.until(max(ends, self.it.cluster.now) + 60)
            self.it.land()
        self.it.until(self.it.cluster.now + 60)
        past = [
            one for one in self.it.cluster.pods.values() if one["metadata"].get("labels", {}).get("dure.dev/placement")
        ]
        assert all(is_over(one) and "deletionTimestamp" not in one["metadata"] for one in past), past


Company.TestCase.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
test_a_company_has_what_its_leases_give_it_and_no_more = Company.TestCase
