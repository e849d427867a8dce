"""dure pods, dure logs and dure clusters."""

from tests.unit.dure.answers import Api, a_cluster, a_kube_access, a_kube_token, a_pod, a_pod_log, page
from tests.unit.dure.conftest import Run
from tests.unit.dure.fake_kubectl import Kubectl

LEASE = "lea_06eqz8n1hg7k2m9v4r3t"


def test_a_companys_pods_say_why_they_wait(api: Api, run: Run) -> None:
    detail = f"lease {LEASE} starts at 2026-11-24T02:00:00Z; it starts by itself then"
    waits = a_pod("train-1", waits="not_started", detail=detail)
    api.on("GET", "/v1/companies/acme/pods", page(waits, a_pod("serve-0", phase="Running", lease=LEASE, node="gpu-01")))
    shown = run("pods", "--company", "acme").stdout
    assert "waits (not_started)" in shown
    assert "11:00 KST" in shown
    assert shown.index("serve-0") < shown.index("train-1")


def test_a_leases_pods_are_listed_with_how_they_ended(api: Api, run: Run) -> None:
    api.on("GET", f"/v1/leases/{LEASE}/pods", page(a_pod(phase="Failed", exit_code=137, reason="OOMKilled")))
    assert "failed, exit code 137" in run("pods", LEASE).stdout
    api.on("GET", f"/v1/leases/{LEASE}/pods", page())
    assert run("pods", LEASE).stdout == "no pods that ask for GPUs\n"


def test_pods_are_of_a_lease_or_of_a_company(api: Api, run: Run) -> None:
    neither, both = run("pods"), run("pods", LEASE, "--company", "acme")
    assert neither.exit_code == both.exit_code == 2
    assert ("say whose" in neither.stderr, "not both" in neither.stderr) == (True, False)
    assert "a lease or --company COMPANY, and not both" in both.stderr
    assert api.seen == []


def test_the_last_lines_of_what_is_over_are_shown_with_how_it_ended(api: Api, run: Run) -> None:
    gone = a_pod_log("train-1", exit_code=None, reason=None, containers=[])
    api.on("GET", f"/v1/leases/{LEASE}/logs", page(gone, a_pod_log()))
    lines = run("logs", LEASE).stdout.splitlines()
    assert lines[0].startswith("train-0 ended Tue 2026-11-24 09:47:44 KST")
    assert lines[0].endswith("exit code 1 (Error)")
    assert lines[1:3] == ["step 7", "CUDA out of memory"]
    assert lines[4] == "its lines were gone when they were read"
    api.on("GET", f"/v1/leases/{LEASE}/logs", page())
    assert "--follow" in run("logs", LEASE).stdout


def test_of_several_containers_each_has_its_lines_under_its_name(api: Api, run: Run) -> None:
    several = [{"container": "main", "log": "saved at step 8\n"}, {"container": "metrics", "log": ""}]
    api.on("GET", f"/v1/leases/{LEASE}/logs", page(a_pod_log(containers=several)))
    lines = run("logs", LEASE).stdout.splitlines()
    assert lines[1:] == ["container main", "saved at step 8", "container metrics", "it wrote nothing"]


def test_what_pods_write_now_is_followed_by_kubectl_with_the_leases_key(api: Api, run: Run, kubectl: Kubectl) -> None:
    api.on("GET", f"/v1/leases/{LEASE}/kubeconfig", a_kube_access())
    api.on("POST", f"/v1/leases/{LEASE}/kube-token", a_kube_token())
    kubectl.on("logs", "", code=4)
    assert run("logs", LEASE, "--follow").exit_code == 4
    [call] = kubectl.calls
    assert call["words"][:2] == ["logs", "--follow"]
    assert f"--selector=dure.dev/placement={LEASE}" in call["words"]


def test_clusters_are_listed_with_what_is_wrong(api: Api, run: Run) -> None:
    api.on(
        "GET",
        "/v1/clusters",
        page(a_cluster(), a_cluster("edge", state="trouble", version=None, heard_at=None, trouble="away")),
    )
    shown = run("clusters").stdout
    assert "v1.37.2" in shown
    assert "away" in shown
    api.on("GET", "/v1/clusters", page())
    assert "DURE_SCHEDULER_CLUSTERS" in run("clusters").stdout
