"""dure node adopt."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dure.cli import app
from dure.cli.terminal import Outside
from tests.unit.dure.answers import NOW, Api, a_node, a_pool, problem
from tests.unit.dure.conftest import Run
from tests.unit.dure.fake_kubectl import Kubectl, a_list
from tests.unit.dure.kube_objects import a_daemon_set, a_kube_pod
from tests.unit.dure.kube_objects import a_node as a_kube_node


@pytest.fixture
def there(api: Api, kubectl: Kubectl) -> Kubectl:
    """A plain node, with a DaemonSet and a pod of somebody's."""
    api.on("GET", "/v1/pools/h100", a_pool("h100")).on("GET", "/v1/nodes/gpu-01", a_node())
    kubectl.on("get node gpu-01", a_kube_node())
    kubectl.on("get daemonsets", a_list(a_daemon_set("logs")))
    return kubectl.on("get pods", a_list(a_kube_pod("notebook", gpus=1)))


def changes(kubectl: Kubectl) -> list[list[str]]:
    return [call["words"] for call in kubectl.calls if call["words"][0] != "get"]


def test_a_node_is_tainted_and_labelled_and_who_is_touched_is_said(run: Run, there: Kubectl) -> None:
    said = run("node", "adopt", "gpu-01", "h100", "--yes").stdout
    assert changes(there) == [
        ["taint", "node", "gpu-01", "nvidia.com/gpu=present:NoSchedule"],
        ["label", "node", "gpu-01", "dure.dev/pool=h100"],
    ]
    assert "gpu-01 is under Dure" in said
    assert "will not come back to the node: kube-system/logs" in said
    assert "nobody's lease; move them: default/notebook" in said


def test_nothing_is_changed_for_a_dry_run(run: Run, there: Kubectl) -> None:
    assert "would come under Dure" in run("node", "adopt", "gpu-01", "h100", "--dry-run").stdout
    assert changes(there) == []


@pytest.mark.parametrize(("said", "does"), [("y\n", True), ("n\n", False)])
def test_who_does_not_say_yes_is_asked(
    api: Api, environ: dict[str, str], there: Kubectl, said: str, does: bool
) -> None:
    outside = Outside(environ=environ, now=lambda: NOW, transport=api)
    result = CliRunner().invoke(app, ["node", "adopt", "gpu-01", "h100"], obj=outside, input=said)
    assert (result.exit_code == 0) is does
    assert bool(changes(there)) is does
    assert "kube-system/logs" in result.stderr


def test_in_json_nobody_is_asked(run: Run, there: Kubectl) -> None:
    assert run("node", "adopt", "gpu-01", "h100", "--json").exit_code == 2
    assert changes(there) == []
    found = json.loads(run("node", "adopt", "gpu-01", "h100", "--json", "--yes").stdout)
    assert (found["daemon_sets"], found["takers"]) == (["kube-system/logs"], ["default/notebook"])


def test_done_again_it_changes_nothing(api: Api, run: Run, kubectl: Kubectl) -> None:
    api.on("GET", "/v1/pools/h100", a_pool("h100")).on("GET", "/v1/nodes/gpu-01", a_node())
    kubectl.on("get node", a_kube_node(pool="h100", tainted=True)).on("get", a_list())
    assert "under Dure already; nothing was changed" in run("node", "adopt", "gpu-01", "h100").stdout
    assert changes(kubectl) == []


def test_the_operators_kubeconfig_context_and_taint_are_used(run: Run, there: Kubectl, tmp_path: Path) -> None:
    config = tmp_path / "operator.yaml"
    config.write_text("kind: Config")
    words = ("--kubeconfig", str(config), "--taint-key", "example.org/gpu", "--yes")
    assert run("node", "adopt", "gpu-01", "h100", *words).exit_code == 0
    assert changes(there)[0][-1] == "example.org/gpu=present:NoSchedule"
    assert there.calls[0]["kubeconfig"] == "kind: Config"
    assert "is not there" in run("node", "adopt", "gpu-01", "h100", "--kubeconfig", "/nowhere").stderr


def test_a_node_that_is_not_enrolled_is_told_of(api: Api, run: Run, there: Kubectl) -> None:
    api.on("GET", "/v1/nodes/gpu-01", problem("unknown_node", 404))
    assert "dure node enroll gpu-01" in run("node", "adopt", "gpu-01", "h100", "--yes").stderr


def test_a_node_that_is_not_in_the_cluster_is_kubectls_to_say(api: Api, run: Run, kubectl: Kubectl) -> None:
    api.on("GET", "/v1/pools/h100", a_pool("h100"))
    kubectl.on("get node", 'Error from server (NotFound): nodes "gpu-01" not found', code=1)
    result = run("node", "adopt", "gpu-01", "h100", "--yes")
    assert (result.exit_code, 'nodes "gpu-01" not found' in result.stderr) == (9, True)


def test_a_node_without_the_pools_gpus_stays_as_it_is(api: Api, run: Run, kubectl: Kubectl) -> None:
    api.on("GET", "/v1/pools/h100", a_pool("h100"))
    kubectl.on("get node", a_kube_node(gpus=0)).on("get", a_list())
    result = run("node", "adopt", "gpu-01", "h100", "--yes")
    assert (result.exit_code, changes(kubectl)) == (2, [])
    assert "has no nvidia.com/gpu" in result.stderr
