"""What is wrong with the nodes of pools."""

from collections.abc import Mapping

import pytest

from scheduler.kube.adopted import wrong
from scheduler.kube.observed import Node
from tests.unit.scheduler.kube.builders import GPU, some_nodes

MIG = "nvidia.com/mig-1g.10gb"


def said(nodes: Mapping[str, Node], **pools: str) -> list[str]:
    return list(wrong(pools, nodes.values(), GPU))


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
