"""A step function of time, the one shape that free GPUs and held GPUs over time are kept in.

Knows nothing of nodes, leases or quotas. Instants and amounts are integers; instants are never negative.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """`values[k]` holds on `[times[k], times[k + 1])`, the last one for ever.

    `times` begins with 0 and rises, and neighbouring values differ, so equal functions are equal values.
    """

    times: tuple[int, ...]
    values: tuple[int, ...]

    @classmethod
    def flat(cls, value: int) -> Self:
        return cls(times=(0,), values=(value,))

    def add(self, start: int, end: int, amount: int) -> "Steps":
        """The same with `amount` added on `[start, end)`; an empty interval changes nothing."""
        start = max(start, 0)
        if amount == 0 or start >= end:
            return self
        first = bisect_right(self.times, start) - 1
        after = bisect_left(self.times, end)
        times = [*self.times[: first + 1], *self.times[first + 1 : after]]
        values = [*self.values[:first], *(value + amount for value in self.values[first:after])]
        if times[first] < start:
            times.insert(first + 1, start)
            values.insert(first, self.values[first])
        elif first and values[first - 1] == values[first]:
            del times[first], values[first]
        return self._closed(times, values, after, end)

    def _closed(self, times: list[int], values: list[int], after: int, end: int) -> "Steps":
        """`times` and `values`, which reach up to `end`, with this function's own course from `end` on."""
        if after == len(self.times) or self.times[after] > end:
            times.append(end)
            values.append(self.values[after - 1])
        elif values[-1] == self.values[after]:
            after += 1
        return Steps(times=(*times, *self.times[after:]), values=(*values, *self.values[after:]))

    def shift(self, amount: int) -> "Steps":
        """The same with `amount` added for all time."""
        return self if amount == 0 else Steps(times=self.times, values=tuple(value + amount for value in self.values))

    def at(self, instant: int) -> int:
        return self.values[bisect_right(self.times, instant) - 1]

    def lasting(self, start: int, level: int, until: int) -> int:
        """The end of the stretch from `start` on that is at least `level`, at most `until`; `start` if there is none."""
        end = start
        for at, value in zip((*self.times[1:], until), self.values, strict=True):
            if at <= start:
                continue
            if value < level:
                break
            end = min(at, until)
        return end

    def least(self, start: int, end: int) -> int:
        """The lowest value on `[start, end)`; of an empty interval, the value at `start`."""
        return lowest(self.times, self.values, start, end)

    def most(self, start: int, end: int) -> int:
        """The highest value on `[start, end)`; of an empty interval, the value at `start`."""
        first = bisect_right(self.times, start) - 1
        return max(self.values[first : bisect_left(self.times, end, first + 1)])

    def since(self, instant: int) -> "Steps":
        """The same from `instant` on, with its value there held for all time before."""
        if len(self.times) == 1 or self.times[1] > instant:
            return self
        first = bisect_right(self.times, instant) - 1
        return Steps(times=(0, *self.times[first + 1 :]), values=self.values[first:])

    def starts(self, level: int, length: int, lo: int, hi: int) -> list[tuple[int, int]]:
        """The inclusive ranges of starts `s` in `[lo, hi]` with at least `level` throughout `[s, s + length)`.

        `length` is at least 1. The ranges come in order and do not touch.
        """
        return ranges(self.times, self.values, level, length, lo, hi)


def lowest(times: tuple[int, ...], values: tuple[int, ...], start: int, end: int) -> int:
    """What `Steps.least` says, on bare arrays."""
    first = bisect_right(times, start) - 1
    return min(values[first : bisect_left(times, end, first + 1)])


def ranges(
    times: tuple[int, ...], values: tuple[int, ...], level: int, length: int, lo: int, hi: int
) -> list[tuple[int, int]]:
    """What `Steps.starts` says, on bare arrays."""
    found: list[tuple[int, int]] = []
    if lo > hi:
        return found
    first = bisect_right(times, lo) - 1
    begin = lo if values[first] >= level else -1
    for k in range(first + 1, bisect_left(times, hi + length, first + 1)):
        if values[k] >= level:
            if begin < 0:
                begin = times[k]
        elif begin >= 0:
            last = times[k] - length
            if last >= begin:
                found.append((begin, last))
            begin = -1
    if 0 <= begin <= hi:
        found.append((begin, hi))
    return found
