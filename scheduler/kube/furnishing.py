"""A company's namespace and what bounds it, made, repaired and taken away."""

from collections.abc import Iterator, Mapping
from typing import Any

from dure import kube
from scheduler.kube import actions, manifests
from scheduler.kube.actions import Action, Apply, Create, Patch, Remove
from scheduler.kube.desired import CompanyNow, Terms
from scheduler.kube.nearing import is_near
from scheduler.kube.observed import Json, Seen
from scheduler.kube.opening import escaped


def ahead(company: CompanyNow, seen: Seen, now: float) -> Iterator[Remove]:
    """The keys that are worth nothing any more within a moment: without its binding an account has no rights."""
    for lease in company.leases:
        if not (lease.holds and is_near(lease.stops_at, lease, now)):
            continue
        path = manifests.lease_key(company.name, lease.id)
        if path in seen.objects:
            yield Remove(path=path, uid=seen.objects[path]["metadata"]["uid"], at=lease.stops_at)


def is_ours(seen: Seen, company: str) -> bool:
    """Whether its namespace was made by us for the company, by its labels; or, where somebody changed those, by its being the
    one in which the company's key works. One that somebody else made of that name is never adopted.
    """
    if seen.namespace is None:
        return True
    labels = seen.namespace["metadata"].get("labels") or {}
    return kube.is_marked(labels, company) or _has_key(seen, company)


def _has_key(seen: Seen, company: str) -> bool:
    """Only we bind an account there to the role of companies."""
    found = seen.objects.get(manifests.key(company), {})
    return (found.get("roleRef") or {}).get("name") == kube.COMPANY_KEY


def furnished(
    company: CompanyNow,
    seen: Seen,
    resources: tuple[str, ...],
    terms: Terms,
    now: float,
    left_over: Mapping[str, int] | None = None,
) -> Iterator[Action]:
    """What is missing, wrong or left over. The namespace is there, and ours, before anything is put into it.
    `left_over` is as for `manifests.objects`. Without `resources` no pool names the cluster: no namespace is made there, and
    one that is there from before is kept as it should be.
    """
    wanted = manifests.namespace(company.name, _level(company, terms))
    closed = company.closed_at is not None and now >= company.closed_at + terms.removal_grace_s
    if seen.namespace is None:
        if not closed and resources:
            yield Create(path="/api/v1/namespaces", body=wanted)
        return
    if not is_ours(seen, company.name) or seen.namespace["metadata"].get("deletionTimestamp"):
        return
    if closed:
        yield Remove(path=manifests.path(wanted), uid=seen.namespace["metadata"]["uid"])
        return
    if (strange := manifests.strange_levels(seen.namespace)) or not covers(seen.namespace, wanted):
        yield _labelled(seen.namespace, wanted, strange)
    objects = manifests.objects(company, resources, terms, now, left_over)
    if not resources:  # what the pools' GPUs were called is not known any more: what the quota says of them stays
        objects = {**objects, **{path: one for path, one in seen.objects.items() if "/resourcequotas/" in path}}
    yield from _inside(objects, seen)


def _labelled(found: Json, wanted: actions.Json, strange: list[str]) -> Action:
    """Its labels put right. A strange one is taken off in the same patch, as the chart's fence takes no half of it."""
    path = manifests.path(wanted)
    if not strange:
        return Apply(path=path, body=wanted)
    root = "/metadata/labels/"
    said: list[actions.Json] = [
        {"op": "add", "path": root + escaped(one), "value": value}
        for one, value in wanted["metadata"]["labels"].items()
    ]
    gone: list[actions.Json] = [{"op": "remove", "path": root + escaped(one)} for one in strange]
    return _patch(path, found, "labels", [*said, *gone])


def _level(company: CompanyNow, terms: Terms) -> str:
    return "restricted" if "restricted" in (company.pod_security, terms.pod_security_floor) else company.pod_security


def _inside(wanted: Mapping[str, Json], seen: Seen) -> Iterator[Action]:
    # Bindings go before accounts: without its binding a token is worth nothing at once.
    for path in sorted(seen.objects.keys() - wanted.keys(), key=lambda one: manifests.BINDINGS not in one):
        yield Remove(path=path, uid=seen.objects[path]["metadata"]["uid"])
    for path, body in wanted.items():
        found = seen.objects.get(path)
        if found is None:
            yield Apply(path=path, body=dict(body))
        elif not is_as_wanted(found, body):
            yield _mended(path, found, body)


EXACT = ("spec", "roleRef", "subjects")
"""What of an object is as we wrote it and nothing besides: one more peer, or a scope, opens what it closes. The API server fills
nothing in there that we do not say.
"""


def is_as_wanted(found: Json, wanted: Json) -> bool:
    """Whether what bounds a company is exactly as wanted; beside its labels others may have theirs."""
    for field, value in wanted.items():
        there = found.get(field)
        if there != value and (field in EXACT or not covers(there, value)):
            return False
    return True


def _mended(path: str, found: Json, wanted: Json) -> Action:
    if _is_unchangeable(found, wanted):
        return Remove(path=path, uid=found["metadata"]["uid"])
    more = [field for field in EXACT if _has_more(found.get(field), wanted.get(field))]
    if not more:
        return Apply(path=path, body=dict(wanted))
    # Applying takes nothing off that somebody else put there.
    operations: list[actions.Json] = [{"op": "replace", "path": f"/{one}", "value": wanted[one]} for one in more]
    return _patch(path, found, " and ".join(more), operations)


def _is_unchangeable(found: Json, wanted: Json) -> bool:
    """A binding's role and a quota's scopes are for ever: it is made anew."""
    return found.get("roleRef") != wanted.get("roleRef") or "scopes" in found.get("spec", {})


def _has_more(found: Any, wanted: Any) -> bool:
    """Whether a field is there that is not wanted. Lists are whole: applying replaces them."""
    if found == wanted or not isinstance(found, dict):
        return False
    return not isinstance(wanted, dict) or any(
        key not in wanted or _has_more(value, wanted[key]) for key, value in found.items()
    )


def _patch(path: str, found: Json, what: str, operations: list[actions.Json]) -> Patch:
    uid = found["metadata"]["uid"]
    same: actions.Json = {"op": "test", "path": "/metadata/uid", "value": uid}
    return Patch(path=path, uid=uid, what=what, operations=(same, *operations))


def covers(found: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there, beside what the API server or others added."""
    if found == wanted:
        return True
    if not isinstance(wanted, dict) or not isinstance(found, dict):
        return False
    for key, value in wanted.items():
        there = found.get(key)
        if there != value and not covers(there, value):
            return False
    return True
