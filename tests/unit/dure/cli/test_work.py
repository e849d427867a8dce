"""dure run and dure shell."""

import json
from typing import Any

import pytest
import yaml

from dure import wire
from tests.unit.dure.answers import Api, a_kube_access, a_kube_token, a_lease, a_pool
from tests.unit.dure.conftest import Run
from tests.unit.dure.fake_kubectl import Kubectl, a_list

LEASE = "lea_06eqz8n1hg7k2m9v4r3t"


@pytest.fixture
def on(api: Api, kubectl: Kubectl) -> Any:
    """A lease with a key, on a cluster that takes everything."""

    def lease(state: str = "active", pool: wire.Pool | None = None, **more: Any) -> None:
        api.on("GET", f"/v1/leases/{LEASE}", a_lease(state, **more)).on("GET", "/v1/pools/h100-80gb", pool or a_pool())
        api.on("GET", f"/v1/leases/{LEASE}/kubeconfig", a_kube_access())
        api.on("POST", f"/v1/leases/{LEASE}/kube-token", a_kube_token())
        api.on("POST", "/v1/companies/acme/kube-token", a_kube_token(token="company"))
        kubectl.on("create", {"kind": "Job", "metadata": {"uid": "u-1"}}).on(
            "get pods --output=json", a_list(*[{}] * 16)
        )

    return lease


def made(kubectl: Kubectl) -> list[dict[str, Any]]:
    given = json.loads(kubectl.calls[0]["given"])
    assert (given["apiVersion"], given["kind"]) == ("v1", "List")
    return given["items"]


ONE = {"shape": wire.Shape(gpus=2), "placement": [wire.NodeShare(node="gpu-01", gpus=2)]}


def test_a_program_becomes_a_job_that_names_its_lease(run: Run, kubectl: Kubectl, on: Any) -> None:
    on(**ONE)
    said = run("run", LEASE, "--name", "tune", "--", "pytorch:2.9", "python", "train.py", "--lr", "3").stdout
    assert "tune: a pod with 2 GPUs" in said
    [job] = made(kubectl)
    pod = job["spec"]["template"]
    assert (job["kind"], job["metadata"]["name"], pod["metadata"]["labels"]) == (
        "Job",
        "tune",
        {"dure.dev/lease": LEASE},
    )
    [container] = pod["spec"]["containers"]
    assert (container["image"], container["command"]) == ("pytorch:2.9", ["python", "train.py", "--lr", "3"])
    assert container["resources"] == {"limits": {"nvidia.com/gpu": 2}}
    assert pod["spec"]["terminationGracePeriodSeconds"] == 30


def test_the_key_lies_in_a_file_that_is_readable_by_its_owner_alone_and_gone_afterwards(
    run: Run, kubectl: Kubectl, on: Any
) -> None:
    on(**ONE)
    run("run", LEASE, "--", "image")
    call = kubectl.calls[0]
    assert call["mode"] == "0o600"
    assert yaml.safe_load(call["kubeconfig"])["users"][0]["user"] == {"token": "eyJ.e30.c2ln"}


def test_a_gang_is_an_indexed_job_whose_pods_find_each_other(run: Run, kubectl: Kubectl, on: Any) -> None:
    on()
    run("run", LEASE, "--name", "pretrain", "--", "image", "torchrun")
    service, job = made(kubectl)
    assert (service["kind"], job["kind"]) == ("Service", "Job")
    assert {name: job["spec"][name] for name in ("completionMode", "completions", "parallelism")} == {
        "completionMode": "Indexed",
        "completions": 2,
        "parallelism": 2,
    }
    spec = job["spec"]["template"]["spec"]
    [container] = spec["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    assert env == {"NODE_RANK": None, "MASTER_ADDR": "pretrain-0.pretrain", "MASTER_PORT": "29500", "NNODES": "2"}
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 8}
    assert (spec["subdomain"], service["metadata"]["name"], service["spec"]["clusterIP"]) == (
        "pretrain",
        "pretrain",
        "None",
    )


def test_before_its_start_it_is_made_with_the_companys_key_and_waits(
    api: Api, run: Run, kubectl: Kubectl, on: Any
) -> None:
    on("scheduled")
    assert run("run", LEASE, "--", "image").exit_code == 0
    assert yaml.safe_load(kubectl.calls[0]["kubeconfig"])["users"][0]["user"] == {"token": "company"}
    assert api.seen[-1].url.params["cluster"] == "main"


