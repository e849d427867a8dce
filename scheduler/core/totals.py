"""Where the GPUs of a total go among nodes that have so many free: near each other, or far from each other.

`free` has a number a node, in the order of the rows.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.core import domains
from scheduler.core.model import Node

_Rows = NDArray[np.int64]

_UNFIT = np.int64((1 << 62) - 1)
_ISLAND = 1 << 20
_RACK = 1 << 40
"""What one GPU more in the island, or in the rack, counts against a node; what its own free ones say counts less."""


def near(nodes: Sequence[Node], free: _Rows, gpus: int) -> _Rows:
    """`free` where the total is to go, and nothing elsewhere: in one island if one holds it, else in as few racks and
    there in as few islands as do; each time on as few nodes as would do anywhere.
    """
    rows: list[int] = np.flatnonzero(free > 0).tolist()
    most = fewest_nodes(free, gpus)
    islands = [one for one in domains.groups(rows, nodes, domains.island) if holds(free[one], gpus, most)]
    if islands:
        rows = min(islands, key=lambda one: int(free[one].sum()))
    else:
        for domain in (domains.rack, domains.island):
            rows = _few(domains.groups(rows, nodes, domain), free, gpus, most)
    found = np.zeros_like(free)
    found[rows] = free[rows]
    return found


def fewest_nodes(free: _Rows, gpus: int) -> int:
    """How many nodes it takes, the emptiest; as many as there are where all are too few."""
    return min(int(np.searchsorted(np.cumsum(np.sort(free)[::-1]), gpus)) + 1, free.size)


def holds(free: _Rows, gpus: int, nodes: int) -> bool:
    """Whether so many of these nodes have the GPUs."""
    return _held(free, nodes) >= gpus


def _held(free: _Rows, nodes: int) -> int:
    return int(np.sort(free)[::-1][:nodes].sum())


def _few(groups: list[list[int]], free: _Rows, gpus: int, nodes: int) -> list[int]:
    """The rows of few groups that hold it on so many nodes: of the one that adds most, and at the end of the least that
    is enough.
    """
    left, rows = list(groups), list[int]()
    while left and not holds(free[rows], gpus, nodes):
        enough = [one for one in left if holds(free[rows + one], gpus, nodes)]
        if enough:
            one = min(enough, key=lambda one: int(free[one].sum()))
        else:
            one = max(left, key=lambda one: _held(free[rows + one], nodes))
        left.remove(one)
        rows += one
    return rows


def spread(nodes: Sequence[Node], free: _Rows, gpus: int, beside: Mapping[int, int] | None = None) -> dict[int, int]:
    """One GPU after the other: in the rack that has fewest of the lease's so far, there in such an island, there on the
    node with most left. `beside` is what the lease has already, by row. Raises `ValueError` where there are too few.
    """
    if free.sum() < gpus:
        raise ValueError(f"{int(free.sum())} of {gpus} GPUs are free")
    racks, islands = (_numbered(nodes, domain) for domain in (domains.rack, domains.island))
    against = np.where(free > 0, int(free.max(initial=0)) - free, _UNFIT)
    for row, has in (beside or {}).items():
        against[racks == racks[row]] += has * _RACK
        against[islands == islands[row]] += has * _ISLAND
    chosen: dict[int, int] = {}
    for _ in range(gpus):
        row = int(against.argmin())
        chosen[row] = chosen.get(row, 0) + 1
        against[racks == racks[row]] += _RACK
        against[islands == islands[row]] += _ISLAND
        against[row] = against[row] + 1 if chosen[row] < free[row] else _UNFIT
    return chosen


def _numbered(nodes: Sequence[Node], domain: domains.Label) -> _Rows:
    """A number a node, the same for those of one domain."""
    found: dict[domains.Domain, int] = {}
    return np.array([found.setdefault(domain(node), len(found)) for node in nodes], np.int64)
