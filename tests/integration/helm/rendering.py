"""What Helm makes of the chart and some values, without a cluster."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dure import kube
from tests.integration.kube.chart import CHART, helm

VALUE_FILES = {path.name.removesuffix("-values.yaml"): path for path in sorted((CHART / "ci").glob("*-values.yaml"))}
"""By the name of what they are an example of."""

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C where there is one: the chart is thousands of lines."""

PODS = ("Deployment", "DaemonSet", "StatefulSet", "Job")
"""Kinds that make pods."""

Rendered = dict[tuple[str, str], dict[str, Any]]
"""Objects by kind and name."""


@cache
def text(*arguments: str, chart: Path = CHART) -> str:
    """All of it. Raises subprocess.CalledProcessError with what Helm said."""
    return helm("template", "dure", str(chart), f"--namespace={kube.SYSTEM_NAMESPACE}", *arguments)


@cache
def rendered(*arguments: str, chart: Path = CHART) -> Rendered:
    """Such as `--values=FILE` and `--set=NAME=VALUE`; every test's, so not to be changed. No two objects have the same kind and name."""
    objects = [each for each in yaml.load_all(text(*arguments, chart=chart), LOADER) if each]
    found = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    assert len(found) == len(objects), "an object is made twice"
    return found


def of(name: str) -> Rendered:
    """By the value file of that name."""
    return rendered(f"--values={VALUE_FILES[name]}")


def pods(objects: Rendered) -> Iterator[tuple[str, dict[str, Any]]]:
    """The spec of every pod that is made, with the name of what makes it."""
    for (kind, name), each in objects.items():
        if kind in PODS:
            yield name, each["spec"]["template"]["spec"]


def pod(objects: Rendered, name: str) -> dict[str, Any]:
    return next(spec for made, spec in pods(objects) if made == name)


def environment(spec: dict[str, Any]) -> dict[str, Any]:
    """The variables of a pod's only container; None where the value comes from elsewhere."""
    (container,) = spec["containers"]
    return {one["name"]: one.get("value") for one in container["env"]}
