"""What became of pods by the API server's own word, version by version, and whether all of it was inside of their leases."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dure import kube
from tests.integration.kube.escapes import pods
from tests.integration.kube.stand import seconds

HOSTNAME = "kubernetes.io/hostname"


@dataclass(slots=True, kw_only=True)
class Life:
    """Of a pod past the gate. Unix seconds."""

    name: str
    company: str
    lease: str | None
    """The one that its gate was opened for."""
    gpus: int
    node: str | None
    began: float | None = None
    """When its kubelet began with it, in whole seconds."""
    ended: float | None = None
    """When it was heard that it is over, or gone: no earlier than it was."""


@dataclass(slots=True, kw_only=True)
class Due:
    """What a lease allows: its company, from when on its pods may run, by when they are over, and their GPUs by node."""

    company: str
    starts_at: float
    over_by: float
    nodes: Mapping[str, int]


@dataclass(slots=True)
class Lives:
    """Of the pods of some companies; `take` is given every event of a watch on pods. `now` is the leases' time."""

    companies: frozenset[str]
    now: Callable[[], float]
    of: dict[str, Life] = field(default_factory=dict[str, Life])
    """By uid."""
    versions: dict[str, str] = field(default_factory=dict[str, str])
    """Of all that there are, by uid."""
    most: Counter[tuple[str | None, str | None]] = field(default_factory=Counter[tuple[str | None, str | None]])
    """GPUs that pods had at a time, by lease and node."""

    def take(self, event: Mapping[str, Any]) -> None:
        found = event["object"]
        meta, at = found["metadata"], self.now()
        company = meta["namespace"].removeprefix(kube.namespace(""))
        if company not in self.companies or not pods.gpus(found):
            return
        self.versions[meta["uid"]] = meta["resourceVersion"]
        if event["type"] == "DELETED":
            del self.versions[meta["uid"]]
        if not found["spec"].get("schedulingGates"):
            self._let_in(company, found, at, is_gone=event["type"] == "DELETED")

    def wrongs(self, leases: Mapping[str, Due]) -> Iterator[str]:
        """Everything that no lease allows, in words."""
        for one in self.of.values():
            due = leases.get(one.lease or "")
            if due is None or due.company != one.company:
                yield f"{one.name} of {one.company} was let in to {one.lease}, which is none of its company's"
                continue
            if one.began is not None and one.began < due.starts_at:
                yield f"{one.name} began {due.starts_at - one.began} s before {one.lease}"
            if one.ended is None and self.now() > due.over_by:
                yield f"{one.name} lives, and {one.lease} is over"
            if one.ended is not None and one.ended > due.over_by:
                yield f"{one.name} was over {one.ended - due.over_by:.1f} s after {one.lease} was"
        for (lease, node), gpus in self.most.items():
            due = leases.get(lease or "")
            allowed = 0 if due is None else due.nodes.get(str(node), 0)
            if gpus > allowed:
                yield f"pods of {lease} had {gpus} GPUs of {node} at a time, and it has {allowed}"

    def _let_in(self, company: str, found: Mapping[str, Any], at: float, *, is_gone: bool) -> None:
        meta, status = found["metadata"], found.get("status", {})
        life = self.of.get(meta["uid"])
        if life is None:
            life = self.of[meta["uid"]] = Life(
                name=meta["name"],
                company=company,
                lease=meta.get("labels", {}).get(kube.PLACEMENT_LABEL),
                gpus=pods.gpus(found),
                node=found["spec"].get("nodeSelector", {}).get(HOSTNAME),
            )
        if life.began is None and status.get("startTime"):
            life.began = seconds(status["startTime"])
        if life.ended is None and (is_gone or status.get("phase") in ("Failed", "Succeeded")):
            life.ended = at
        place = (life.lease, life.node)
        alive = (one for one in self.of.values() if (one.lease, one.node) == place and one.ended is None)
        self.most[place] = max(self.most[place], sum(one.gpus for one in alive))
