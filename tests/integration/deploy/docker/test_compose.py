"""compose.yaml, as Compose's own loader reads it: it holds together, names nothing that is not there, and is as closed as it can be.

No Docker engine runs here, so no container of it is started; its processes are those of test_image.py, with the same settings.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.docker import rules
from docs.made import settings
from tests.cluster import binaries
from tests.cluster.binaries import NoBinaries
from tests.monitoring.prometheus import found, promtool

FOLDER = Path(__file__).resolve().parents[4] / "deploy" / "docker"
PLAIN, TLS = ("compose.yaml",), ("compose.yaml", "compose.tls.yaml")
OURS = {
    "migration": {"scheduler"},
    "api": {"api"},
    "scheduler": {"scheduler"},
    "enrolment": {"scheduler", "dure"},
    **{name: {"agent"} for name in ("node-1", "node-2", "node-3", "agent")},
}
"""Which processes run in which service of the image."""

AS_ROOT = {"agent"}
"""As the kubelet's and the driver's files are root's."""


@pytest.fixture(scope="module", params=[PLAIN, TLS], ids=["plain", "tls"])
def project(request: pytest.FixtureRequest) -> dict[str, Any]:
    return loaded(*request.param)


def loaded(*files: str, folder: Path = FOLDER) -> dict[str, Any]:
    """The model, merged and filled in. Raises CalledProcessError with the loader's words."""
    done = subprocess.run(
        [binary("compose-spec"), "-format", "json", *files], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, files, done.stdout, done.stderr)
    return json.loads(done.stdout)


def binary(name: str) -> Path:
    try:
        binaries.ensure([name])
    except NoBinaries as why:
        pytest.skip(str(why))
    return binaries.find(name)


def test_a_word_that_compose_does_not_know_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("services: {api: {image: 'dure:1', readonly: true}}")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        loaded("bad.yaml", folder=tmp_path)
    assert "services.api.readonly" in refused.value.stderr


def test_everything_that_a_service_names_is_there(project: dict[str, Any]) -> None:
    for name, service in project["services"].items():
        assert set(service.get("depends_on", ())) <= set(project["services"]), name
        assert set(service.get("networks", ())) <= {*project["networks"], "default"}, name
        assert {one["source"] for one in service.get("secrets", ())} <= set(project["secrets"]), name
        volumes = {one["source"] for one in service.get("volumes", ()) if one["type"] == "volume"}
        assert volumes <= set(project["volumes"]), name


def test_every_path_that_is_mounted_is_there(project: dict[str, Any]) -> None:
    made = (str(FOLDER / "secrets"),)
    for name, service in project["services"].items():
        for mount in (one for one in service.get("volumes", ()) if one["type"] == "bind"):
            source = Path(mount["source"])
            assert source.exists() or str(source).startswith(made), f"{name} mounts {source}"
            assert mount.get("read_only"), f"{name} could change {source}"


def test_what_runs_once_is_waited_for_to_end_and_what_goes_on_to_be_ready(project: dict[str, Any]) -> None:
    once = {"migration", "enrolment"}
    for name, service in project["services"].items():
        for other, told in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in once else "service_healthy"
            assert told["condition"] == wanted, f"{name} on {other}"
            checked = project["services"][other].get("healthcheck", {})
            assert bool(checked.get("disable")) == (other in once)
    assert set(project["services"]["api"]["depends_on"]) == {"migration"}
    assert set(project["services"]["migration"]["depends_on"]) == {"postgres"}


def test_every_image_has_a_version(project: dict[str, Any]) -> None:
    for name, service in project["services"].items():
        tag = service["image"].rpartition(":")[2]
        assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-[a-z]+)?", tag), f"{name}: {service['image']}"


