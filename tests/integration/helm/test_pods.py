"""The pods of API, scheduler, migration and agents, as the chart makes them."""

import re
from typing import Any

import pytest

from tests.integration.helm import rendering
from tests.integration.helm.rendering import environment, of, pod, pods, rendered

EVERY = sorted(rendering.VALUE_FILES)
OWN = ("dure-api", "dure-scheduler", "dure-migration-1")


@pytest.mark.parametrize("name", EVERY)
def test_no_service_beside_a_pod_becomes_a_setting_in_it(name: str):
    """A Service called dure-api is else DURE_API_PORT=tcp://10.96.0.7:8470, which no API takes for its port."""
    assert [made for made, spec in pods(of(name)) if spec["enableServiceLinks"] is not False] == []


@pytest.mark.parametrize("name", EVERY)
def test_a_pod_has_its_accounts_token_only_where_the_cluster_is_asked_something(name: str):
    with_token = {made for made, spec in pods(of(name)) if spec["automountServiceAccountToken"] is not False}
    assert with_token == {"dure-api", "dure-scheduler"} & {made for made, _ in pods(of(name))}


@pytest.mark.parametrize("name", EVERY)
def test_no_mount_is_of_a_part_of_a_volume_which_would_never_change_again(name: str):
    for made, spec in pods(of(name)):
        for container in spec["containers"]:
            assert not [one for one in container["volumeMounts"] if "subPath" in one], made


@pytest.mark.parametrize("name", EVERY)
def test_no_variable_is_said_twice_which_the_api_server_would_refuse(name: str):
    for made, spec in pods(of(name)):
        (container,) = spec["containers"]
        names = [one["name"] for one in container["env"]]
        assert len(set(names)) == len(names), made


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize(
    ("given", "secret", "key"),
    [
        pytest.param((), "dure-database", "url", id="from outside"),
        pytest.param(("--set=database.secret=mine,database.key=uri",), "mine", "uri", id="of another name"),
        pytest.param(("--set=postgresql.enabled=true",), "dure-postgresql", "url", id="bundled"),
    ],
)
def test_the_url_of_the_database_is_a_file_of_the_secret_and_in_no_variable(
    name: str, given: tuple[str, ...], secret: str, key: str
):
    spec = pod(rendered(*given), name)
    (volume,) = [one["secret"] for one in spec["volumes"] if one["name"] == "database"]
    (mount,) = [one for one in spec["containers"][0]["volumeMounts"] if one["name"] == "database"]
    assert (volume["secretName"], volume["items"]) == (secret, [{"key": key, "path": "url"}])
    variables = environment(spec)
    assert variables["DURE_DATABASE_URL_FILE"] == f"{mount['mountPath']}/url"
    assert "DURE_DATABASE_URL" not in variables


@pytest.mark.parametrize("name", OWN)
def test_they_can_write_only_where_the_pod_has_a_folder_for_it(name: str):
    spec = pod(of("everything"), name)
    assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    volumes = {one["name"]: one for one in spec["volumes"]}
    writable = {
        one["mountPath"]: volumes[one["name"]]
        for one in spec["containers"][0]["volumeMounts"]
        if not one.get("readOnly")
    }
    assert all("emptyDir" in volume for volume in writable.values())
    compiled = environment(spec).get("DURE_COMPILED_FOLDER")
    assert set(writable) == {"/tmp", compiled} - {None}


def test_a_setting_of_the_values_holds_in_the_place_of_the_charts_own():
    variables = environment(pod(of("everything"), "dure-scheduler"))
    assert variables["DURE_SCHEDULER_CLUSTERS"] == "main=in-cluster,busan=/etc/dure/kubeconfigs/busan"
    assert variables["DURE_SCHEDULER_HOST"] == "0.0.0.0"


def test_without_a_certificate_everything_is_http():
    objects = of("default")
    assert not [name for name in environment(pod(objects, "dure-api")) if "TLS" in name]
    assert _schemes(pod(objects, "dure-api")) == {"HTTP"}
    assert environment(pod(objects, "dure-agent"))["DURE_AGENT_SERVER"] == "http://dure-api.dure-system:8470"


@pytest.mark.parametrize(
    ("name", "secret", "server"),
    [
        ("external-database", "dure-api-certificate", "https://dure.example.org"),
        ("cert-manager", "dure-api-tls", "https://dure-api.dure-system:8470"),
    ],
)
def test_with_a_certificate_the_api_answers_https_and_agents_believe_its_authority(name: str, secret: str, server: str):
    objects = of(name)
    api, agent = pod(objects, "dure-api"), pod(objects, "dure-agent")
    assert [one["secret"]["secretName"] for one in api["volumes"] if one["name"] == "tls"] == [secret]
    (mount,) = [one for one in api["containers"][0]["volumeMounts"] if one["name"] == "tls"]
    variables = environment(api)
    assert variables["DURE_API_TLS_CERTIFICATE"] == f"{mount['mountPath']}/tls.crt"
    assert variables["DURE_API_TLS_KEY"] == f"{mount['mountPath']}/tls.key"
    assert _schemes(api) == {"HTTPS"}
    assert _schemes(pod(objects, "dure-scheduler")) == _schemes(agent) == {"HTTP"}
    assert environment(agent)["DURE_AGENT_SERVER"] == server
    (trust,) = [one for one in agent["containers"][0]["volumeMounts"] if one["name"] == "trust"]
    assert environment(agent)["SSL_CERT_FILE"] == f"{trust['mountPath']}/ca.crt"


