"""The chart's recording rules and alerts, as Helm renders them: what is tested is what is shipped."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.integration.kube.chart import CHART, helm

OBJECT = "templates/monitoring/rules.yaml"


def prometheus_rule(*, show: str = OBJECT, **alerts: Any) -> dict[str, Any]:
    """The PrometheusRule with these values of `alerts`. Raises subprocess.CalledProcessError with what Helm says of them."""
    values = json.dumps({"enabled": True, **alerts})
    return yaml.safe_load(helm("template", "dure", str(CHART), f"--show-only={show}", f"--set-json=alerts={values}"))


def written(path: Path, **alerts: Any) -> Path:
    """Its groups in a file that Prometheus and promtool read."""
    path.write_text(yaml.safe_dump({"groups": prometheus_rule(**alerts)["spec"]["groups"]}))
    return path


def alerts_of(rule: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for group in rule["spec"]["groups"] for one in group["rules"] if "alert" in one]
