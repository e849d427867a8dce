"""What Grafana does with a dashboard before it asks Prometheus: the choices of its variables, and what stands in their place."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.monitoring.prometheus import Prometheus

CHART = Path(__file__).resolve().parents[4] / "deploy" / "helm" / "dure" / "dashboards"
NAMES = sorted((path.stem for path in CHART.glob("*.json")), reverse=True)
"""Companies come last: shares are counted once a minute."""
LABEL_VALUES = re.compile(r"label_values\((?P<series>.+), *(?P<label>\w+)\)")
SCRAPES_S = 1
POINTS = 1000
"""Of the width of a panel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A query of a panel, or of one of its columns."""

    panel: str
    expression: str
    instant: bool

    def __str__(self) -> str:
        return f"{self.panel}: {self.expression}"


def dashboard(name: str) -> dict[str, Any]:
    return json.loads((CHART / f"{name}.json").read_text())


def asked(found: Mapping[str, Any]) -> Iterator[Asked]:
    for panel in found["panels"]:
        for target in panel.get("targets", ()):
            yield Asked(panel=panel["title"], expression=target["expr"], instant=target["instant"])


def choices(found: Mapping[str, Any], prometheus: Prometheus, lease: str | None = None) -> dict[str, list[str]]:
    """What each variable offers, in their order, as those before it are chosen: all that they offer, and of leases `lease`."""
    offered: dict[str, list[str]] = {}
    for variable in found["templating"]["list"]:
        if variable["type"] != "query":
            continue
        wanted = LABEL_VALUES.fullmatch(variable["query"])
        assert wanted, variable["query"]
        values = prometheus.values(wanted["label"], put(wanted["series"], chosen(offered), range_s=60))
        offered[variable["name"]] = [lease] if variable["name"] == "lease" and lease in values else values
    return offered


def chosen(offered: Mapping[str, list[str]]) -> dict[str, str]:
    """What stands for several values in a query."""
    return {name: _several(values) for name, values in offered.items()}


def everything(found: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """The same where `All` is chosen wherever it can be."""
    all_of = {one["name"]: one["allValue"] for one in found["templating"]["list"] if one.get("includeAll")}
    return {**given, **all_of}


def put(expression: str, values: Mapping[str, str], *, range_s: float) -> str:
    """With values in the place of variables. A rate is taken over four scrapes at least."""
    step = max(SCRAPES_S, range_s / POINTS)
    ours = {
        "__interval": f"{math.ceil(step)}s",
        "__range": f"{math.ceil(range_s)}s",
        "__rate_interval": f"{math.ceil(max(step + SCRAPES_S, 4 * SCRAPES_S))}s",
    }
    return re.sub(r"\$(\w+)", lambda found: {**values, **ours}[found[1]], expression)


def has_data(prometheus: Prometheus, one: Asked, values: Mapping[str, str], *, since: float, now: float) -> bool:
    """Any value that is a number."""
    expression = put(one.expression, values, range_s=now - since)
    if one.instant:
        points = [series["value"] for series in prometheus.query(expression, at=now)]
    else:
        points = [point for series in _meanwhile(prometheus, expression, since, now) for point in series["values"]]
    return any(value != "NaN" for _, value in points)


def _meanwhile(prometheus: Prometheus, expression: str, since: float, now: float) -> list[dict[str, Any]]:
    asked = {"query": expression, "start": since, "end": now, "step": max(SCRAPES_S, (now - since) / POINTS)}
    answer = prometheus.http.get("/api/v1/query_range", params=asked).json()
    assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
    return answer["data"]["result"]


def _several(values: list[str]) -> str:
    """As Grafana writes what is chosen into a matcher of Prometheus."""
    escaped = [re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
