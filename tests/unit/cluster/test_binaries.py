"""Where the binaries of the test clusters come from."""

import pytest

from tests.cluster import binaries


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """One with nothing on it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    (tmp_path / "path").mkdir()
    return tmp_path


def executable(path, prints=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)
    return path


def cached(name, stamp):
    found = executable(binaries.cache() / name)
    (binaries.cache() / f".{name}.stamp").write_text(stamp)
    return found


def test_a_given_binary_comes_before_a_cached_one(machine, monkeypatch):
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(machine / "given"))
    given = executable(machine / "given" / "etcd")
    cached("etcd", binaries.RECIPES["etcd"].stamp())
    kwok = cached("kwok", binaries.RECIPES["kwok"].stamp())
    assert (binaries.find("etcd"), binaries.find("kwok")) == (given, kwok)


def test_a_cached_binary_of_other_sources_is_built_again(machine):
    cached("etcd", "of before")
    assert "etcd" in binaries.missing()
    with pytest.raises(binaries.NoBinaries, match="etcd is not here"):
        binaries.find("etcd")


def test_nothing_is_asked_of_go_where_nothing_is_missing(machine):
    cached("etcd", binaries.RECIPES["etcd"].stamp())
    binaries.ensure(["etcd"])


def test_without_binaries_and_go_it_says_what_would_help(machine):
    with pytest.raises(binaries.NoBinaries, match=r"install Go 1\.26 or newer, or set KUBEBUILDER_ASSETS"):
        binaries.ensure(["etcd"])


def test_a_go_that_is_too_old_is_named(machine):
    executable(machine / "path" / "go", prints="go1.19.8")
    with pytest.raises(
        binaries.NoBinaries, match=r"Go is go1\.19\.8, Kubernetes 1\.37\.2 is built with 1\.26 or newer"
    ):
        binaries.ensure(["etcd"])


def test_every_binary_that_a_cluster_wants_can_be_built():
    assert set(binaries.RECIPES) == {*binaries.CONTROL_PLANE, *binaries.REAL_NODE, "compose-spec"}
    for recipe in binaries.RECIPES.values():
        assert recipe.stamp()
