"""What has a slot that may still be moved earlier, in order of arrival, in columns for the compiled look at all of it."""

from bisect import bisect_left
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scheduler.core.compiled import screen
from scheduler.core.model import PPM, Gang, Lease, LeaseId, NodeId

_ROOM = 16

_QUARTERS = 4


class Waiting:
    """A row a lease, by when it was asked for and its id; `copy` before changing one that is shared."""

    __slots__ = ("_table", "keys")

    def __init__(self) -> None:
        self._table: NDArray[np.int64] = np.zeros((_ROOM, screen.COLUMNS), np.int64)
        self.keys: list[tuple[int, LeaseId]] = []

    @property
    def table(self) -> NDArray[np.int64]:
        return self._table[: len(self.keys)]

    def turn(self, now: int, pool_gpus: int, order: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """The places in order of arrival, as they are tried at `now` in a pool of so many GPUs.

        First by the `order` of their companies' rows of the limits, where there is one. Who asks for more quarters of the
        pool goes first, since room for it is rare; then who has waited longest for the length of its box; then who asked
        first.
        """
        gpus, duration_s = self.table[:, screen.GPUS], self.table[:, screen.DURATION]
        quarters = _QUARTERS * gpus // max(1, pool_gpus)
        stretched_ppm = (now - self.table[:, screen.ASKED] + duration_s) * PPM // duration_s
        keys = (-stretched_ppm, -quarters)
        return np.lexsort(keys if order is None else (*keys, order[self.table[:, screen.LIMIT]]))

    def copy(self) -> "Waiting":
        other = Waiting()
        other._table, other.keys = self._table.copy(), self.keys.copy()
        return other

    def put(
        self, lease: Lease, *, gap_s: int, limit: int, reserve: int, ahead: int, nodes: Mapping[NodeId, int]
    ) -> None:
        """Inserts or replaces a lease that waits; `limit`, `reserve` and `ahead` are the rows of its limits, or -1."""
        key = (lease.asked_at, lease.id)
        place = bisect_left(self.keys, key)
        if place == len(self.keys) or self.keys[place] != key:
            self._insert(place, key)
        gang = lease.shape if isinstance(lease.shape, Gang) else None
        self._table[place] = (
            lease.starts_at or 0,
            lease.start or 0,
            lease.notice_s,
            lease.duration_s + gap_s,
            lease.duration_s,
            gang.nodes if gang else 0,
            gang.gpus_per_node if gang else lease.gpus,
            lease.gpus,
            limit,
            reserve,
            ahead,
            lease.asked_at,
            nodes.get(lease.placement[0][0], -1) if len(lease.placement) == 1 else -1,
        )

    def drop(self, lease: Lease) -> None:
        """Forgets it, if it is there."""
        key = (lease.asked_at, lease.id)
        place = bisect_left(self.keys, key)
        if place < len(self.keys) and self.keys[place] == key:
            del self.keys[place]
            self._table[place : len(self.keys)] = self._table[place + 1 : len(self.keys) + 1]

    def _insert(self, place: int, key: tuple[int, LeaseId]) -> None:
        count = len(self.keys)
        if count == len(self._table):
            self._table = np.vstack([self._table, np.zeros_like(self._table)])
        self._table[place + 1 : count + 1] = self._table[place:count]
        self.keys.insert(place, key)
