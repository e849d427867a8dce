"""What is asked for, learnt as tasks arrive: by the product's own rule, from nothing but what it expects of any pool.

The product's mix has sizes; here a size is the number of a kind of task, one row of `kinds`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.openb.stranding import Mix
from bench.openb.trace import GPUS, WHOLE, Cluster, Table
from scheduler.core import fragmentation
from scheduler.core.fragmentation import UNSEEN
from scheduler.core.model import Instant

_NO_TIME = Instant(0)
"""Tasks come one after the other, and nothing is said of when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """How the mix of what came so far is weighed."""

    headroom: int
    grain: int

    def stretches(self, cluster: Cluster, kinds: Table, kind: Table) -> Iterator[tuple[int, Mix]]:
        """Where each stretch of the tasks ends, and the mix by which those in it are placed; `kind` is a task's row."""
        whole = fragmentation.expected(int(cluster.gpus.max(initial=0)))
        models = (1 << len(cluster.models)) - 1
        rows = np.vstack([kinds, np.array([(0, 0, gpus, WHOLE, models) for gpus, _ in whole.weights], np.int64)])
        weights = tuple((len(kinds) + k, weight) for k, (_, weight) in enumerate(whole.weights))
        expected, mix, came = fragmentation.Mix(weights=weights), UNSEEN, Counter[int]()
        for task, number in enumerate(kind.tolist(), start=1):
            if not kinds[number, GPUS]:
                continue
            came[number] += 1
            renewed = fragmentation.renewed(mix, came, _NO_TIME)
            if renewed is not None:
                yield task, self._weighed(rows, fragmentation.joined(mix, expected))
                mix, came = renewed, Counter[int]()
        yield len(kind), self._weighed(rows, fragmentation.joined(mix, expected))

    def _weighed(self, rows: Table, mix: fragmentation.Mix) -> Mix:
        numbers = np.array([number for number, _ in mix.weights], np.int64)
        counts = np.array([weight for _, weight in mix.weights], np.int64)
        return Mix(rows[numbers], counts, self.headroom, self.grain)
