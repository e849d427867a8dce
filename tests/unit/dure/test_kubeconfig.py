"""Kubeconfig files: written at once or not at all, beside what is there, readable by their owner alone."""

import base64
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from dure import kubeconfig
from dure.kubeconfig import Plugin, Unusable
from tests.unit.dure.answers import CA, a_kube_access

OURS = kubeconfig.config(a_kube_access(), "token")
MINE = "dure-lea_06eqz8n1hg7k2m9v4r3t"
THEIRS: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "preferences": {"colors": True},
    "clusters": [{"name": "home", "cluster": {"server": "https://home"}}],
    "users": [{"name": "me", "user": {"token": "mine"}}],
    "contexts": [{"name": "home", "context": {"cluster": "home", "user": "me"}}],
    "current-context": "home",
}


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def test_a_kubeconfig_has_the_server_its_certificate_the_namespace_and_a_plugin() -> None:
    plugin = Plugin(command="/usr/bin/dure", words=["kube-token", "lea_1"], environ={"DURE_CONFIG": "/etc/dure.toml"})
    found = kubeconfig.config(a_kube_access(), plugin)
    [cluster] = found["clusters"]
    assert cluster["cluster"]["server"] == "https://k8s.test:6443"
    assert base64.b64decode(cluster["cluster"]["certificate-authority-data"]).decode() == CA
    assert found["contexts"][0]["context"] == {"cluster": "dure-main", "user": MINE, "namespace": "dure-co-acme"}
    made = found["users"][0]["user"]["exec"]
    assert (made["apiVersion"], made["command"], made["args"]) == (
        "client.authentication.k8s.io/v1",
        "/usr/bin/dure",
        ["kube-token", "lea_1"],
    )
    assert made["env"] == [{"name": "DURE_CONFIG", "value": "/etc/dure.toml"}]
    assert made["interactiveMode"] == "Never"


def test_where_the_systems_own_certificates_do_none_is_written() -> None:
    [cluster] = kubeconfig.config(a_kube_access(certificate_authority=None), "t")["clusters"]
    assert cluster["cluster"] == {"server": "https://k8s.test:6443"}


def test_a_companys_key_is_called_after_its_cluster() -> None:
    assert kubeconfig.name(a_kube_access(None)) == "dure-acme-main"


def test_a_file_of_its_own_is_readable_by_its_owner_alone_and_written_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"
    for _ in range(2):
        kubeconfig.write(path, OURS, merge=False)
        assert read(path) == OURS
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["config"]


def test_what_is_there_stays_as_it_is_beside_what_is_put_in(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(THEIRS))
    path.chmod(0o644)
    for _ in range(2):
        kubeconfig.write(path, OURS, merge=True)
    found = read(path)
    assert found["current-context"] == "home"
    assert found["preferences"] == {"colors": True}
    assert [one["name"] for one in found["users"]] == ["me", MINE]
    assert found["users"][0] == THEIRS["users"][0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_entry_of_the_same_name_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "config"
    kubeconfig.write(path, OURS, merge=True)
    kubeconfig.write(path, kubeconfig.config(a_kube_access(), "newer"), merge=True)
    assert [one["user"]["token"] for one in read(path)["users"]] == ["newer"]


def test_a_file_that_is_not_there_or_empty_is_merged_into(tmp_path: Path) -> None:
    path = tmp_path / "config"
    kubeconfig.write(path, OURS, merge=True)
    assert read(path)["current-context"] == MINE
    path.write_text("")
    kubeconfig.write(path, OURS, merge=True)
    assert read(path)["current-context"] == MINE


def test_anothers_file_is_not_replaced_without_being_asked_to(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(THEIRS))
    with pytest.raises(Unusable, match="--merge"):
        kubeconfig.write(path, OURS, merge=False)
    assert read(path) == THEIRS


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "a: b: c", "kind: Pod", "contexts: home", "users: [me]", "clusters: [{name: 3}]", "\x00", "- x"],
)
def test_a_file_that_is_no_kubeconfig_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    for merge in (True, False):
        with pytest.raises(Unusable, match=str(path)):
            kubeconfig.write(path, OURS, merge=merge)
    assert path.read_text() == text
    assert [one.name for one in tmp_path.iterdir()] == ["config"]


def test_a_link_stays_one_and_its_file_is_written(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text(yaml.safe_dump(THEIRS))
    link.symlink_to(real)
    kubeconfig.write(link, OURS, merge=True)
    assert link.is_symlink()
    assert len(read(real)["users"]) == 2


def test_while_kubectl_writes_it_nobody_else_does(tmp_path: Path) -> None:
    path = tmp_path / "config"
    (tmp_path / "config.lock").touch()
    with pytest.raises(Unusable, match=r"config\.lock"):
        kubeconfig.write(path, OURS, merge=True)
    assert not path.exists()


def test_where_nothing_can_be_written_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unusable, match="cannot be written"):
        kubeconfig.write(tmp_path / "file" / "config", OURS, merge=False)
