"""The chart: its policies and rights. Its values, its workloads and its releases are in tests/integration/helm."""

import subprocess
from typing import Any

import pytest
import yaml

from dure import kube
from tests.cluster.cluster import MERGE, Cluster
from tests.integration.kube import companies
from tests.integration.kube.chart import CHART, helm
from tests.integration.kube.escapes.story import until


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nosuchvalue=1", "nosuchvalue"),
        ("pods.scheduler=mine", "scheduler"),
        ("podSecurity.floor=privileged", "floor"),
        ("pods.volumes={hostPath}", "volumes"),
        ("pods.deviceVariables={OTHER}", "deviceVariables"),
        ("breakGlass.group=system:authenticated", "group"),
        ("gpu.resources=nvidia", "resources"),
        ("network.closed={10.0.0.0}", "closed"),
        ("network.closed={fd00::/8}", "closed"),
        ("leases.warningSeconds=-1", "warningSeconds"),
        ("scheduler.env.HOME=/", "HOME"),
        ("agent.capabilities={CAP_SYS_ADMIN}", "capabilities"),
    ],
)
def test_a_value_that_is_unknown_or_unsafe_is_refused_by_its_name(given: str, said: str):
    with pytest.raises(subprocess.CalledProcessError) as refused:
        helm("template", "dure", str(CHART), f"--set={given}")
    assert said in refused.value.stderr


def test_policies_fail_closed_for_companies_and_never_see_anybody_else():
    for policy in _rendered("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"):
        spec, name = policy["spec"], policy["metadata"]["name"]
        assert spec["failurePolicy"] == "Fail"
        selected = spec["matchConstraints"].get("namespaceSelector") == {
            "matchExpressions": [{"key": kube.COMPANY_LABEL, "operator": "Exists"}]
        }
        by_name = {condition["name"] for condition in spec["matchConditions"]} & {"reconciler", "api", "of-a-company"}
        assert selected or by_name, name


def test_every_policy_is_bound_and_lets_operators_through_but_no_account_of_dures():
    policies = _rendered("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
    bound = _rendered("ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding")
    assert sorted(each["metadata"]["name"] for each in policies) == sorted(each["spec"]["policyName"] for each in bound)
    for policy in policies:
        broken = any(condition["name"] == "not-break-glass" for condition in policy["spec"]["matchConditions"])
        assert broken == (not policy["metadata"]["name"].startswith("dure-fence-")), policy["metadata"]["name"]


def test_the_release_namespace_names_the_accounts_that_policies_know():
    text = helm("template", "dure", str(CHART), "--namespace=elsewhere")
    assert "system:serviceaccount:elsewhere:dure-reconciler" in text
    assert "system:serviceaccount:dure-system" not in text


def _rendered(*kinds: str) -> list[dict[str, Any]]:
    text = helm("template", "dure", str(CHART), "--namespace=dure-system")
    return [each for each in yaml.safe_load_all(text) if each and each["kind"] in kinds]


@pytest.mark.parametrize(
    ("given", "added", "watches"),
    [
        pytest.param((), None, None, id="none by default"),
        pytest.param(("--set=agent.capabilities={SYS_ADMIN}",), ["SYS_ADMIN"], "all", id="for GPM and MIG"),
        pytest.param(
            ("--set=agent.capabilities={SYS_PTRACE}",), ["SYS_PTRACE"], None, id="another, not enough for MIG"
        ),
    ],
)
def test_the_agent_watches_mig_instances_only_with_the_capability_that_it_needs_for_that(
    given: tuple[str, ...], added: list[str] | None, watches: str | None
):
    text = helm("template", "dure", str(CHART), *given, "--show-only=templates/workloads/agent.yaml")
    (pod,) = (each["spec"]["template"]["spec"] for each in yaml.safe_load_all(text) if each["kind"] == "DaemonSet")
    (agent,) = pod["containers"]

    assert agent["securityContext"]["capabilities"] == {"drop": ["ALL"], **({} if added is None else {"add": added})}
    assert {one["name"]: one.get("value") for one in agent["env"]}.get("NVIDIA_MIG_MONITOR_DEVICES") == watches


def test_nothing_is_changed_or_refused_outside_companies_namespaces(charted: Cluster, namespace: str):
    path = f"/api/v1/namespaces/{namespace}"
    until(lambda: charted.api.get(f"{path}/serviceaccounts/default").is_success, "the namespace")
    host = companies.pod(
        "host",
        nodeName="any",
        hostPID=True,
        tolerations=[{"operator": "Exists"}],
        volumes=[{"name": "v", "hostPath": {"path": "/dev"}}],
    )
    made = charted.api.post(f"{path}/pods", json=host).raise_for_status().json()
    assert "schedulingGates" not in made["spec"]
    assert "env" not in made["spec"]["containers"][0]
    assert made["spec"]["nodeName"] == "any"
    for resource, body in {
        "serviceaccounts": {"metadata": {"name": "any"}},
        "secrets": {"metadata": {"name": "any"}, "stringData": {"NVIDIA_VISIBLE_DEVICES": "all"}},
        "services": {"metadata": {"name": "any"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}},
    }.items():
        charted.api.post(f"{path}/{resource}", json=body).raise_for_status()
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
    charted.api.patch(path, headers=MERGE, json=label).raise_for_status()


def test_the_keys_of_a_company_have_no_right_on_what_bounds_it(charted: Cluster):
    for role in _rendered("ClusterRole"):
        if role["metadata"]["name"] not in (kube.COMPANY_KEY, kube.LEASE_ROLE):
            continue
        writes = {
            resource
            for rule in role["rules"]
            if set(rule["verbs"]) - {"get", "list", "watch"}
            for resource in rule["resources"]
        }
        assert not writes & {"resourcequotas", "limitranges", "networkpolicies", "roles", "rolebindings", "events"}
        assert not writes & {"serviceaccounts", "serviceaccounts/token", "pods/binding", "pods/status", "namespaces"}
        exec_too = role["metadata"]["name"] == kube.LEASE_ROLE
        assert ({"pods/exec", "pods/attach", "pods/portforward"} <= writes) == exec_too
