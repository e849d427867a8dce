"""The user's own kubectl, and what becomes of what it says."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dure.kubectl import Failed, Kubectl, Missing
from tests.unit.dure.fake_kubectl import a_list, installed


def test_who_has_no_kubectl_is_told_where_it_is(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="install"):
        Kubectl({"PATH": str(tmp_path)})


def test_it_is_called_with_the_kubeconfig_the_context_and_what_is_given(tmp_path: Path) -> None:
    fake = installed(tmp_path).on("--context=edge get", "pods")
    config = tmp_path / "config"
    config.write_text("kind: Config")
    found = Kubectl({"PATH": str(tmp_path)}, kubeconfig=config, context="edge")
    assert found.text("get", "pods", given="hello") == "pods\n"
    [call] = fake.calls
    assert (call["words"], call["given"]) == (["--context=edge", "get", "pods"], "hello")
    assert call["kubeconfig"] == "kind: Config"


@pytest.mark.parametrize(
    ("said", "want"),
    [
        ({"kind": "Node", "n": 1}, [1]),
        (a_list({"n": 1}, {"n": 2}), [1, 2]),
        ('{"n": 1}\n{"n": 2}\n', [1, 2]),
        ({"kind": "PodList", "items": []}, []),
        ("", []),
    ],
    ids=["an object", "a list", "one after the other", "an empty list", "nothing"],
)
def test_objects_are_read_in_every_form_that_it_prints_them(tmp_path: Path, said: object, want: list[int]) -> None:
    installed(tmp_path).on("get", said)
    assert [one["n"] for one in Kubectl({"PATH": str(tmp_path)}).objects("get")] == want


def test_its_own_words_say_why_it_failed(tmp_path: Path) -> None:
    installed(tmp_path).on("get", "error: You must be logged in", code=1).on("top", "no JSON").on("wait", "", code=3)
    found = Kubectl({"PATH": str(tmp_path)})
    with pytest.raises(Failed, match=r"kubectl get pods: error: You must be logged in"):
        found.text("get", "pods")
    with pytest.raises(Failed, match="no JSON"):
        found.objects("top")
    with pytest.raises(Failed, match="ended with 3"):
        found.text("wait")
    assert found.attached("wait") == 3


def test_what_is_no_program_is_said(tmp_path: Path) -> None:
    (tmp_path / "kubectl").write_bytes(b"\x00")
    (tmp_path / "kubectl").chmod(0o755)
    with pytest.raises(Failed, match="cannot be run"):
        Kubectl({"PATH": str(tmp_path)}).text("get")


def a_script(folder: Path, lines: str) -> Kubectl:
    (folder / "kubectl").write_text(f"#!/bin/sh\n{lines}\n")
    (folder / "kubectl").chmod(0o755)
    return Kubectl({"PATH": str(folder)})


REFUSED = 'Get "https://10.0.0.5:10250/containerLogs": dial tcp 10.0.0.5:10250: connect: connection refused'


def test_advice_beside_a_failure_is_left_out(tmp_path: Path) -> None:
    said = 'Warning: would violate PodSecurity "restricted:latest"\nError from server (AlreadyExists): it is there'
    installed(tmp_path).on("create", said, code=1).on("apply", "Warning: it is old", code=1)
    found = Kubectl({"PATH": str(tmp_path)})
    with pytest.raises(Failed) as failed:
        found.text("create")
    assert str(failed.value) == "kubectl create: Error from server (AlreadyExists): it is there"
    with pytest.raises(Failed, match="it is old"):
        found.text("apply")


def test_the_log_of_its_tries_is_left_out(tmp_path: Path) -> None:
    tried = (
        'E1130 18:40:00.123456    4711 memcache.go:265] "Unhandled Error" err="couldn\'t get current server API group list: '
        'Get \\"http://localhost:8080/api?timeout=32s\\": dial tcp 127.0.0.1:8080: connect: connection refused"'
    )
    refused = "The connection to the server localhost:8080 was refused - did you specify the right host or port?"
    installed(tmp_path).on("get", "\n".join([*[tried] * 5, refused]), code=1)
    with pytest.raises(Failed) as failed:
        Kubectl({"PATH": str(tmp_path)}).text("get", "node", "n1")
    assert str(failed.value) == f"kubectl get node n1: {refused}"


def test_a_kubelet_that_does_not_answer_is_given_up_after_some_tries(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = a_script(tmp_path, f"while :; do echo '{REFUSED}' >&2; done")
    with pytest.raises(Failed, match=r"does not answer at 10\.0\.0\.5:10250 \(a simulated node has none\)"):
        found.attached("logs", "--follow")
    assert capfd.readouterr() == ("", "")


def test_what_else_it_says_is_told_on_as_it_comes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert a_script(tmp_path, "echo step 7; echo 'pods are few' >&2; exit 4").attached("logs") == 4
    assert capfd.readouterr() == ("step 7\n", "pods are few\n")


def test_one_try_at_a_kubelet_is_enough_where_it_ends_by_itself(tmp_path: Path) -> None:
    said = "error: Internal error occurred: no preferred addresses found; known addresses: []"
    with pytest.raises(Failed, match="the kubelet of the pod's node does not answer"):
        a_script(tmp_path, f"echo '{said}' >&2; exit 1").attached("exec")


def test_what_ends_us_ends_it_too(tmp_path: Path) -> None:
    a_script(tmp_path, "echo $$; exec sleep 1000")
    program = f"from dure.kubectl import Kubectl; Kubectl({{'PATH': '{tmp_path}:/usr/bin:/bin'}}).attached('logs')"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as ours:
        assert ours.stdout is not None
        started = psutil.Process(int(ours.stdout.readline()))
        ours.terminate()
        assert ours.wait(120) == 128 + signal.SIGTERM
    gone, _ = psutil.wait_procs([started], timeout=30)
    assert gone == [started]