def test_a_pool_with_a_short_grace_or_another_resource_is_followed(run: Run, kubectl: Kubectl, on: Any) -> None:
    on(pool=a_pool(grace_s=10, resource="nvidia.com/mig-1g.10gb"), **ONE)
    run("run", LEASE, "--gpus", "1", "--", "image")
    [job] = made(kubectl)
    spec = job["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 10
    assert spec["containers"][0]["resources"]["limits"] == {"nvidia.com/mig-1g.10gb": 1}
    assert "command" not in spec["containers"][0]


def test_in_a_pool_without_grace_a_pod_has_a_second_as_the_policies_take_none_with_less(
    run: Run, kubectl: Kubectl, on: Any
) -> None:
    on(pool=a_pool(grace_s=0), **ONE)
    run("run", LEASE, "--gpus", "1", "--", "image")
    [job] = made(kubectl)
    assert job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 1


def test_gpus_that_lie_unevenly_have_to_be_said(run: Run, kubectl: Kubectl, on: Any) -> None:
    placement = [wire.NodeShare(node="gpu-01", gpus=2), wire.NodeShare(node="gpu-02", gpus=1)]
    on(shape=wire.Shape(gpus=3), placement=placement)
    result = run("run", LEASE, "--", "image")
    assert (result.exit_code, kubectl.calls) == (2, [])
    assert "2 on gpu-01, 1 on gpu-02: say how many a pod takes" in result.stderr
    assert run("run", LEASE, "--gpus", "1", "--nodes", "3", "--", "image").exit_code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--gpus", "9"), "more than the 16"),
        (("--name", "Train"), "--name"),
        (("--name", "a" * 53), "--name"),
        (("--nodes", "0"), "--nodes"),
    ],
)
def test_what_the_lease_has_not_is_not_made(
    run: Run, kubectl: Kubectl, on: Any, words: tuple[str, ...], says: str
) -> None:
    on()
    result = run("run", LEASE, *words, "--", "image")
    assert (result.exit_code, kubectl.calls) == (2, [])
    assert says in result.stderr


def test_what_the_cluster_says_against_it_is_told_on(run: Run, kubectl: Kubectl, on: Any) -> None:

    kubectl.on("create", "Error from server (Forbidden): not by this key", code=1)
    on()
    result = run("run", LEASE, "--", "image")
    assert (result.exit_code, result.stdout) == (9, "")
    assert "not by this key" in result.stderr
    assert json.loads(run("run", LEASE, "--json", "--", "image").stdout)["code"] == "cluster_refused"


def test_a_name_that_a_job_has_already_is_said_alone(run: Run, kubectl: Kubectl, on: Any) -> None:
    there = 'Error from server (AlreadyExists): error when creating "STDIN": jobs.batch "early" already exists'
    kubectl.on("create", f'Warning: would violate PodSecurity "restricted:latest"\n{there}', code=1)
    on(**ONE)
    result = run("run", LEASE, "--name", "early", "--", "image")
    assert result.exit_code == 8
    assert result.stderr.strip() == (
        "error (already_exists): there is a Job early already: say another --name, or delete that one"
    )


def test_a_service_that_an_earlier_job_left_is_said_with_what_to_delete(run: Run, kubectl: Kubectl, on: Any) -> None:
    there = 'Error from server (AlreadyExists): error when creating "STDIN": services "early" already exists'
    kubectl.on("create", there, code=1)
    on()
    result = run("run", LEASE, "--name", "early", "--", "image")
    assert result.exit_code == 8
    shown = " ".join(result.stderr.split())
    assert "there is a Service early already" in shown
    assert "kubectl delete service/early job/early" in shown


def test_pods_that_the_quota_refuses_are_said_with_what_to_do(api: Api, run: Run, kubectl: Kubectl, on: Any) -> None:
    said = 'Error creating: pods "tune-x" is forbidden: exceeded quota: dure-gpus, requested: requests.nvidia.com/gpu=2'
    kubectl.on("get pods --output=json", a_list()).on("get events", a_list({"message": said}))
    on(pool=a_pool(cluster="main"), **ONE)
    result = run("run", LEASE, "--name", "tune", "--", "image")
    assert (result.exit_code, result.stdout) == (9, "")
    shown = " ".join(result.stderr.split())
    assert f"Job tune is made, but the cluster does not take its pods: the GPUs of lease {LEASE} are all asked" in shown
    assert f"dure pods {LEASE} shows them" in shown
    assert "kubectl --context dure-acme-main delete job tune" in shown
    assert "--field-selector=involvedObject.uid=u-1,reason=FailedCreate" in kubectl.calls[-1]["words"]


