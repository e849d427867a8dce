"""The user's own kubectl, and what becomes of what it says."""

from pathlib import Path

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
