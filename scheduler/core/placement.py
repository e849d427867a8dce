"""Which nodes a shape gets, once its start is known. Deterministic: equal nodes are taken in order of their ids.

Training is packed: a gang on the fewest topology domains (islands, then racks), each share where it strands least for
the mix of asks seen (`Book.stranded`), then on the fullest node that holds it, then where something changes at about
the same end. Inference is spread: the emptiest nodes, of as many domains as there are.
"""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from scheduler.core import domains
from scheduler.core.calendar import Plane, free_over
from scheduler.core.compiled import choose
from scheduler.core.model import Gang, Node, NodeId, Placement, Purpose, Shape
from scheduler.core.preemption import sparing
from scheduler.core.totals import fewest_nodes, holds, near, spread

_Rows = NDArray[np.int64]
_Box = tuple[int, int]


def place(plane: Plane, shape: Shape, start: int, end: int, purpose: Purpose = Purpose.TRAINING) -> Placement:
    """A placement of the shape that is free over `[start, end)`; raises `ValueError` where there is none.

    A gang takes one share on each of its nodes. A total for training takes one node if one can hold it; else as few as
    hold it, on the fewest islands and racks: the emptiest of them, and for the rest the one that suits best. A total for
    inference takes one GPU after the other, on racks, islands and nodes in turn.
    """
    with sparing(plane, shape, start, end):
        return place_on(plane, free_over(plane, start, end), shape, (start, end), purpose)


def place_on(
    plane: Plane,
    free: _Rows,
    shape: Shape,
    box: _Box,
    purpose: Purpose = Purpose.TRAINING,
    beside: Placement = (),
) -> Placement:
    """The same where each node, in the order of the rows, has `free` over the box, and the lease has `beside` already."""
    if isinstance(shape, Gang):
        chosen = _gang(plane, free, shape, box, purpose)
    elif purpose is Purpose.INFERENCE:
        chosen = spread(list(plane.nodes.values()), free, shape.gpus, _by_row(plane, dict(beside)))
    else:
        chosen = _packed(plane, free, shape.gpus, box)
    return tuple((plane.names[row], gpus) for row, gpus in sorted(chosen.items()))


def _suits(plane: Plane, free: _Rows, level: int, box: _Box, *, spread: bool = False) -> _Rows:
    return choose.suits(plane.free.times, plane.free.extents, free, level, plane.stranded, *box, spread)


def _gang(plane: Plane, free: _Rows, shape: Gang, box: _Box, purpose: Purpose) -> dict[int, int]:
    spread = purpose is Purpose.INFERENCE
    suits = _suits(plane, free, shape.gpus_per_node, box, spread=spread)
    if shape.nodes == 1 and suits.size and suits[best := int(suits.argmin())] != choose.UNFIT:
        return {best: shape.gpus_per_node}
    order = np.argsort(suits, kind="stable")
    free_rows: list[int] = order[suits[order] != choose.UNFIT].tolist()
    if len(free_rows) < shape.nodes:
        raise ValueError(f"{len(free_rows)} nodes are free for {shape}")
    nodes = list(plane.nodes.values())
    taken = _dealt(free_rows, nodes, shape.nodes) if spread else _together(free_rows, nodes, shape.nodes)
    return dict.fromkeys(taken, shape.gpus_per_node)


def _together(best: list[int], nodes: list[Node], wanted: int) -> list[int]:
    """On one island if one has enough, else in one rack, else on the fewest racks; in each on the fewest islands."""
    enough = [rows for rows in domains.groups(best, nodes, domains.island) if len(rows) >= wanted]
    if enough:
        return min(enough, key=len)[:wanted]
    taken: list[int] = []
    for rack, of_rack in _fewest(domains.groups(best, nodes, domains.rack), wanted):
        for rows, share in _fewest(domains.groups(rack, nodes, domains.island), of_rack):
            taken += rows[:share]
    return taken


def _fewest(groups: list[list[int]], wanted: int) -> Iterator[tuple[list[int], int]]:
    """As few groups as hold `wanted` together, and how many of each: the largest, and at the end the smallest that is enough."""
    left, rest = list(groups), wanted
    while rest:
        enough = [rows for rows in left if len(rows) >= rest]
        one = min(enough, key=len) if enough else max(left, key=len)
        left.remove(one)
        share = min(rest, len(one))
        rest -= share
        yield one, share


def _dealt(best: list[int], nodes: list[Node], wanted: int) -> list[int]:
    """One of each island in turn."""
    taken: list[int] = []
    groups = domains.groups(best, nodes, domains.island)
    turn = 0
    while len(taken) < wanted:
        taken += [rows[turn] for rows in groups if turn < len(rows)]
        turn += 1
    return taken[:wanted]


