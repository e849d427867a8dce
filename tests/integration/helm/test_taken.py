"""A real API server takes every object of every value file by its own strict validation, and judges its pods."""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.cluster import Cluster
from tests.cluster.daemons import until
from tests.integration.helm import rendering

PAGE = Path(__file__).resolve().parents[3] / "docs" / "recovery.md"
DRY = ("--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts", "--filename=-")
SYSTEM, AGENTS = "strict-system", "strict-agents"


@pytest.fixture(scope="module")
def strict(own: Cluster) -> Iterator[Cluster]:
    """With namespaces in which nothing is made for good."""
    for name in (SYSTEM, AGENTS):
        until(lambda name=name: _made(own, name), [], within_s=60, what="the one before to be gone")
        path = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        until(lambda path=path: own.api.get(path).is_success, [], within_s=60, what="the namespace")
    yield own
    for name in (SYSTEM, AGENTS):
        own.api.delete(f"/api/v1/namespaces/{name}").raise_for_status()


def _made(cluster: Cluster, namespace: str) -> bool:
    return cluster.api.post("/api/v1/namespaces", json={"metadata": {"name": namespace}}).is_success


@pytest.mark.parametrize("name", sorted(rendering.VALUE_FILES))
def test_each_object_is_taken_by_the_servers_own_strict_validation(strict: Cluster, name: str):
    text = rendering.text(
        f"--values={rendering.VALUE_FILES[name]}", f"--namespace={SYSTEM}", f"--set=agent.namespace={AGENTS}"
    )
    said = strict.kubectl("apply", *DRY, given=text)
    made = [each for each in yaml.load_all(text, rendering.LOADER) if each]
    assert len(said.splitlines()) == len(made)
    assert all("serverside-applied (server dry run)" in line for line in said.splitlines())


def test_what_the_schema_of_a_kind_does_not_know_would_be_refused(strict: Cluster):
    """Else the test above would find nothing."""
    job = rendering.of("default")["Job", "dure-migration-1"]
    spec = {**job["spec"], "ttlSecondAfterFinished": 1}
    wrong = {**job, "metadata": {**job["metadata"], "namespace": SYSTEM}, "spec": spec}
    with pytest.raises(subprocess.CalledProcessError) as refused:
        strict.kubectl("apply", *DRY, given=yaml.safe_dump(wrong))
    assert "ttlSecondAfterFinished" in refused.value.stderr


def test_only_the_agent_is_refused_where_pods_have_to_be_restricted(own: Cluster):
    path = "/api/v1/namespaces/dure-system"
    until(lambda: own.api.get(f"{path}/serviceaccounts/default").is_success, [], within_s=60, what="the namespace")
    taken = {}
    for name, spec in rendering.pods(rendering.of("everything")):
        pod = {"metadata": {"name": name}, "spec": _free(spec)}
        answer = own.api.post(f"{path}/pods", params={"dryRun": "All"}, json=pod)
        taken[name] = answer.is_success or answer.json()["message"]
    refused = taken.pop("dure-agent")
    assert 'violates PodSecurity "restricted:latest"' in refused
    assert taken == dict.fromkeys(("dure-api", "dure-scheduler", "dure-migration-1", "dure-postgresql"), True)


def _free(spec: dict) -> dict:
    """Without its account, which is not there yet."""
    return {key: value for key, value in spec.items() if key != "serviceAccountName"}


def test_the_pod_that_settles_a_restored_database_is_let_in_and_is_a_migration_to_network_policies(own: Cluster):
    """As docs/recovery.md has it, but that it does not wait for what the pod says."""
    until(
        lambda: own.api.get("/api/v1/namespaces/dure-system/serviceaccounts/default").is_success,
        [],
        within_s=60,
        what="the namespace",
    )
    (line,) = (one.strip() for one in PAGE.read_text().splitlines() if "run dure-restored" in one)
    words = [word for word in shlex.split(line)[1:] if word not in ("--rm", "--stdin")]
    at = words.index("--")
    pod = yaml.safe_load(own.kubectl(*words[:at], "--dry-run=server", "--output=yaml", *words[at:]))
    migration = rendering.of("default")["Job", "dure-migration-1"]["spec"]["template"]["metadata"]["labels"]
    shown = ("app.kubernetes.io/instance", "app.kubernetes.io/component")
    assert {name: pod["metadata"]["labels"][name] for name in shown} == {name: migration[name] for name in shown}
