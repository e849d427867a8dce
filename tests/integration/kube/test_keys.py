"""Keys on a real API server: what they open, and how soon they are dead."""

import re
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dure import kube
from scheduler.store.db import Database
from tests.cluster.cluster import Cluster
from tests.integration.kube.escapes.story import until
from tests.integration.kube.keyed import Keyed, keyed

TREE = Path(__file__).resolve().parents[3]
EXAMPLES = TREE / "docs" / "examples" / "kubernetes"


@pytest.fixture
def at(database: Database, charted: Cluster, tmp_path: Path) -> Iterator[Keyed]:
    with keyed(database, charted, f"keys-{uuid.uuid4().hex[:8]}", tmp_path) as found:
        yield found


def kubectl(at: Keyed, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        ["kubectl", *words], env=dict(at.environ), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def gated(at: Keyed) -> list[tuple[str, str]]:
    """Names of Jobs or Deployments, and the lease label, of the pods that wait at the gate."""
    found = at.cluster.get(f"/api/v1/namespaces/{at.namespace}/pods")["items"]
    return sorted(
        (one["metadata"]["ownerReferences"][0]["name"], one["metadata"]["labels"][kube.LEASE_LABEL])
        for one in found
        if [gate["name"] for gate in one["spec"].get("schedulingGates", [])] == [kube.GATE]
    )


def test_a_leases_key_dies_at_its_end_and_not_at_its_own(at: Keyed) -> None:
    lease = at.running()
    key = at.site.post("admin", f"/v1/leases/{lease}/kube-token").json()["token"]
    with at.cluster.http(token=key) as mine:
        path = f"/api/v1/namespaces/{at.namespace}/pods"
        assert mine.get(path).status_code == 200
        assert mine.get("/api/v1/namespaces/default/pods").status_code == 403
        at.end(lease)
        ended = time.monotonic()
        until(lambda: mine.get(path).status_code in (401, 403), "the key to be dead")
        print(f"dead {time.monotonic() - ended:.2f} s after the end")
        assert mine.post(path, json={"metadata": {"name": "late"}}).status_code in (401, 403)


def test_a_key_that_is_not_there_yet_is_said_to_come(at: Keyed) -> None:
    lease = at.site.world.ask(who=at.company).id
    at.site.world.turn(at.site.clock.at)
    refused = at.site.post("admin", f"/v1/leases/{lease}/kube-token")
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "key_not_made", "1")


def test_the_api_makes_no_key_outside_of_companies(at: Keyed) -> None:
    """Its own rights would do; the chart's fence does not."""
    keys = at.site.app.state.parts.keys
    with pytest.raises(Exception, match="for the keys of companies alone"):
        keys.make("main", "../../kube-system", "default", 600)


def test_a_merged_kubeconfig_works_with_kubectl_and_leaves_what_was_there(at: Keyed, tmp_path: Path) -> None:
    lease, path = at.running(), tmp_path / "config"
    path.write_text(at.cluster.admin.read_text())
    said = at.dure("kubeconfig", lease, "--merge", "--out", str(path))
    assert said.exit_code == 0, said.output
    config = f"--kubeconfig={path}"
    assert "NAME" not in kubectl(at, config, f"--context=dure-{lease}", "get", "pods")
    assert kubectl(at, config, f"--context=dure-{lease}", "auth", "can-i", "create", "jobs").strip() == "yes"
    assert kubectl(at, config, f"--context=dure-{lease}", "auth", "can-i", "list", "nodes", code=1) is not None
    assert "default" in kubectl(at, config, "get", "namespaces")


def test_a_plugin_that_gets_no_key_says_why(at: Keyed, tmp_path: Path) -> None:
    lease, path = at.running(), tmp_path / "config"
    assert at.dure("kubeconfig", lease, "--out", str(path)).exit_code == 0
    at.site.post("admin", f"/v1/leases/{lease}/release")
    said = kubectl(at, f"--kubeconfig={path}", "get", "pods", code=1)
    assert "error (wrong_state)" in said