def test_every_container_may_do_nothing_that_it_need_not(project: dict[str, Any]) -> None:
    for name, service in project["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert not service.keys() & {"cap_add", "privileged", "devices"}, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].startswith("0:") == (name in AS_ROOT), name
        assert ("pid" in service) == (name == "agent"), name


def environment(service: dict[str, Any]) -> dict[str, str]:
    """The loader writes it in one of Compose's two ways."""
    found = service.get("environment", {})
    return found if isinstance(found, dict) else dict(one.split("=", 1) for one in found)


def test_every_variable_is_a_setting_of_the_process_that_has_it(project: dict[str, Any]) -> None:
    known = re.findall(r"^\| `(DURE_[A-Z_]+)` \| ([a-z, ]+) \|", settings.markdown(), re.M)
    for name, processes in OURS.items():
        mine = {one for one, who in known if processes & set(who.split(", "))}
        told = {one for one in environment(project["services"][name]) if one.startswith("DURE_")}
        assert told, name
        assert told <= mine, name


def test_no_secret_is_in_the_environment(project: dict[str, Any]) -> None:
    files = ("/run/secrets/", "/run/join/", "/var/lib/dure/")
    secret = re.compile("PASSWORD|URL_FILE|TOKEN|KEY")
    told = [one for service in project["services"].values() for one in environment(service).items()]
    assert all(value.startswith(files) for name, value in told if secret.search(name))
    assert sum(bool(secret.search(name)) for name, _ in told) >= 8


def test_only_who_needs_the_database_reaches_it(project: dict[str, Any]) -> None:
    reach = {name for name, service in project["services"].items() if "database" in service.get("networks", ())}
    assert reach == {"postgres", "migration", "api", "scheduler", "enrolment"}
    assert project["networks"]["database"]["internal"]
    assert "ports" not in project["services"]["postgres"]


def test_nothing_is_published_beyond_the_machine_unless_one_says_so(project: dict[str, Any]) -> None:
    ports = [port for service in project["services"].values() for port in service.get("ports", ())]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    assert {port["target"] for port in ports} == {8470, 9090, 9093, 3000}


@pytest.mark.parametrize("config", ["prometheus.yml", "tls.yml"])
def test_prometheus_takes_its_configuration_with_the_rules(config: str) -> None:
    done = subprocess.run(
        promtool("check", "config", FOLDER / "prometheus" / config), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[1-9]\d* rules found", done.stdout)


def test_alertmanager_takes_its_configuration_and_pages_for_what_pages() -> None:
    config = FOLDER / "alertmanager" / "alertmanager.yml"
    subprocess.run([found("amtool"), "check-config", config], check=True, capture_output=True)
    for severity, receiver in (("page", "pager"), ("ticket", "tickets")):
        routed = [found("amtool"), "config", "routes", "test", f"--config.file={config}", f"severity={severity}"]
        assert subprocess.run(routed, check=True, capture_output=True, text=True).stdout.strip() == receiver


def test_by_https_prometheus_scrapes_what_it_scrapes_without() -> None:
    plain, tls = (yaml.safe_load((FOLDER / "prometheus" / name).read_text()) for name in ("prometheus.yml", "tls.yml"))
    api = tls["scrape_configs"][0]
    assert (api.pop("scheme"), api.pop("tls_config")["server_name"]) == ("https", "api")
    assert tls == plain


def test_every_name_that_prometheus_looks_up_is_a_service_or_its_alias(project: dict[str, Any]) -> None:
    config = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yml").read_text())
    asked = {name for job in config["scrape_configs"] for sd in job["dns_sd_configs"] for name in sd["names"]}
    services = {name: one for name, one in project["services"].items() if "dure" in one.get("networks", ())}
    aliases = {alias for one in services.values() for alias in (one["networks"]["dure"] or {}).get("aliases", ())}
    assert asked <= {*services, *aliases}
    assert {job["job_name"] for job in config["scrape_configs"]} == {"dure-api", "dure-scheduler", "dure-agent"}


def test_the_rules_are_those_of_the_chart() -> None:
    assert rules.FILE.read_text() == rules.made(str(binary("helm"))), "python -m deploy.docker rules"


def test_without_helm_one_is_told_to_install_it() -> None:
    with pytest.raises(rules.NoRules, match="install Helm"):
        rules.made("no-such-helm")