def test_the_certificate_is_for_the_names_by_which_the_api_is_reached():
    spec = of("cert-manager")["Certificate", "dure-api"]["spec"]
    assert {"dure-api.dure-system", "dure-api.dure-system.svc", "dure.example.org"} <= set(spec["dnsNames"])
    assert spec["secretName"] == "dure-api-tls"
    assert spec["issuerRef"] == {"name": "internal", "kind": "ClusterIssuer", "group": "cert-manager.io"}


def _schemes(spec: dict[str, Any]) -> set[str]:
    (container,) = spec["containers"]
    return {container[f"{probe}Probe"]["httpGet"]["scheme"] for probe in ("readiness", "liveness", "startup")}


def test_the_agent_sees_the_hosts_processes_and_two_folders_of_the_host_and_no_more():
    spec = pod(of("default"), "dure-agent")
    (container,) = spec["containers"]
    assert {key: spec[key] for key in spec if key.startswith("host")} == {"hostPID": True}
    assert {one["name"]: one["hostPath"]["path"] for one in spec["volumes"] if "hostPath" in one} == {
        "pod-resources": "/var/lib/kubelet/pod-resources",
        "state": "/var/lib/dure-agent",
    }
    read_only = {one["name"] for one in container["volumeMounts"] if one.get("readOnly")}
    assert read_only == {"token", "pod-resources"}
    assert container["securityContext"] == {
        "runAsUser": 0,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}


def test_what_the_agent_is_allowed_has_its_reason_beside_it():
    source = (rendering.CHART / "templates" / "workloads" / "agent.yaml").read_text()
    for allowed in ("hostPID: true", "runAsUser: 0", "- name: token", "- name: pod-resources", "- name: state"):
        assert re.search(rf"^ *{re.escape(allowed)} # \S+", source, re.MULTILINE), allowed


def test_agents_are_on_gpu_nodes_that_dure_was_given_in_a_namespace_of_their_own():
    objects = of("default")
    labels = objects["Namespace", "dure-agents"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"
    assert [key for key, each in objects.items() if each["metadata"].get("namespace") == "dure-agents"] == [
        ("ServiceAccount", "dure-agent"),
        ("Service", "dure-agent"),
        ("DaemonSet", "dure-agent"),
    ]
    terms = pod(objects, "dure-agent")["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms["nodeSelectorTerms"] == [{"matchExpressions": [{"key": "dure.dev/pool", "operator": "Exists"}]}]


def test_no_selector_changes_by_which_a_release_would_not_be_upgraded():
    for (kind, name), each in of("everything").items():
        if kind in ("Deployment", "DaemonSet", "StatefulSet"):
            component = name.removeprefix("dure-")
            assert each["spec"]["selector"] == {
                "matchLabels": {"app.kubernetes.io/instance": "dure", "app.kubernetes.io/component": component}
            }


def test_the_migration_is_a_job_of_its_revision_and_no_hook():
    job = of("default")["Job", "dure-migration-1"]
    assert job["spec"]["ttlSecondsAfterFinished"] == 86400
    annotations = {name for each in of("everything").values() for name in each["metadata"].get("annotations", {})}
    assert not [name for name in annotations if name.startswith("helm.sh/hook")]


def test_replicas_are_spread_and_no_drain_takes_them_all():
    objects = of("default")
    for name in ("dure-api", "dure-scheduler"):
        budget = objects["PodDisruptionBudget", name]["spec"]
        selector = objects["Deployment", name]["spec"]["selector"]
        assert (budget["maxUnavailable"], budget["selector"]) == (1, selector)
        spread = pod(objects, name)["topologySpreadConstraints"]
        assert [one["topologyKey"] for one in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
        assert all(one["labelSelector"] == selector for one in spread)


def test_an_autoscaler_is_there_only_when_it_is_asked_for_and_then_says_how_many():
    assert ("HorizontalPodAutoscaler", "dure-api") not in of("default")
    assert of("default")["Deployment", "dure-api"]["spec"]["replicas"] == 2
    objects = of("everything")
    assert objects["HorizontalPodAutoscaler", "dure-api"]["spec"]["maxReplicas"] == 12
    assert "replicas" not in objects["Deployment", "dure-api"]["spec"]


def test_a_further_cluster_has_what_enforces_leases_and_agents_that_report_elsewhere():
    objects = of("agents-only")
    assert [name for name, _ in pods(objects)] == ["dure-agent"]
    assert environment(pod(objects, "dure-agent"))["DURE_AGENT_SERVER"] == "https://dure.example.org:8470"
    assert ("ServiceAccount", "dure-reconciler") in objects
    assert ("MutatingAdmissionPolicy", "dure-gate") in objects
