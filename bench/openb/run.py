"""One run: every task that arrives is placed where the policy says, or turned away when it fits nowhere. None ever leaves."""

# numba ships no types: what it compiled has none that the checker knows.
# pyright: reportMissingTypeStubs=false, reportUntypedFunctionDecorator=false

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from bench.openb import arrivals
from bench.openb.choice import BEST_FIT, FGD, FINE, OURS, RANDOM, Nodes, fits, growth, share, spare, take
from bench.openb.learning import Learning
from bench.openb.stranding import Mix, ordered, strands
from bench.openb.trace import CPU, GPUS, MEMORY, MILLI, WHOLE, Cluster, Table
from scheduler.core.compiled.choose import standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one run: thousandths of GPUs that had arrived and that were allocated after each task."""

    capacity: int
    arrived: Table
    allocated: Table
    placed: int
    wall_s: float

    def unallocated(self, percent: int) -> float:
        """Per cent of all GPUs that are free when so many per cent have been asked for.

        As published: the mean over the tasks at which what was asked for rounds to that per cent. Where tasks are so large
        that there is none, the state after the last one before.
        """
        there = np.rint(self.arrived * 100 / self.capacity) == percent
        before = self.allocated[self.arrived * 100 <= percent * self.capacity]
        found = self.allocated[there].mean() if there.any() else before[-1] if before.size else 0
        return float(100 - found * 100 / self.capacity)


class Known(NamedTuple):
    """What a kind of task does to each node, and the count of changes of the node for which that is so.

    `before` is what each node strands without it, as of `before_at`: the same for all kinds.
    """

    grades: Table
    gpus: Table
    at: Table
    before: Table
    before_at: Table


def run(cluster: Cluster, tasks: Table, mix: Mix | Learning, policy: int, percent: int, seed: int) -> Run:
    """Places what the seed draws from `tasks` up to so many per cent of the cluster's GPUs, by a mix that is known or learnt."""
    come = arrivals.drawn(tasks, cluster.milli * percent // 100, seed)
    nodes = _empty(cluster, seed)
    began = time.perf_counter()
    places = placed(nodes, cluster, come, mix, policy, seed)
    wall_s = time.perf_counter() - began
    asked = come[:, GPUS] * come[:, MILLI]
    return Run(
        capacity=cluster.milli,
        arrived=asked.cumsum(),
        allocated=(asked * (places >= 0)).cumsum(),
        placed=int((places >= 0).sum()),
        wall_s=wall_s,
    )


def placed(nodes: Nodes, cluster: Cluster, tasks: Table, mix: Mix | Learning, policy: int, seed: int) -> Table:
    """The node of each task in turn, -1 for one that was turned away, by a mix that is known or learnt on the way."""
    kinds, kind = np.unique(tasks, axis=0, return_inverse=True)
    kind = kind.reshape(-1).astype(np.int64)
    parts, first = list[Table](), 0
    for after, known in mix.stretches(cluster, kinds, kind) if isinstance(mix, Learning) else [(len(tasks), mix)]:
        parts.append(place_all(nodes, tasks[first:after], kind[first:after], ordered(known), policy, seed))
        first = after
    return np.concatenate(parts)


def _empty(cluster: Cluster, seed: int) -> Nodes:
    left = np.where(np.arange(cluster.gpus.max())[None, :] < cluster.gpus[:, None], WHOLE, 0).astype(np.int64)
    rank = arrivals.ranks(cluster.gpus.size, seed)
    return Nodes(cluster.cpu.copy(), cluster.memory.copy(), cluster.gpus, cluster.model, left, rank)


@njit
def place_all(nodes: Nodes, tasks: Table, kind: Table, mix: Mix, policy: int, seed: int) -> Table:
    """The node of each task, -1 for one that was turned away. What a kind does to a node is kept until the node changes."""
    np.random.seed(seed)
    kinds, size = kind.max() + 1 if kind.size else 0, nodes.cpu.size
    grades, gpus = np.zeros((kinds, size), np.int64), np.zeros((kinds, size), np.int64)
    at = np.full((kinds, size), -1, np.int64)
    before, before_at = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    changed = np.zeros(size, np.int64)
    places = np.full(len(tasks), -1, np.int64)
    for k in range(len(tasks)):
        known = Known(grades[kind[k]], gpus[kind[k]], at[kind[k]], before, before_at)
        node = chosen(nodes, tasks[k], mix, policy, known, changed)
        if node >= 0:
            settle(nodes, node, tasks[k], policy, known.gpus[node])
            changed[node] += 1
            places[k] = node
    return places


@njit
def chosen(nodes: Nodes, task: Table, mix: Mix, policy: int, known: Known, changed: Table) -> int:
    """The best node that holds the task, -1 without one."""
    best, node, seen = (np.inf, np.inf, 0), -1, 0
    for k in range(nodes.cpu.size):
        if not fits(nodes, k, task):
            continue
        seen += 1
        if policy == RANDOM:
            node = k if np.random.randint(seen) == 0 else node
            continue
        if policy == BEST_FIT:
            found = (-float(int((1 - spare(nodes, k, task)) * 100)), 0.0, nodes.rank[k])
        else:
            if known.at[k] != changed[k]:
                if known.before_at[k] != changed[k]:
                    left = nodes.left[k, : nodes.gpus[k]]
                    known.before[k] = strands(left, nodes.cpu[k], nodes.memory[k], nodes.model[k], mix)
                    known.before_at[k] = changed[k]
                known.grades[k], known.gpus[k] = growth(nodes, k, task, known.before[k], mix, policy)
                known.at[k] = changed[k]
            if policy == OURS:
                fill = int(spare(nodes, k, task) * FINE)
                found = (0.0, 0.0, standing(known.grades[k], fill, nodes.rank[k]))
            else:
                found = (float(known.grades[k]), 0.0, nodes.rank[k])
        if found < best or node < 0:
            best, node = found, k
    return node


@njit
def settle(nodes: Nodes, node: int, task: Table, policy: int, gpu: int) -> None:
    """Takes from the node what the task needs."""
    nodes.cpu[node] -= task[CPU]
    nodes.memory[node] -= task[MEMORY]
    left = nodes.left[node, : nodes.gpus[node]]
    if task[GPUS] == 1 and task[MILLI] < WHOLE:
        take(left, task, gpu if policy in (FGD, OURS) else share(left, task, policy))
    elif task[GPUS]:
        take(left, task, -1)
