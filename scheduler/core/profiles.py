"""Many step functions of time, one a row, in arrays that the compiled functions work on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.core.compiled import rows
from scheduler.core.steps import Steps

_ROOM = 2
"""Steps that a row has room for at least, beside those that it has: what one more booking may need."""

_SPARE = 256
"""Steps behind the last row: room for rows that are full and for new ones."""

_Ints = NDArray[np.int64]


class Profiles:
    """Row `r` is at `extents[r]`: it holds `values[k]` from `times[k]` on, for `BEGIN <= k < END`; instants are 0 or later.

    Rows lie one after the other, each as long as it is, so that a copy costs what there is in it and no more. Who shares
    one never changes it: `copy` it, change the copy, and share that.
    """

    __slots__ = ("_used", "extents", "times", "values")

    def __init__(self, times: _Ints, values: NDArray[np.int32], extents: _Ints, used: int) -> None:
        self.times, self.values, self.extents = times, values, extents
        self._used = used

    @classmethod
    def flat(cls, bases: Sequence[int]) -> "Profiles":
        """A row for each base, which it holds for all time."""
        begins = np.arange(len(bases), dtype=np.int64)
        extents = np.stack([begins, begins + 1, begins + 1], axis=1)
        return cls(np.zeros(len(bases), np.int64), np.array(bases, np.int32), extents, len(bases)).copy()

    @property
    def arrays(self) -> tuple[_Ints, NDArray[np.int32], _Ints]:
        return self.times, self.values, self.extents

    def __len__(self) -> int:
        return len(self.extents)

    def copy(self) -> "Profiles":
        """With a little room in every row."""
        return Profiles(*rows.packed(*self.arrays, self._counts // 4 + _ROOM, _SPARE))

    def steps(self, row: int) -> Steps:
        """One row as a value."""
        begin, end, _ = self.extents[row]
        return Steps(times=tuple(self.times[begin:end].tolist()), values=tuple(self.values[begin:end].tolist()))

    def instants(self, some: Sequence[int] | None = None) -> _Ints:
        """When any of these rows changes, or any at all, in order."""
        found = self.extents if some is None else self.extents[some]
        return np.unique(np.concatenate([self.times[begin:end] for begin, end, _ in found]))

    def at(self, row: int, instant: int) -> int:
        """The row's value at an instant."""
        return int(self.values[rows.last_at(self.times, self.extents, row, instant)])

    def least(self, row: int, start: int, end: int) -> int:
        """The row's lowest value on `[start, end)`."""
        return int(rows.least(*self.arrays, row, start, end))

    def add(self, row: int, start: int, end: int, amount: int) -> None:
        """Adds `amount` on `[start, end)` of the row; the past before 0 is cut off."""
        if self.extents[row, rows.END] + _ROOM > self.extents[row, rows.ROOM]:
            self._move(row)
        rows.add(*self.arrays, row, start, end, amount)

    def widen(self, more: _Ints) -> None:
        """Makes room for so many more steps in each row."""
        if (self.extents[:, rows.END] + more > self.extents[:, rows.ROOM]).any():
            self.times, self.values, self.extents, self._used = rows.packed(*self.arrays, 2 * more + _ROOM, _SPARE)

    def shift(self, row: int, amount: int) -> None:
        """Adds `amount` for all time."""
        begin, end, _ = self.extents[row]
        self.values[begin:end] += amount

    def append(self, base: int) -> int:
        """A new row that holds `base`; its number."""
        begin = self._take(1 + _ROOM)
        self.times[begin], self.values[begin] = 0, base
        self.extents = np.vstack([self.extents, [begin, begin + 1, begin + 1 + _ROOM]])
        return len(self.extents) - 1

    def forget(self, before: int) -> None:
        """Lets what each row holds at `before` hold for all time up to then."""
        rows.forget(*self.arrays, before)

    @property
    def _counts(self) -> _Ints:
        return self.extents[:, rows.END] - self.extents[:, rows.BEGIN]

    def _move(self, row: int) -> None:
        """Takes a row that is full to where it has twice the room."""
        begin, end, _ = self.extents[row].tolist()
        room = 2 * (end - begin + _ROOM)
        to = self._take(room)
        count = end - begin
        self.times[to : to + count], self.values[to : to + count] = self.times[begin:end], self.values[begin:end]
        self.extents[row] = to, to + count, to + room

    def _take(self, steps: int) -> int:
        """Where so many steps begin that no row has yet."""
        begin, self._used = self._used, self._used + steps
        if self._used > self.times.size:
            more = max(steps, begin)
            self.times = np.concatenate([self.times, np.zeros(more, np.int64)])
            self.values = np.concatenate([self.values, np.zeros(more, np.int32)])
        return begin