def test_what_else_refuses_the_pods_is_told_on_in_its_own_words(run: Run, kubectl: Kubectl, on: Any) -> None:
    said = 'Error creating: pods "tune-x" is forbidden: policy dure-claims denied it'
    kubectl.on("get pods --output=json", a_list({})).on("get events", a_list({"message": said}))
    on()
    result = run("run", LEASE, "--", "image")
    assert result.exit_code == 9
    assert 'does not take its pods: pods "tune-x" is forbidden: policy dure-claims denied it' in result.stderr


@pytest.mark.parametrize("looks", ["nobody says anything", "the key may not look"])
def test_pods_that_are_not_there_yet_are_no_failure(api: Api, run: Run, kubectl: Kubectl, on: Any, looks: str) -> None:
    may = looks == "nobody says anything"
    kubectl.on("get pods --output=json", a_list() if may else "Forbidden", code=0 if may else 1)
    on(**ONE)
    assert run("run", LEASE, "--", "image").exit_code == 0
    assert sum(api.slept) == (5 if may else 0)


def test_more_pods_than_the_lease_has_gpus_for_are_said_by_the_option_that_was_given(
    run: Run, kubectl: Kubectl, on: Any
) -> None:
    on()
    assert (
        "error: --nodes: 3 pods of 8 GPUs are more than the 16" in run("run", LEASE, "--nodes", "3", "--", "i").stderr
    )


def test_a_kubelet_that_does_not_answer_is_one_line(run: Run, kubectl: Kubectl, on: Any) -> None:
    said = (
        'error: error sending request: Post "https://10.0.0.5:10250/exec": dial tcp 10.0.0.5:10250: connection refused'
    )
    kubectl.on("exec", said, code=1).on("logs", said, code=1)
    on()
    for words in (("shell", LEASE, "tune-1"), ("logs", LEASE, "--follow")):
        result = run(*words)
        assert result.exit_code == 9
        assert result.stderr.startswith(
            "error (cluster_refused): the kubelet of the pod's node does not answer at 10.0.0.5"
        )
        assert result.stderr.count("\n") == 1


def test_without_kubectl_nothing_is_tried(
    api: Api, run: Run, environ: dict[str, str], on: Any, kubectl: Kubectl
) -> None:
    on()
    environ["PATH"] = "/nowhere"
    for words in (("run", LEASE, "--", "image"), ("shell", LEASE), ("logs", LEASE, "--follow")):
        result = run(*words)
        assert result.exit_code == 2
        assert "kubectl is not on your PATH" in result.stderr
    assert "POST" not in {one.method for one in api.seen}


def test_a_shell_is_opened_in_the_only_pod_that_runs(run: Run, kubectl: Kubectl, on: Any) -> None:
    on()
    kubectl.on("get pods", a_list({"metadata": {"name": "tune-0"}}))
    assert run("shell", LEASE).exit_code == 0
    assert kubectl.calls[-1]["words"] == ["exec", "--stdin", "--tty", "tune-0", "--", "sh"]


def test_a_shells_own_exit_code_is_the_commands(run: Run, kubectl: Kubectl, on: Any) -> None:
    on()
    kubectl.on("exec", "", code=130)
    assert run("shell", LEASE, "tune-1", "--command", "bash").exit_code == 130
    assert kubectl.calls[-1]["words"][-3:] == ["tune-1", "--", "bash"]


@pytest.mark.parametrize(
    ("running", "says"), [((), "nothing runs on lease"), (("b", "a"), "several run, so say which: a, b")]
)
def test_without_one_pod_it_is_said_which_there_are(
    run: Run, kubectl: Kubectl, on: Any, running: tuple[str, ...], says: str
) -> None:
    on()
    kubectl.on("get pods", a_list(*({"metadata": {"name": name}} for name in running)))
    result = run("shell", LEASE)
    assert result.exit_code == 2
    assert says in result.stderr
