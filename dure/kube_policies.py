"""What became of the chart's admission policies and their bindings since Helm wrote them. Pure.

Each carries what the chart shipped in an annotation, so whoever changes one by hand is noticed without a copy of the chart.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from dure.kube import SHIPPED
from dure.kube_objects import Json, at, each, name, named
from dure.kube_verbs import MUTATING, POLICY_KINDS, VALIDATING

POLICIES = {kind: MUTATING if kind.startswith("mutating") else VALIDATING for kind in POLICY_KINDS}
"""By the kind, as the API server lists it: the names of the chart's. A binding is called as its policy."""

FILLED_IN: Mapping[str, Any] = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "scope": "*",
}
"""What the API server writes where nothing is said."""


REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
"""Where the API server serves policies, and says itself which kinds it does."""


def off(group: Json | None) -> str | None:
    """Which kinds of policies a cluster does not serve, and what to do. `group` is what is at `REGISTRATION`, None where nothing is."""
    served = {str(one["name"]) for one in each(group or {}, "resources")}
    kinds = [kind for kind in POLICY_KINDS if not kind.endswith("bindings") and kind not in served]
    if not kinds:
        return None
    return f"admissionregistration.k8s.io/v1 does not serve {' and '.join(kinds)}: take it out of the API server's --runtime-config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """`said` names the policy or binding, and what is wrong. `is_sure` is False where it does not say what was shipped."""

    name: str
    said: str
    is_sure: bool = True


def drifted(kind: str, found: Iterable[Json]) -> Iterator[Drift]:
    """One for each of the chart's that is missing or changed. `found` are all of that kind in the cluster."""
    there = {name(one): one for one in found}
    what = "binding" if kind.endswith("bindings") else "policy"
    for one in POLICIES[kind]:
        if one not in there:
            yield Drift(name=one, said=f"{what} {one} is missing")
        else:
            yield from _changed(one, what, there[one])


def _changed(name: str, what: str, found: Json) -> Iterator[Drift]:
    shipped = _shipped(found)
    if shipped is None:
        yield Drift(
            name=name, said=f"{what} {name} does not say what the chart wrote: it is another chart's", is_sure=False
        )
        return
    spec: Json = at(found, "spec") or {}
    fields = sorted(one for one in spec.keys() | shipped.keys() if not _same(one, spec, shipped))
    if fields:
        yield Drift(name=name, said=f"{what} {name} was changed by hand in {' and '.join(fields)}")


def _shipped(found: Json) -> Json | None:
    try:
        shipped: object = json.loads(named(found, "metadata", "annotations").get(SHIPPED, ""))
    except ValueError:
        return None
    return cast(Json, shipped) if isinstance(shipped, dict) else None


def _same(field: str, found: Json, shipped: Json) -> bool:
    if field == "validationActions":  # that it warns or is audited as well is no less
        return set(shipped.get(field) or ()) <= set(found.get(field) or ())
    return _alike(found.get(field, FILLED_IN.get(field)), shipped.get(field, FILLED_IN.get(field)))


def _alike(found: Any, shipped: Any) -> bool:
    if isinstance(found, Mapping) and isinstance(shipped, Mapping):
        one, other = cast(Json, found), cast(Json, shipped)
        return all(_same(field, one, other) for field in one.keys() | other.keys())
    if isinstance(found, list) and isinstance(shipped, list):
        ones, others = cast("list[Any]", found), cast("list[Any]", shipped)
        return len(ones) == len(others) and all(map(_alike, ones, others))
    return found == shipped
