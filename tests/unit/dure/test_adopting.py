"""What a node needs to come under Dure, and whom that touches."""

from typing import Any

import pytest

from dure import adopting, kube
from dure.adopting import Adoption, NotAdopted
from tests.unit.dure.kube_objects import a_daemon_set, a_kube_pod, a_node

RESOURCE, KEY = kube.DEFAULT_RESOURCE, kube.TAINT_KEY


def adoption(node: dict[str, Any], *, daemon_sets: Any = (), pods: Any = (), resource: str = RESOURCE) -> Adoption:
    return adopting.adoption(node, "h100", resource, KEY, daemon_sets, pods)


def test_a_plain_node_is_given_a_label_and_a_taint() -> None:
    found = adoption(a_node())
    assert (found.label, found.taint) == ("dure.dev/pool=h100", "nvidia.com/gpu=present:NoSchedule")


def test_one_that_has_both_needs_nothing() -> None:
    found = adoption(a_node(pool="h100", tainted=True))
    assert (found.label, found.taint) == (None, None)


def test_a_taint_of_that_key_with_another_value_will_do() -> None:
    node = a_node()
    node["spec"]["taints"] = [{"key": KEY, "value": "true", "effect": "NoExecute"}]
    assert adoption(node).taint is None
    node["spec"]["taints"] = [{"key": KEY, "effect": "PreferNoSchedule"}]
    assert adoption(node).taint is not None


def test_a_node_of_another_pool_is_not_taken_from_it() -> None:
    with pytest.raises(NotAdopted, match=r"of pool a100.*kubectl label node gpu-01 dure\.dev/pool-"):
        adoption(a_node(pool="a100"))


def test_a_node_without_the_pools_resource_says_what_it_has() -> None:
    with pytest.raises(NotAdopted, match=r"has no nvidia\.com/mig-1g\.10gb.*it has: nvidia\.com/gpu"):
        adoption(a_node(), resource="nvidia.com/mig-1g.10gb")
    with pytest.raises(NotAdopted, match="it has: none"):
        adoption(a_node(gpus=0))


@pytest.mark.parametrize(
    ("toleration", "tolerates"),
    [
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": KEY, "operator": "Exists"}, True),
        ({"key": KEY, "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": KEY, "operator": "Equal", "value": "present"}, True),
        ({"key": KEY, "value": "present", "effect": "NoSchedule"}, True),
        ({"key": KEY, "value": "true"}, False),
        ({"key": KEY}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"value": "present"}, False),
    ],
)
def test_a_daemon_set_that_would_not_come_back_is_named(toleration: dict[str, str], tolerates: bool) -> None:
    found = adoption(a_node(), daemon_sets=[a_daemon_set("logs", toleration)])
    assert found.daemon_sets == (() if tolerates else ("kube-system/logs",))


def test_a_daemon_set_of_other_nodes_is_not_named() -> None:
    arm = a_daemon_set("arm", selects={"kubernetes.io/arch": "arm64"})
    linux = a_daemon_set("linux", selects={"kubernetes.io/os": "linux"})
    assert adoption(a_node(), daemon_sets=[arm, linux]).daemon_sets == ("kube-system/linux",)


def test_pods_of_others_are_named_and_those_with_gpus_beside() -> None:
    owned = {"ownerReferences": [{"kind": "DaemonSet"}]}
    mirrored = {"annotations": {"kubernetes.io/config.mirror": "x"}}
    pods = [
        a_kube_pod("web"),
        a_kube_pod("notebook", gpus=1),
        a_kube_pod("train", namespace="dure-co-acme", gpus=8),
        a_kube_pod("done", phase="Succeeded"),
        a_kube_pod("plugin", metadata=owned),
        a_kube_pod("etcd", metadata=mirrored),
    ]
    found = adoption(a_node(), pods=pods)
    assert (found.pods, found.takers) == (("default/notebook", "default/web"), ("default/notebook",))