def test_a_static_key_is_in_the_file_and_works(at: Keyed, tmp_path: Path) -> None:
    path = tmp_path / "config"
    assert at.dure("kubeconfig", "--company", at.company, "--static", "--out", str(path)).exit_code == 0
    assert "token" in yaml.safe_load(path.read_text())["users"][0]["user"]
    assert "resourcequota" not in kubectl(at, f"--kubeconfig={path}", "get", "secrets")


def test_a_program_is_run_as_a_job_that_waits_at_the_gate(at: Keyed) -> None:
    lease = at.running(gpus=8)
    said = at.dure("run", lease, "--name", "tune", "--", "pytorch", "python", "train.py")
    assert said.exit_code == 0, said.output
    until(lambda: gated(at) == [("tune", lease)], "the pod at the gate")


def test_a_program_on_a_full_lease_is_told_what_refuses_its_pods(at: Keyed) -> None:
    lease = at.running(gpus=8)
    quotas = f"/api/v1/namespaces/{at.namespace}/resourcequotas"
    hard = {f"requests.{kube.DEFAULT_RESOURCE}": "8"}
    made = at.reconciler.post(quotas, json={"metadata": {"name": kube.QUOTA}, "spec": {"hard": hard}})
    made.raise_for_status()
    until(lambda: "hard" in at.cluster.get(f"{quotas}/{kube.QUOTA}").get("status", {}), "the quota to be counted")
    first = at.dure("run", lease, "--name", "first", "--", "pytorch")
    assert first.exit_code == 0, first.output
    second = at.dure("run", lease, "--name", "second", "--", "pytorch")
    assert (second.exit_code, second.stdout) == (9, "")
    assert f"the GPUs of lease {lease} are all asked for by other pods" in second.stderr
    assert at.dure("run", lease, "--name", "first", "--", "pytorch").exit_code == 8


def test_a_gang_is_run_as_an_indexed_job(at: Keyed) -> None:
    shape = {"nodes": 2, "gpus_per_node": 8}
    lease = at.running(shape=shape)
    said = at.dure("run", lease, "--name", "pretrain", "--", "pytorch", "torchrun", "train.py")
    assert said.exit_code == 0, said.output
    until(lambda: gated(at) == [("pretrain", lease)] * 2, "both pods at the gate")
    service = at.cluster.get(f"/api/v1/namespaces/{at.namespace}/services/pretrain")
    assert service["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize(
    ("file", "want"),
    [
        ("training.yaml", [("finetune", "finetune-7b")]),
        ("gang.yaml", [("pretrain", "pretrain")] * 2),
        ("inference.yaml", [("chat", "chat")] * 2),
    ],
)
def test_what_the_docs_show_is_taken_and_waits_for_its_lease(at: Keyed, file: str, want: list[tuple[str, str]]) -> None:
    path = Path(at.environ["HOME"]) / "config"
    assert at.dure("kubeconfig", "--company", at.company, "--out", str(path)).exit_code == 0
    kubectl(at, f"--kubeconfig={path}", "apply", f"--filename={EXAMPLES / file}")

    def seen() -> bool:
        return [
            (name.rpartition("-")[0] or name if file == "inference.yaml" else name, of) for name, of in gated(at)
        ] == want

    until(seen, "the pods at the gate")


def test_what_the_readme_shows_is_taken_and_waits_for_its_lease(at: Keyed, tmp_path: Path) -> None:
    shown = re.findall(r"^```yaml\n(.*?)^```$", (TREE / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "shown.yaml").write_text("---\n".join(shown))
    assert at.dure("kubeconfig", "--company", at.company, "--out", str(tmp_path / "config")).exit_code == 0
    kubectl(at, f"--kubeconfig={tmp_path / 'config'}", "apply", f"--filename={tmp_path / 'shown.yaml'}")
    want = [("chat", "chat"), ("chat", "chat"), ("finetune", "finetune-7b")]
    until(lambda: [(name.partition("-")[0], of) for name, of in gated(at)] == want, "the pods at the gate")


def test_the_docs_show_what_is_tried_here() -> None:
    assert {one.name for one in EXAMPLES.iterdir()} == {"training.yaml", "gang.yaml", "inference.yaml"}
