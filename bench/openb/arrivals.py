"""Which tasks arrive, in which order: as in FGD's simulator (`ShufflePod`, `TunePodsByNodeTotalResource`), drawn anew.

All tasks of the trace, shuffled; then either more of them at random, with replacement, while the next one does not lift the
GPUs asked for above the wanted share of capacity, or, where they are more than that already, fewer at random.
"""

import numpy as np

from bench.openb.trace import GPUS, MILLI, Table

FIRST_SEED = 42
"""The published runs have the seeds 42 to 51. Their numbers are Go's, ours are numpy's: equal in kind, not one by one."""


def drawn(tasks: Table, target_milli: int, seed: int) -> Table:
    """The tasks in the order in which they arrive, until their GPUs are `target_milli` together."""
    chance = np.random.default_rng(seed)
    asked = tasks[:, GPUS] * tasks[:, MILLI]
    order = list(chance.permutation(len(tasks)))
    total = int(asked.sum())
    while total > target_milli:
        total -= int(asked[order.pop(int(chance.integers(len(order))))])
    if len(order) == len(tasks) and asked.any():
        # As published: what is compared is one GPU's share of the next task, so the last one may lift it above.
        while total + tasks[following := int(chance.integers(len(tasks))), MILLI] <= target_milli:
            total += int(asked[following])
            order.append(following)
    return tasks[order]


def ranks(nodes: int, seed: int) -> Table:
    """The place of each node among equals: its name in a run begins with a number drawn for that run."""
    return np.random.default_rng((seed, nodes)).permutation(nodes).astype(np.int64)
