"""Many step functions of time, one a row, in arrays that the compiled functions work on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.core.compiled import rows
from scheduler.core.steps import Steps

_ROOM = 8
"""Steps that a row has room for at first; all rows are widened together."""


class Profiles:
    """Row `r` holds `values[r, k]` from `times[r, k]` on, for `k < lengths[r]`; instants are 0 or later.

    Who shares one never changes it: `copy` it, change the copy, and share that.
    """

    __slots__ = ("lengths", "times", "values")

    def __init__(self, times: NDArray[np.int64], values: NDArray[np.int32], lengths: NDArray[np.int64]) -> None:
        self.times, self.values, self.lengths = times, values, lengths

    @classmethod
    def flat(cls, bases: Sequence[int]) -> "Profiles":
        """A row for each base, which it holds for all time."""
        times = np.zeros((len(bases), _ROOM), np.int64)
        values = np.zeros((len(bases), _ROOM), np.int32)
        values[:, 0] = bases
        return cls(times, values, np.ones(len(bases), np.int64))

    @property
    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
        return self.times, self.values, self.lengths

    def __len__(self) -> int:
        return self.lengths.size

    def copy(self) -> "Profiles":
        """With the room it needs, and a little more."""
        return self._wide(self.times.shape[1])

    def steps(self, row: int) -> Steps:
        """One row as a value."""
        count = self.lengths[row]
        return Steps(times=tuple(self.times[row, :count].tolist()), values=tuple(self.values[row, :count].tolist()))

    def at(self, row: int, instant: int) -> int:
        """The row's value at an instant."""
        return int(self.values[row, rows.last_at(self.times, row, self.lengths[row], instant)])

    def least(self, row: int, start: int, end: int) -> int:
        """The row's lowest value on `[start, end)`."""
        return int(rows.least(self.times, self.values, self.lengths, row, start, end))

    def add(self, row: int, start: int, end: int, amount: int) -> None:
        """Adds `amount` on `[start, end)` of the row; the past before 0 is cut off."""
        if self.lengths[row] + 2 > self.times.shape[1]:
            wider = self._wide(2 * self.times.shape[1])
            self.times, self.values = wider.times, wider.values
        rows.add(self.times, self.values, self.lengths, row, start, end, amount)

    def widen(self, steps: int) -> None:
        """Makes room for so many more steps in every row."""
        needed = int(self.lengths.max(initial=1)) + steps
        if needed > self.times.shape[1]:
            wider = self._wide(2 * needed)
            self.times, self.values = wider.times, wider.values

    def shift(self, row: int, amount: int) -> None:
        """Adds `amount` for all time."""
        self.values[row, : self.lengths[row]] += amount

    def append(self, base: int) -> int:
        """A new row that holds `base`; its number."""
        self.times = np.vstack([self.times, np.zeros((1, self.times.shape[1]), np.int64)])
        self.values = np.vstack([self.values, np.full((1, self.values.shape[1]), base, np.int32)])
        self.lengths = np.append(self.lengths, 1)
        return self.lengths.size - 1

    def forget(self, before: int) -> None:
        """Lets what each row holds at `before` hold for all time up to then."""
        rows.forget(self.times, self.values, self.lengths, before)

    def _wide(self, room: int) -> "Profiles":
        used = int(self.lengths.max(initial=1))
        room = min(room, max(_ROOM, used + used // 4 + 2)) if room == self.times.shape[1] else room
        times = np.empty((self.lengths.size, room), np.int64)
        values = np.empty((self.lengths.size, room), np.int32)
        times[:, :used] = self.times[:, :used]
        values[:, :used] = self.values[:, :used]
        return Profiles(times, values, self.lengths.copy())
