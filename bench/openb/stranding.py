"""What a node is expected to strand, where GPUs are shared and CPU, memory and models matter: the product's measure, widened.

`scheduler.core.fragmentation` says what whole GPUs strand. Here a free GPU may be a part of one, and an ask also needs CPU,
memory and one of its models; where none of these binds the two are equal, and a test says so. Shared with the product are
the weights (how often each kind of ask comes), the rounding (the very function) and the order of comparison in `choice.py`.

Two things are ours and not FGD's: the rounding, and `headroom`. FGD calls all free GPUs of a node usable for a kind as soon
as one such ask fits. Here they are usable as far as the node's CPU and memory reach for asks of that kind alone, times the
headroom, since the asks that come beside it may need less.
"""

# numba ships no types: what it compiled has none that the checker knows.
# pyright: reportMissingTypeStubs=false, reportUntypedFunctionDecorator=false

from typing import NamedTuple

import numpy as np
from numba import njit

from bench.openb.trace import CPU, GPUS, MEMORY, MILLI, MODELS, WHOLE, Table
from scheduler.core import fragmentation

HEADROOM = 150
"""Per cent. On the default mix 150 and 170 are alike, and 100, 130 and 200 are worse; README has the figures."""

rounded = njit(fragmentation.rounded)


class Mix(NamedTuple):
    """Kinds of asks, with the columns of a task, and how often each came. `headroom` 0: CPU and memory reach for ever."""

    kinds: Table
    counts: Table
    headroom: int
    grain: int


def mix_of(tasks: Table, *, kept: int, headroom: int, grain: int) -> Mix:
    """The mix of the tasks that ask for GPUs, from the most frequent kinds that make up `kept` per cent of them."""
    kinds, counts = np.unique(tasks, axis=0, return_counts=True)
    often = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[often]) - counts[often]
    chosen = often[before * 100 < kept * counts.sum()]
    return Mix(kinds[chosen], counts[chosen].astype(np.int64), headroom, grain)


@njit
def usable(left: Table, cpu: int, memory: int, model: int, kind: Table, headroom: int) -> int:
    """Of a node's free thousandths of GPUs, those that asks of this kind can use."""
    if kind[GPUS] == 0 or cpu < kind[CPU] or memory < kind[MEMORY] or not (kind[MODELS] >> model) & 1:
        return 0
    fitting, room = 0, 0
    for gpu in left:
        if gpu >= kind[MILLI]:
            fitting += 1
            room += gpu
    if fitting < kind[GPUS]:
        return 0
    size = kind[GPUS] * kind[MILLI]
    if headroom and kind[CPU]:
        room = min(room, headroom * cpu * size // (100 * kind[CPU]))
    if headroom and kind[MEMORY]:
        room = min(room, headroom * memory * size // (100 * kind[MEMORY]))
    return room


@njit
def strands(left: Table, cpu: int, memory: int, model: int, mix: Mix) -> int:
    """The GPUs expected to be stranded, in parts of a GPU; `left` is what each of the node's GPUs has free."""
    free = left.sum()
    if free == 0:
        return 0
    total = 0
    for k in range(mix.counts.size):
        total += mix.counts[k] * (free - usable(left, cpu, memory, model, mix.kinds[k], mix.headroom))
    return rounded(total, WHOLE * mix.counts.sum(), mix.grain)
