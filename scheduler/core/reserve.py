"""What a pool keeps from long boxes, by its policy, and the nodes that this and every shape are measured by."""

from collections.abc import Iterable

from scheduler.core.model import PPM, Node, NodeId, Policy

RESERVE = 0
"""The row of the limits that long boxes share."""


def good_day(nodes: Iterable[Node]) -> tuple[int, ...]:
    """What each node could give with every node there and every GPU well, the largest first."""
    return tuple(sorted((max(node.nominal, node.capacity) for node in nodes), reverse=True))


def out_of_service(nodes: Iterable[Node]) -> dict[NodeId, int]:
    """What each node cannot give of what it could on a good day: all of one that is silent. Those that give all are not in it."""
    found = ((node.id, max(node.nominal, node.capacity) - (node.capacity if node.open else 0)) for node in nodes)
    return {node: gpus for node, gpus in found if gpus}


def unreserved(policy: Policy, capacity: int) -> int:
    """What of so many GPUs long boxes together may take."""
    return capacity * (PPM - policy.reserve_ppm) // PPM


def row(policy: Policy, nominal: int, duration_s: int, gpus: int) -> int:
    """The row that a box like that shares with other long ones, or -1.

    A box that is larger than all that the reserve leaves long ones is not held to it: it could never start.
    """
    if not policy.reserve_ppm or duration_s <= policy.reserve_over_s:
        return -1
    return RESERVE if gpus <= unreserved(policy, nominal) else -1
