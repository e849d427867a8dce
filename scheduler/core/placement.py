"""Which nodes a shape gets, once its start is known. Deterministic: equal nodes are taken in order of their ids."""

from scheduler.core.calendar import Calendar
from scheduler.core.model import Gang, NodeId, Placement, Shape

_Free = tuple[int, NodeId]
"""GPUs of a node that are free throughout, and the node."""


def place(calendar: Calendar, shape: Shape, start: int, end: int) -> Placement:
    """A placement of the shape that is free over `[start, end)`; raises `ValueError` where there is none.

    A gang takes the fullest nodes that hold it. A total takes one node if one can, the fullest such; else the emptiest
    nodes, and for the rest the fullest one that holds it.
    """
    free = sorted((steps.least(start, end), node) for node, steps in calendar.open_nodes())
    chosen = _gang(free, shape) if isinstance(shape, Gang) else _total(free, shape.gpus)
    return tuple(sorted(chosen))


def _gang(free: list[_Free], shape: Gang) -> list[tuple[NodeId, int]]:
    fitting = [node for gpus, node in free if gpus >= shape.gpus_per_node]
    if len(fitting) < shape.nodes:
        raise ValueError(f"{len(fitting)} nodes are free for {shape}")
    return [(node, shape.gpus_per_node) for node in fitting[: shape.nodes]]


def _total(free: list[_Free], gpus: int) -> list[tuple[NodeId, int]]:
    chosen: list[tuple[NodeId, int]] = []
    rest = gpus
    emptiest = sorted(free, key=lambda pair: (-pair[0], pair[1]))
    for k, (most, node) in enumerate(emptiest):
        if most >= rest:
            _, fullest = min(pair for pair in emptiest[k:] if pair[0] >= rest)
            return [*chosen, (fullest, rest)]
        if most <= 0:
            break
        chosen.append((node, most))
        rest -= most
    raise ValueError(f"{gpus - rest} of {gpus} GPUs are free")
