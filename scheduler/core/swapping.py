"""Which allocations of a node change GPUs so that each lease holds those that its pods really have (DESIGN section 5).

The calendar decides nodes and counts, and a lease starts on nominal GPUs; which ones its pods get is the kubelet's choice. So
allocations are swapped inside a node and pool, as few as possible. An allocation that is over stays where it is: its GPU waits
for the proof that it is empty.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A GPU of one node that an allocation has which is not closed; `ended` where it only waits for the proof."""

    allocation: str
    lease: str
    gpu: str
    ended: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Real:
    """A pod that runs on a lease has this GPU."""

    gpu: str
    lease: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Swaps:
    """To which GPU allocations go, and what no swap explains: GPUs that pods have beyond what their lease holds there."""

    moves: Mapping[str, str] = field(default_factory=dict[str, str])
    unexplained: tuple[Real, ...] = ()


def swaps(
    pools: Mapping[str, str | None], held: Sequence[Held], real: Iterable[Real], *, sick: Collection[str] = ()
) -> Swaps:
    """The fewest moves after which every lease holds the GPUs that its pods have, as far as it holds so many.

    `pools` has every GPU of the node with its pool. Each allocation keeps one GPU, and stays in its pool. Who makes way goes to no
    `sick` GPU while there is another.
    """
    known = sorted({one for one in real if one.gpu in pools})
    moves: dict[str, str] = {}
    unexplained: list[Real] = []
    for pool in sorted({pools[one.gpu] or "" for one in known}):
        here = {gpu for gpu, of in pools.items() if (of or "") == pool}
        found = _of_pool(
            _Place(here, frozenset(sick)),
            [one for one in held if one.gpu in here],
            [one for one in known if one.gpu in here],
        )
        moves |= found.moves
        unexplained += found.unexplained
    return Swaps(moves=moves, unexplained=tuple(unexplained))


@dataclass(frozen=True, slots=True)
class _Place:
    """The GPUs of one pool on the node, and which GPUs are sick."""

    gpus: Collection[str]
    sick: Collection[str]


def _of_pool(place: _Place, held: Sequence[Held], real: Sequence[Real]) -> Swaps:
    over = {one.gpu: one.lease for one in held if one.ended}
    live = sorted((one for one in held if not one.ended), key=lambda one: one.allocation)
    wanted = _wanted(live, over, real)
    moves = _targets(live, wanted)
    moves |= _room(place, live, over, wanted, moves, {one.gpu for one in real})
    explained = {Real(gpu, lease) for gpu, lease in (*wanted.items(), *over.items())}
    return Swaps(moves=moves, unexplained=tuple(one for one in real if one not in explained))


def _wanted(live: Sequence[Held], over: Mapping[str, str], real: Sequence[Real]) -> dict[str, str]:
    """Which lease each GPU is to be of: whose pod has it, as far as the lease holds so many. Who holds it already goes first."""
    holds = {one.gpu: one.lease for one in live}
    left: dict[str, int] = {}
    for one in live:
        left[one.lease] = left.get(one.lease, 0) + 1
    found: dict[str, str] = {}
    for one in sorted(real, key=lambda one: (holds.get(one.gpu) != one.lease, one)):
        if one.gpu not in found and one.gpu not in over and left.get(one.lease, 0):
            found[one.gpu] = one.lease
            left[one.lease] -= 1
    return found


def _targets(live: Sequence[Held], wanted: Mapping[str, str]) -> dict[str, str]:
    """The moves of allocations onto GPUs that their lease is to have: first of those that have to leave theirs anyway."""
    holds = {one.gpu: one.lease for one in live}
    moves: dict[str, str] = {}
    for lease in sorted(set(wanted.values())):
        missing = sorted(gpu for gpu, of in wanted.items() if of == lease and holds.get(gpu) != lease)
        idle = [one for one in live if one.lease == lease and wanted.get(one.gpu) != lease]
        idle.sort(key=lambda one: one.gpu not in wanted)
        moves |= {one.allocation: gpu for one, gpu in zip(idle, missing, strict=False)}
    return moves


def _room(
    place: _Place,
    live: Sequence[Held],
    over: Collection[str],
    wanted: Mapping[str, str],
    moves: Mapping[str, str],
    used: Collection[str],
) -> dict[str, str]:
    """The moves of those whose GPU is another's now: to one that is left to it by another, and to one that a pod has last."""
    out = [one for one in live if one.allocation not in moves and wanted.get(one.gpu, one.lease) != one.lease]
    going = {one.allocation for one in out} | moves.keys()
    taken = {one.gpu for one in live if one.allocation not in going} | set(moves.values()) | set(over)
    left = {one.gpu for one in live}
    room = set(place.gpus) - taken - wanted.keys()
    best = sorted(room, key=lambda gpu: (gpu in used, gpu in place.sick, gpu not in left, gpu))
    return {one.allocation: gpu for one, gpu in zip(out, best, strict=False)}
