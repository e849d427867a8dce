"""What is wrong with the nodes of pools."""

from collections.abc import Collection, Mapping

import pytest

from scheduler.kube.adopted import wrong
from scheduler.kube.desired import Desired
from scheduler.kube.observed import Node
from tests.unit.scheduler.kube.builders import GPU, some_nodes

MIG = "nvidia.com/mig-1g.10gb"


def said(nodes: Mapping[str, Node], shown: Mapping[str, Collection[str]] | None = None, **pools: str) -> list[str]:
    """`shown` are nodes by pool, as agents show their GPUs."""
    return list(wrong(Desired(pools=pools, nodes=shown or {}), nodes.values(), GPU))


def test_nodes_that_are_as_they_should_be_are_not_spoken_of() -> None:
    assert said(some_nodes(), h100=GPU) == []
    assert said(some_nodes(devices=())) == [], "of no pool that is enforced here"


@pytest.mark.parametrize(
    ("nodes", "want"),
    [
        pytest.param({}, "no node is of pool h100: dure node adopt NODE h100", id="no node"),
        pytest.param(some_nodes(devices=((MIG, 4),)), f"no node of pool h100 has {GPU}", id="another resource"),
        pytest.param(
            {**some_nodes("n1"), **some_nodes("n2", devices=((GPU, 0),))},
            f"n2 of pool h100 has no {GPU}",
            id="one without",
        ),
        pytest.param(
            some_nodes(taints=("other",)),
            f"n1, n2 of pool h100 has no taint {GPU}, so anybody's pods come",
            id="no taint",
        ),
    ],
)
def test_what_is_wrong_with_a_pool_is_said_with_what_to_do(nodes: Mapping[str, Node], want: str) -> None:
    [found] = said(nodes, h100=GPU)
    assert found.startswith(want)


def test_each_pool_is_looked_at_by_itself() -> None:
    assert [one.split(":")[0] for one in said(some_nodes(), a100=GPU, h100=GPU)] == ["no node is of pool a100"]


def test_a_node_of_a_pool_that_lost_its_label_and_taint_is_named() -> None:
    nodes = {**some_nodes("n1"), **some_nodes("n3", "n2", pool=None, taints=())}
    assert said(nodes, {"h100": ["n3", "n2", "n1"]}, h100=GPU) == [
        "n2, n3 of pool h100 has no label dure.dev/pool=h100: dure node adopt NODE h100",
        f"n2, n3 of pool h100 has no taint {GPU}, so anybody's pods come to it: dure node adopt NODE h100",
    ]


def test_a_node_that_lost_its_label_alone_is_named_once() -> None:
    for other in (None, "a100"):
        [found] = said(some_nodes("n1", pool=other), {"h100": ["n1"]}, h100=GPU)
        assert found.startswith("n1 of pool h100 has no label dure.dev/pool=h100")


def test_a_node_that_the_cluster_does_not_have_is_not_spoken_of() -> None:
    assert said(some_nodes("n1"), {"h100": ["n1", "n9"]}, h100=GPU) == []
    assert said({}, {"h100": ["n9"]}, h100=GPU) == ["no node is of pool h100: dure node adopt NODE h100"]


def test_a_node_with_gpus_of_two_pools_has_the_label_of_one() -> None:
    nodes = {**some_nodes("n1"), **some_nodes("n2", pool="a100")}
    assert said(nodes, {"h100": ["n1"], "a100": ["n1", "n2"]}, h100=GPU, a100=GPU) == []


def test_of_many_nodes_some_are_named() -> None:
    names = [f"n{n}" for n in range(500)]
    [found] = said(some_nodes(*names, pool=None), {"h100": names}, h100=GPU)
    assert found.startswith("n0, n1, n10, n100, n101 and 495 more of pool h100 has no label")
