"""Reading Kubernetes' JSON, in which what is empty is left out."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

Json = Mapping[str, Any]

_SUFFIX = {"k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def at(found: Json, *path: str) -> Any:
    """What is at the end of the path; None where a part of it is not there."""
    value: Any = found
    for part in path:
        value = cast(Json, value).get(part) if isinstance(value, Mapping) else None
    return value


def each(found: Json, *path: str) -> list[Json]:
    """The entries of a list."""
    return at(found, *path) or []


def named(found: Json, *path: str) -> Mapping[str, str]:
    """A mapping of texts, such as labels."""
    return at(found, *path) or {}


def labels(found: Json) -> Mapping[str, str]:
    return named(found, "metadata", "labels")


def name(found: Json) -> str:
    return str(at(found, "metadata", "name"))


def has(node: Json, resource: str) -> int:
    """How many of a resource a node can give to pods."""
    return whole(named(node, "status", "allocatable").get(resource, "0"))


def whole(said: object) -> int:
    """Of a quantity of devices as the API server writes it, where a thousand is `1k`; what is no number is none."""
    found = re.fullmatch(r"(\d+(?:[eE]\d{1,2})?)([kMG]|[KMG]i|)", str(said))
    return 0 if found is None else int(Decimal(found[1])) * _SUFFIX.get(found[2], 1)


def is_tainted(node: Json, key: str) -> bool:
    """Whether nothing new comes to it without tolerating that key."""
    taints = each(node, "spec", "taints")
    return any(one.get("key") == key and one.get("effect") in ("NoSchedule", "NoExecute") for one in taints)
