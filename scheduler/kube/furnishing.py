"""A company's namespace and what bounds it, made, repaired and taken away."""

from collections.abc import Iterator, Mapping
from typing import Any

from dure import kube
from scheduler.kube import manifests
from scheduler.kube.actions import Action, Apply, Create, Remove
from scheduler.kube.desired import CompanyNow, Terms
from scheduler.kube.observed import Json, Seen


def is_ours(seen: Seen, company: str) -> bool:
    """Whether its namespace was made by us for the company, by its labels; or, where somebody changed those, by its being the
    one in which the company's key works. One that somebody else made of that name is never adopted.
    """
    if seen.namespace is None:
        return True
    labels = seen.namespace["metadata"].get("labels") or {}
    is_marked = labels.get(kube.MANAGED_BY) == kube.MANAGER and labels.get(kube.COMPANY_LABEL, company) == company
    return is_marked or _has_key(seen, company)


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
    if not covers(seen.namespace, wanted):
        yield Apply(path=manifests.path(wanted), body=wanted)
    yield from _inside(manifests.objects(company, resources, terms, now, left_over), seen)


def _level(company: CompanyNow, terms: Terms) -> str:
    return "restricted" if "restricted" in (company.pod_security, terms.pod_security_floor) else company.pod_security


def _inside(wanted: Mapping[str, Json], seen: Seen) -> Iterator[Action]:
    # Bindings go before accounts: without its binding a token is worth nothing at once.
    for path in sorted(seen.objects.keys() - wanted.keys(), key=lambda one: "/rolebindings/" not in one):
        yield Remove(path=path, uid=seen.objects[path]["metadata"]["uid"])
    for path, body in wanted.items():
        found = seen.objects.get(path)
        if found is not None and _rebound(found, body):
            yield Remove(path=path, uid=found["metadata"]["uid"])
        elif found is None or not covers(found, body):
            yield Apply(path=path, body=dict(body))


def _rebound(found: Json, wanted: Json) -> bool:
    """A binding's role cannot be changed: it is made anew."""
    return "roleRef" in wanted and found.get("roleRef") != wanted["roleRef"]


def covers(found: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there, beside what the API server or others added."""
    if found == wanted:  # as most of it is, which is seen at once
        return True
    if isinstance(wanted, dict):
        return isinstance(found, dict) and _covers(found, wanted)
    return (
        isinstance(wanted, list)
        and isinstance(found, list)
        and len(found) == len(wanted)
        and all(covers(one, other) for one, other in zip(found, wanted, strict=True))
    )


def _covers(found: Json, wanted: Json) -> bool:
    for key, value in wanted.items():
        if key not in found:
            if value != {}:  # a field that the API server leaves out stands for nothing, which an empty object is
                return False
        elif not covers(found[key], value):
            return False
    return True
