"""What is wrong with the nodes of pools in a cluster: those that operators adopted, and those that they did not, or not any more."""

from collections.abc import Iterable, Iterator

from dure import kube_nodes
from scheduler.kube.desired import Desired
from scheduler.kube.observed import Node


def wrong(desired: Desired, nodes: Iterable[Node], taint_key: str) -> Iterator[str]:
    """Each in a sentence. A node is of a pool by its label, and also by the GPUs that its agent shows: a label may be lost."""
    known = list(nodes)
    for pool, resource in desired.pools.items():
        mine = [
            kube_nodes.Adopted(
                name=one.name,
                has=one.has(resource),
                is_tainted=taint_key in one.taints,
                is_labelled=one.pool == pool,
            )
            for one in known
            if kube_nodes.is_of(pool, one.name, one.pool, desired.nodes)
        ]
        yield from kube_nodes.wrong(pool, resource, mine, taint_key)