def _packed(plane: Plane, free: _Rows, gpus: int, box: _Box) -> dict[int, int]:
    chosen: dict[int, int] = {}
    rest, left = gpus, free.copy()
    while rest:
        suits = _suits(plane, left, rest, box)
        if suits.size and suits.min() != choose.UNFIT:
            return {**chosen, int(suits.argmin()): rest}
        if left.sum() < rest:
            raise ValueError(f"{gpus - rest + int(left.sum())} of {gpus} GPUs are free")
        if not chosen:
            left = near(list(plane.nodes.values()), left, gpus)
        emptiest = int(left.argmax())
        chosen[emptiest] = int(left[emptiest])
        rest -= chosen[emptiest]
        left[emptiest] = 0
    return chosen


def _by_row(plane: Plane, placement: Mapping[NodeId, int]) -> dict[int, int]:
    return {plane.rows[node]: gpus for node, gpus in placement.items() if node in plane.rows}


def kept(
    plane: Plane, shape: Shape, placement: Placement, start: int, end: int, purpose: Purpose = Purpose.TRAINING
) -> Placement | None:
    """The shape's placement with as many shares as possible where they are, the others on spare nodes: for training near
    those that stay, for inference away from them. None if it has none.

    The lease that has the placement is lifted out of `plane`.
    """
    with sparing(plane, shape, start, end):
        return _kept(plane, shape, placement, start, end, purpose)


def _kept(plane: Plane, shape: Shape, placement: Placement, start: int, end: int, purpose: Purpose) -> Placement | None:
    free = free_over(plane, start, end)
    stay = {node: gpus for node, gpus in placement if node in plane.rows and free[plane.rows[node]] >= gpus}
    missing = shape.gpus - sum(stay.values())
    if not missing:
        return placement
    for node, gpus in stay.items():
        free[plane.rows[node]] = 0 if isinstance(shape, Gang) else free[plane.rows[node]] - gpus
    try:
        rest = _missing(plane, free, shape, missing, (start, end), stay, purpose)
    except ValueError:
        return None
    for row, gpus in rest.items():
        node = plane.names[row]
        stay[node] = stay.get(node, 0) + gpus
    return tuple(sorted(stay.items()))


def rest_on(
    plane: Plane, free: _Rows, shape: Shape, gpus: int, box: _Box, stay: Mapping[NodeId, int], purpose: Purpose
) -> Placement:
    """Where the other `gpus` of a shape go whose shares on `stay` stay: where each node, in the order of the rows, has `free`
    over the box. Raises ValueError where they have no place.
    """
    rest = _missing(plane, free, shape, gpus, box, stay, purpose)
    return tuple((plane.names[row], count) for row, count in sorted(rest.items()))


def _missing(
    plane: Plane, free: _Rows, shape: Shape, gpus: int, box: _Box, stay: Mapping[NodeId, int], purpose: Purpose
) -> dict[int, int]:
    if isinstance(shape, Gang):
        return _beside(
            plane, free, Gang(nodes=gpus // shape.gpus_per_node, gpus_per_node=shape.gpus_per_node), box, stay, purpose
        )
    if purpose is Purpose.INFERENCE:
        return spread(list(plane.nodes.values()), free, gpus, _by_row(plane, stay))
    most = fewest_nodes(free, gpus)
    masked = (np.where(allowed, free, 0) for allowed in _levels(plane, stay, purpose))
    return _packed(plane, next((level for level in masked if holds(level, gpus, most)), free), gpus, box)


def _beside(
    plane: Plane, free: _Rows, shape: Gang, box: _Box, stay: Collection[NodeId], purpose: Purpose
) -> dict[int, int]:
    """A gang's missing shares, as many as possible of them where `_levels` says first."""
    chosen: dict[int, int] = {}
    for allowed in _levels(plane, stay, purpose):
        level = np.where(allowed, free, 0)
        level[list(chosen)] = 0
        nodes = min(shape.nodes - len(chosen), int((level >= shape.gpus_per_node).sum()))
        if nodes:
            chosen |= _gang(plane, level, Gang(nodes=nodes, gpus_per_node=shape.gpus_per_node), box, purpose)
    if len(chosen) < shape.nodes:
        raise ValueError(f"{len(chosen)} nodes are free for {shape}")
    return chosen


def _levels(plane: Plane, stay: Collection[NodeId], purpose: Purpose) -> list[NDArray[np.bool_]]:
    """Which nodes are tried first, and next: those on the islands and in the racks of `stay`, or those that are not."""
    nodes = list(plane.nodes.values())
    levels: list[NDArray[np.bool_]] = []
    for domain in (domains.island, domains.rack):
        theirs = {domain(plane.nodes[name]) for name in stay}
        levels.append(np.array([domain(node) in theirs for node in nodes]))
    if purpose is Purpose.INFERENCE:
        levels = [~same for same in reversed(levels)]
    return [*levels, np.ones(len(nodes), dtype=np.bool_)]
