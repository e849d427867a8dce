"""How many GPUs a node is expected to strand, for the asks that a pool really gets. Pure integers, no floats.

A free GPU of a node is stranded for an ask that does not fit the node as it is. Weighted by how often each ask comes, that
is the measure of fragmentation gradient descent (Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads
with Fragmentation Gradient Descent", USENIX ATC 2023). A small share then goes where the measure grows least:

    table = stranded(mix, largest)
    the fitting node with the least table[free - gpus] - table[free], among equals the fullest, then the first by id

`bench/openb` repeats the paper's experiment by the same rule: the same weights, `rounded` and order of comparison, with
milli-GPUs, CPU, memory and models in the place of whole GPUs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

GRAIN = 40
"""Parts of a GPU that are counted. Coarse on purpose: what makes hardly any difference is better left to best fit."""

ASK = 16
"""The weight of one ask, where the weight of a size that is only expected is 1."""

FULL = 4096 * ASK
"""Above so much weight in all every weight is halved: half of what is known is from the last two to four thousand asks."""

_Amount = TypeVar("_Amount", int, NDArray[np.int64])


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How often which number of GPUs on a node was asked for, the recent asks more: `weights` is sorted by GPUs."""

    weights: tuple[tuple[int, int], ...] = ()


def expected(largest: int) -> Mix:
    """The mix before the first ask, for nodes of at most `largest` GPUs: 1, 2, 4, ... and the whole node, all alike.

    Without the whole node a pool whose first asks are small would break up every empty node: the rarest asks are those
    that fragmentation hurts most.
    """
    sizes = {1 << k for k in range(largest.bit_length())} | {largest}
    return Mix(weights=tuple((gpus, 1) for gpus in sorted(sizes) if gpus > 0))


def seen(mix: Mix, gpus_per_node: int, *, times: int = 1) -> Mix:
    """The mix after one more ask for so many GPUs on a node, or `times` of them: the nodes of a gang are as many asks.

    Halving rounds up, so that what was ever asked for, or expected, never leaves the mix.
    """
    # A weight of 1 stays 1, so the weights of all sizes together can fall to their number but not below it.
    weights = dict(mix.weights)
    weights[gpus_per_node] = weights.get(gpus_per_node, 0) + ASK * times
    while sum(weights.values()) > FULL + len(weights):
        weights = {gpus: (weight + 1) // 2 for gpus, weight in weights.items()}
    return Mix(weights=tuple(sorted(weights.items())))


def after(mix: Mix, asks: Iterable[int]) -> Mix:
    """The mix after these asks, the oldest first."""
    for gpus_per_node in asks:
        mix = seen(mix, gpus_per_node)
    return mix


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
