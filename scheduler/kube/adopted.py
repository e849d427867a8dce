"""What is wrong with the nodes that operators adopted into pools."""

from collections.abc import Iterable, Iterator, Mapping

from dure import kube_nodes
from scheduler.kube.observed import Node


def wrong(pools: Mapping[str, str], nodes: Iterable[Node], taint_key: str) -> Iterator[str]:
    """Each in a sentence. `pools` are those that the cluster enforces, with what it calls their GPUs."""
    known = list(nodes)
    for pool, resource in pools.items():
        mine = [
            kube_nodes.Adopted(name=one.name, has=one.has(resource), is_tainted=taint_key in one.taints)
            for one in known
            if one.pool == pool
        ]
        yield from kube_nodes.wrong(pool, resource, mine, taint_key)
