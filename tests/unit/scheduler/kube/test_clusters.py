"""The setting that names clusters."""

import pytest

from scheduler.kube.clusters import ClusterAddress, parse


def test_clusters_are_named_with_their_kubeconfigs_and_contexts() -> None:
    assert parse(" main=/etc/kube#admin, edge=/other , here=in-cluster") == (
        ClusterAddress(name="main", kubeconfig="/etc/kube", context="admin"),
        ClusterAddress(name="edge", kubeconfig="/other"),
        ClusterAddress(name="here"),
    )
    assert parse("") == ()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("main", "is no cluster"),
        ("main=", "is no cluster"),
        ("Main=/x", "is no cluster"),
        ("=/x", "is no cluster"),
        ("a=/x,a=/y", "named twice"),
        ("a=in-cluster,b=in-cluster", "in-cluster is said once"),
    ],
)
def test_what_names_no_cluster_is_told_with_an_example(said: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as told:
        parse(said)
    assert "for example main=" in str(told.value)
