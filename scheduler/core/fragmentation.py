"""How many GPUs a node is expected to strand, for the asks that a pool really gets. Pure integers, no floats.

A free GPU of a node is stranded for an ask that does not fit the node as it is. Weighted by how often each ask comes, that
is the measure of fragmentation gradient descent (Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads
with Fragmentation Gradient Descent", USENIX ATC 2023). A small share then goes where the measure grows least:

    table = stranded(forecast(mix, largest), largest)
    the fitting node with the least table[free - gpus] - table[free], among equals the fullest, then the first by id

The mix of a pool is part of its book (`Book.mix`), and changes now and then (`renewed`), not with every ask. `bench/openb`
repeats the paper's experiment by the same functions, with milli-GPUs, CPU, memory and models in the place of whole GPUs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scheduler.core.model import Gang, Instant, Purpose, Shape

GRAIN = 40
"""Parts of a GPU that are counted. Coarse on purpose: what makes hardly any difference is better left to best fit."""

ASK = 16
"""The weight of one ask, where the weight of a size that is only expected is 1."""

FULL = 4096 * ASK
"""Above so much weight in all every weight is halved: half of what is known is from the last two to four thousand asks."""

RENEWED_BY = 4
"""The mix is renewed when what came since is this part of what it knows: a quarter."""

RENEWED_AFTER_S = 86_400
"""Where fewer came, it is renewed once so much time has passed."""

_EVER = Instant(0)

_Amount = TypeVar("_Amount", int, NDArray[np.int64])


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How often which size was asked for, the recent asks more: `weights` is sorted by size, which is GPUs on a node.

    What was asked for before `until` is in it.
    """

    weights: tuple[tuple[int, int], ...] = ()
    until: Instant = _EVER


UNSEEN = Mix()
"""The mix of a pool before its first ask."""


def shares(shape: Shape, purpose: Purpose, largest: int) -> dict[int, int]:
    """The sizes that an ask wants on nodes of at most `largest` GPUs, and how often each: a gang's nodes are as many asks.

    A total that no node holds takes whole nodes, and one for inference is spread GPU by GPU.
    """
    if isinstance(shape, Gang):
        return {shape.gpus_per_node: shape.nodes}
    if purpose is Purpose.INFERENCE or not largest:
        return {1: shape.gpus}
    nodes, rest = divmod(shape.gpus, largest)
    return {size: times for size, times in ((largest, nodes), (rest, 1)) if size and times}


def seen(mix: Mix, asked: Mapping[int, int]) -> Mix:
    """The mix after asks for each of these sizes so many times.

    Halving rounds up, so that what was ever asked for never leaves the mix.
    """
    # A weight of 1 stays 1, so the weights of all sizes together can fall to their number but not below it.
    weights = dict(mix.weights)
    for size, times in asked.items():
        weights[size] = weights.get(size, 0) + ASK * times
    while sum(weights.values()) > FULL + len(weights):
        weights = {size: (weight + 1) // 2 for size, weight in weights.items()}
    return replace(mix, weights=tuple(sorted(weights.items())))


def renewed(mix: Mix, asked: Mapping[int, int], until: Instant) -> Mix | None:
    """The mix with what was asked for in `[mix.until, until)`; None as long as it is to stay as it is.

    So decisions go by the same table for a long time, and a pool that knows little learns fast.
    """
    came = sum(asked.values())
    known = sum(weight for _, weight in mix.weights) // ASK
    enough = came * RENEWED_BY >= known or until - mix.until >= RENEWED_AFTER_S
    return replace(seen(mix, asked), until=until) if came and enough else None


def expected(largest: int) -> Mix:
    """What is asked for before anybody asks, on nodes of at most `largest` GPUs: 1, 2, 4, ... and the whole node, all alike.

    Without the whole node a pool whose first asks are small would break up every empty node: the rarest asks are those
    that fragmentation hurts most.
    """
    sizes = {1 << k for k in range(largest.bit_length())} | {largest}
    return Mix(weights=tuple((gpus, 1) for gpus in sorted(sizes) if gpus > 0))


def forecast(mix: Mix, largest: int) -> Mix:
    """What will be asked for on such nodes: what was seen that fits them, and a little of everything that is expected."""
    fitting = tuple((size, weight) for size, weight in mix.weights if size <= largest)
    return joined(replace(mix, weights=fitting), expected(largest))


def joined(mix: Mix, other: Mix) -> Mix:
    """The mix with the weights of another on top."""
    weights = dict(mix.weights)
    for size, weight in other.weights:
        weights[size] = weights.get(size, 0) + weight
    return replace(mix, weights=tuple(sorted(weights.items())))


def stranded(mix: Mix, largest: int) -> NDArray[np.int64]:
    """For each number of free GPUs of a node, 0 to `largest`: the GPUs expected to be stranded on it, in 1/40 of a GPU.

    All 0 for an empty mix. For any mix `table[a + b] <= table[a] + table[b]`, so no node is better than one that the share
    fills to its last GPU: that one leaves nothing to strand.
    """
    free = np.arange(largest + 1, dtype=np.int64)
    total = np.zeros(largest + 1, dtype=np.int64)
    for gpus, weight in mix.weights:
        total += weight * np.where(free < gpus, free, 0)
    asks = sum(weight for _, weight in mix.weights)
    return rounded(total, asks) if asks else total


def rounded(total: _Amount, asks: int, grain: int = GRAIN) -> _Amount:
    """`total / asks` in parts of a GPU, rounded up: what strands anything at all is told apart from what strands nothing."""
    return -(-grain * total // asks)
