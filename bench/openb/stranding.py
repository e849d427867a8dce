"""What a node is expected to strand, where GPUs are shared and CPU, memory and models matter: the product's measure, widened.

`scheduler.core.fragmentation` says what whole GPUs strand. Here a free GPU may be a part of one, and an ask also needs CPU,
memory and one of its models; where none of these binds the two are equal, and a test says so. Shared with the product are
the mix (`learning.py`: what is expected, how it is learnt, when it is renewed), the rounding and the comparison, each by the
very function.

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


def ordered(mix: Mix) -> Mix:
    """The same, kinds that want as much of a GPU beside each other: `strands` then looks at a node's GPUs once for all of
    them.
    """
    order = np.argsort(mix.kinds[:, MILLI], kind="stable")
    return Mix(mix.kinds[order], mix.counts[order], mix.headroom, mix.grain)


@njit
def usable(left: Table, cpu: int, memory: int, model: int, kind: Table, headroom: int) -> int:
    """Of a node's free thousandths of GPUs, those that asks of this kind can use."""
    return reached(open_for(left, kind[MILLI]), cpu, memory, model, kind, headroom)


@njit
def open_for(left: Table, milli: int) -> tuple[int, int]:
    """How many GPUs have so much free, and what they have free together."""
    fitting, room = 0, 0
    for gpu in left:
        if gpu >= milli:
            fitting += 1
            room += gpu
    return fitting, room


@njit
def reached(open_gpus: tuple[int, int], cpu: int, memory: int, model: int, kind: Table, headroom: int) -> int:
    """Of what is open for a kind's share, what its asks can use."""
    fitting, room = open_gpus
    wanted, needs_cpu, needs_memory = kind[GPUS], kind[CPU], kind[MEMORY]
    if wanted == 0 or fitting < wanted or cpu < needs_cpu or memory < needs_memory or not (kind[MODELS] >> model) & 1:
        return 0
    size = headroom * wanted * kind[MILLI]
    # Compared before it is divided: a division takes ten times as long, and few nodes are short of either.
    if needs_cpu and 0 < cpu * size < 100 * needs_cpu * room:
        room = cpu * size // (100 * needs_cpu)
    if needs_memory and 0 < memory * size < 100 * needs_memory * room:
        room = memory * size // (100 * needs_memory)
    return room


@njit
def strands(left: Table, cpu: int, memory: int, model: int, mix: Mix) -> int:
    """The GPUs expected to be stranded, in parts of a GPU; `left` is what each of the node's GPUs has free."""
    free = left.sum()
    if free == 0:
        return 0
    total, milli, found = 0, -1, (0, 0)
    for k in range(mix.counts.size):
        if mix.kinds[k, MILLI] != milli:
            milli = mix.kinds[k, MILLI]
            found = open_for(left, milli)
        total += mix.counts[k] * (free - reached(found, cpu, memory, model, mix.kinds[k], mix.headroom))
    return rounded(total, WHOLE * mix.counts.sum(), mix.grain)
