"""Which node and which of its GPUs a task gets, by four policies. Compiled; the state is plain arrays that are changed.

`OURS` compares by the product's own function (`choose.standing`): what the node strands more, then best fit, then the
order of nodes, where the product has what ends at about the same time. `FGD` is the
published rule (score `int(100 * sigmoid(less stranded))`, then the order of nodes), `BEST_FIT` and `RANDOM` are the published
baselines (half the CPU left over of 128, half the GPUs left over of 8, in whole per cent; any node that fits).
"""

# numba ships no types: what it compiled has none that the checker knows.
# pyright: reportMissingTypeStubs=false, reportUntypedFunctionDecorator=false

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from bench.openb.stranding import Mix, strands
from bench.openb.trace import CPU, GPUS, MEMORY, MILLI, MODELS, WHOLE, Table

RANDOM, BEST_FIT, FGD, OURS = range(4)

_MOST_CPU, _MOST_GPU = 128_000, 8_000
_NONE = -1

FINE = 100_000
"""Parts in which best fit is told apart: what `choose.standing` has room for."""


class Nodes(NamedTuple):
    """What every node has left; `left` has a row a node and a column a GPU, `rank` is its place among equals."""

    cpu: Table
    memory: Table
    gpus: Table
    model: Table
    left: Table
    rank: Table


@njit
def fits(nodes: Nodes, node: int, task: Table) -> bool:
    """Whether the node holds the task as it is."""
    if nodes.cpu[node] < task[CPU] or nodes.memory[node] < task[MEMORY]:
        return False
    if task[GPUS] and not (task[MODELS] >> nodes.model[node]) & 1:
        return False
    fitting = 0
    for gpu in range(nodes.gpus[node]):
        fitting += nodes.left[node, gpu] >= task[MILLI]
    return fitting >= task[GPUS]


@njit
def spare(nodes: Nodes, node: int, task: Table) -> float:
    """Best fit: what of CPU and GPUs would be left over on the node; the less, the better."""
    cpu = (nodes.cpu[node] - task[CPU]) / _MOST_CPU
    free = 0
    for gpu in range(nodes.gpus[node]):
        free += nodes.left[node, gpu]
    gpu = (free - task[GPUS] * task[MILLI]) / _MOST_GPU
    return (cpu + gpu) / 2


@njit
def take(left: Table, task: Table, gpu: int) -> None:
    """Takes the task's share of one GPU, or all of the first free ones."""
    if gpu >= 0:
        left[gpu] -= task[MILLI]
        return
    missing = task[GPUS]
    for k in range(left.size):
        if missing and left[k] == WHOLE:
            left[k] = 0
            missing -= 1


@njit
def grade(more: int, mix: Mix, policy: int) -> int:
    """What is compared: the parts of a GPU that are stranded more, or FGD's score of them."""
    return more if policy == OURS else -int(100 / (1 + math.exp(more / mix.grain)))


@njit
def growth(nodes: Nodes, node: int, task: Table, before: int, mix: Mix, policy: int) -> tuple[int, int]:
    """How much more than `before` the node strands with the task, graded, and on which GPU that is: -1 for whole ones."""
    left = nodes.left[node, : nodes.gpus[node]].copy()
    cpu, memory, model = nodes.cpu[node], nodes.memory[node], nodes.model[node]
    if task[GPUS] != 1 or task[MILLI] == WHOLE:
        take(left, task, _NONE)
        return grade(strands(left, cpu - task[CPU], memory - task[MEMORY], model, mix) - before, mix, policy), _NONE
    best, chosen = 1 << 62, _NONE
    for gpu in range(left.size):
        if left[gpu] >= task[MILLI] and (left[:gpu] != left[gpu]).all():
            left[gpu] -= task[MILLI]
            found = grade(strands(left, cpu - task[CPU], memory - task[MEMORY], model, mix) - before, mix, policy)
            left[gpu] += task[MILLI]
            if found < best or (found == best and policy == OURS and left[gpu] < left[chosen]):
                best, chosen = found, gpu
    return best, chosen


@njit
def share(left: Table, task: Table, policy: int) -> int:
    """The GPU of which a share is taken where the measure has no say: the fullest that holds it, or any."""
    chosen, seen = _NONE, 0
    for gpu in range(left.size):
        if left[gpu] >= task[MILLI]:
            seen += 1
            tighter = chosen < 0 or left[gpu] < left[chosen]
            if (policy == RANDOM and np.random.randint(seen) == 0) or (policy != RANDOM and tighter):
                chosen = gpu
    return chosen
