"""What the chart gives to Prometheus and Grafana."""

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.helm.rendering import CHART, of, rendered

JOBS = ("dure-api", "dure-scheduler", "dure-agent")


def test_without_the_prometheus_operator_nothing_of_its_kinds_is_made():
    assert not [key for key in of("default") if key[0] in ("ServiceMonitor", "PrometheusRule")]


@pytest.mark.parametrize("job", JOBS)
def test_a_job_is_called_after_the_one_service_that_its_monitor_finds(job: str):
    """Prometheus names a job after its Service where a monitor says nothing else."""
    objects = of("everything")
    spec = objects["ServiceMonitor", job]["spec"]
    assert "jobLabel" not in spec
    wanted = spec["selector"]["matchLabels"].items()
    (namespace,) = spec["namespaceSelector"]["matchNames"]
    found = [
        name
        for (kind, name), each in objects.items()
        if kind == "Service"
        and each["metadata"]["namespace"] == namespace
        and wanted <= each["metadata"]["labels"].items()
    ]
    assert found == [job]
    (endpoint,) = spec["endpoints"]
    (port,) = objects["Service", job]["spec"]["ports"]
    assert (endpoint["port"], endpoint["path"], endpoint["honorLabels"]) == (port["name"], "/metrics", True)
    assert objects["ServiceMonitor", job]["metadata"]["labels"]["release"] == "kube-prometheus-stack"


@pytest.mark.parametrize("job", ["dure-scheduler", "dure-agent"])
def test_a_process_that_is_not_ready_is_scraped_too(job: str):
    assert of("default")["Service", job]["spec"]["publishNotReadyAddresses"] is True


def test_prometheus_checks_the_apis_certificate_by_its_name_and_authority():
    endpoints = {job: of("everything")["ServiceMonitor", job]["spec"]["endpoints"][0] for job in JOBS}
    assert endpoints["dure-api"]["scheme"] == "https"
    assert endpoints["dure-api"]["tlsConfig"] == {
        "serverName": "dure-api.dure-system",
        "ca": {"secret": {"name": "dure-api-tls", "key": "ca.crt"}},
    }
    assert "scheme" not in endpoints["dure-scheduler"] | endpoints["dure-agent"]


def test_each_dashboard_is_a_config_map_that_the_sidecar_finds_as_it_is_in_its_file(tmp_path: Path):
    chart = tmp_path / "dure"
    shutil.copytree(CHART, chart)
    shutil.rmtree(chart / "dashboards", ignore_errors=True)
    (chart / "dashboards").mkdir()
    text = json.dumps({"title": "Fleet", "legend": "{{pool}} of {{ .Values }}"}, indent=2)
    (chart / "dashboards" / "dure-fleet_now.json").write_text(text)
    objects = rendered("--set=monitoring.dashboards.enabled=true", chart=chart)
    made = objects["ConfigMap", "dure-dashboard-fleet-now"]
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert made["metadata"]["annotations"] == {"grafana_folder": "Dure"}
    assert {name: held.strip() for name, held in made["data"].items()} == {"dure-fleet_now.json": text}
    assert not [key for key in rendered(chart=chart) if key[0] == "ConfigMap"]
