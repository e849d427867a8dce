"""The asks that Slurm and we are both given: gangs of 1 to 128 GPUs, most of them one GPU, with log-normal boxes.

Pure and seeded: the same arguments give the same asks, on any machine. About 2,300 of them fill 10,000 GPUs.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SEED = 3
GPUS_PER_NODE = 8
SHARES = {1: 0.60, 2: 0.10, 4: 0.10, 8: 0.12, 16: 0.05, 32: 0.02, 64: 0.008, 128: 0.002}
"""How often an ask is for so many GPUs; above 8 they are whole nodes."""
MEAN_LOG, SPREAD_LOG = 5.2, 1.2
"""Of the natural logarithm of a box in minutes: half of the boxes are under three hours."""
SHORTEST_MIN, LONGEST_MIN = 10, 3 * 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """All of it at once or nothing: `gpus_per_node` GPUs on each of `nodes` nodes for `minutes`."""

    nodes: int
    gpus_per_node: int
    minutes: int

    @property
    def gpus(self) -> int:
        return self.nodes * self.gpus_per_node

    @property
    def duration_s(self) -> int:
        return self.minutes * 60


LARGE = Gang(nodes=64, gpus_per_node=GPUS_PER_NODE, minutes=120)
"""What is asked for where one that is hard to place is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`held` take every GPU, the widest first, so that they do whatever nodes are chosen for each; `waiting` find none free,
    so who is given both in this order plans the very same queue."""

    held: Sequence[Gang]
    waiting: Sequence[Gang]

    @property
    def asks(self) -> list[Gang]:
        return [*self.held, *self.waiting]


def load(*, gpus: int, waiting: int, seed: int = SEED) -> Load:
    """Asks in the order of the seed are held while they fit into so many GPUs, and else wait."""
    drawn = _drawn(seed, max(SHARES), LONGEST_MIN)
    held: list[Gang] = []
    left: list[Gang] = []
    free = gpus
    while free or len(left) < waiting:
        gang = next(drawn)
        if gang.gpus <= free:
            held.append(gang)
            free -= gang.gpus
        elif len(left) < waiting:
            left.append(gang)
    return Load(held=sorted(held, key=lambda gang: -gang.gpus), waiting=left)


def gangs(count: int, *, seed: int = SEED, largest_gpus: int = 128, longest_min: int = LONGEST_MIN) -> list[Gang]:
    """So many asks, in the order in which they are asked. Sizes above `largest_gpus` are left out and the others keep
    their proportions; a box outside of its bounds is set to the nearest bound."""
    return list(itertools.islice(_drawn(seed, largest_gpus, longest_min), count))


def _drawn(seed: int, largest_gpus: int, longest_min: int) -> Iterator[Gang]:
    chance = random.Random(seed)
    sizes = [gpus for gpus in SHARES if gpus <= largest_gpus]
    weights = [SHARES[gpus] for gpus in sizes]
    while True:
        yield _gang(chance.choices(sizes, weights)[0], _minutes(chance, longest_min))


def _gang(gpus: int, minutes: int) -> Gang:
    nodes = max(1, gpus // GPUS_PER_NODE)
    return Gang(nodes=nodes, gpus_per_node=gpus // nodes, minutes=minutes)


def _minutes(chance: random.Random, longest: int) -> int:
    return min(longest, max(SHORTEST_MIN, round(chance.lognormvariate(MEAN_LOG, SPREAD_LOG))))
