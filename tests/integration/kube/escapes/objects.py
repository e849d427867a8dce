"""The objects of a row: words filled in, and what a row leaves out."""

import copy
import re
from collections.abc import Mapping
from typing import Any

from dure import kube

WORD = re.compile(r"\$([a-z_]+)")

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"labels": {kube.LEASE_LABEL: "$lease"}},
    "spec": {
        "terminationGracePeriodSeconds": 5,
        "containers": [{"name": "main", "image": "busybox", "resources": {"limits": {kube.DEFAULT_RESOURCE: 1}}}],
    },
}

CPU = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"labels": {}},
    "spec": {"terminationGracePeriodSeconds": 5, "containers": [{"name": "main", "image": "busybox"}]},
}

NAMES_PODS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController")
"""Those that want a selector, and find their pods by it."""


def build(row: Mapping[str, Any], words: Mapping[str, Any]) -> dict[str, Any]:
    """What `pod`, `cpu` or `make` of a row stands for; named and labelled with `$name` where it says nothing else."""
    made = fill(_whole(row), words)
    made["metadata"] = {"name": words["name"], **made.get("metadata", {})}
    name, spec = words["name"], made.get("spec") or {}
    if made["kind"] == "Pod":
        made["metadata"]["labels"] = {**made["metadata"].get("labels", {}), "attempt": name}
    template = _template_of(made)
    if template is not None:
        template["metadata"].setdefault("labels", {})["attempt"] = name
    if made["kind"] in NAMES_PODS:
        plain = made["kind"] == "ReplicationController"
        spec["selector"] = {"attempt": name} if plain else {"matchLabels": {"attempt": name}}
    return made


def fill(value: Any, words: Mapping[str, Any]) -> Any:
    """The same with every `$word` that there is replaced; one that stands alone may become any value."""
    if isinstance(value, str):
        alone = WORD.fullmatch(value)
        if alone and alone[1] in words:
            return copy.deepcopy(words[alone[1]])
        return WORD.sub(lambda found: str(words.get(found[1], found[0])), value)
    if isinstance(value, dict):
        return {fill(key, words): fill(each, words) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, words) for each in value]
    return value


def merge(base: Any, over: Any) -> Any:
    """As a merge patch does it: null removes, objects merge, everything else replaces."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return copy.deepcopy(over)
    merged = copy.deepcopy(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key, {}), value)
    return merged


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    if "make" in row:
        return _with_template(copy.deepcopy(row["make"]))
    pod = merge(POD, row["pod"]) if "pod" in row else merge(CPU, row["cpu"])
    if "container" in row:
        main, *others = pod["spec"]["containers"]
        pod["spec"]["containers"] = [merge(main, row["container"]), *others]
    return pod


def _with_template(made: dict[str, Any]) -> dict[str, Any]:
    for spec in _specs(made):
        if "template" in spec:
            pod = _whole(spec["template"])
            spec["template"] = {"metadata": pod["metadata"], "spec": pod["spec"]}
    return made


def _template_of(made: Mapping[str, Any]) -> dict[str, Any] | None:
    return next((spec["template"] for spec in _specs(made) if "template" in spec), None)


def _specs(made: Mapping[str, Any]) -> list[dict[str, Any]]:
    spec = made.get("spec") or {}
    job = spec.get("jobTemplate", {}).get("spec")
    return [job] if job else [spec]
