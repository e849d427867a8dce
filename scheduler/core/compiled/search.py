"""When enough rows are high enough for long enough: the first such start of a window, or the last.

Each row is turned into its ranges of possible starts; sorted, the ranges are swept for the first or last instant that
enough of them share. Limits (rows of another matrix) narrow the window first.
"""

# numba ships no types, and compiles these functions for the types that they are called with.
# pyright: basic, reportMissingParameterType=false, reportMissingTypeStubs=false

import numpy as np

from scheduler.core.compiled.compiling import compiled
from scheduler.core.compiled.rows import BEGIN, END, holds, last_at

NONE = -1


@compiled
def ranges(times, values, extents, row, level, length, lo, hi, begins, ends):
    """Writes the inclusive ranges of starts in `[lo, hi]` with `level` throughout `length` from there; how many."""
    found = 0
    if lo > hi:
        return found
    count = extents[row, END]
    k = last_at(times, extents, row, lo)
    begin = lo if values[k] >= level else NONE
    k += 1
    while k < count and times[k] < hi + length:
        if values[k] >= level:
            if begin == NONE:
                begin = times[k]
        elif begin != NONE:
            last = times[k] - length
            if last >= begin:
                begins[found] = begin
                ends[found] = last
                found += 1
            begin = NONE
        k += 1
    if begin != NONE and begin <= hi:
        begins[found] = begin
        ends[found] = hi
        found += 1
    return found


@compiled
def windows(limits, limit_values, limit_extents, rows, level, length, lo, hi):
    """The parts of `[lo, hi]` in which every limit of `rows` allows a start: as many as the first answer says."""
    most = 2
    for row in rows:
        most += limit_extents[row, END] - limit_extents[row, BEGIN]
    begins, ends = np.empty(most, np.int64), np.empty(most, np.int64)
    begins[0], ends[0] = lo, hi
    count = 1 if lo <= hi else 0
    ours, ours_end = np.empty(most, np.int64), np.empty(most, np.int64)
    both, both_end = np.empty(most, np.int64), np.empty(most, np.int64)
    for row in rows:
        allowed = ranges(limits, limit_values, limit_extents, row, level, length, lo, hi, ours, ours_end)
        i, j, met = 0, 0, 0
        while i < count and j < allowed:
            begin, end = max(begins[i], ours[j]), min(ends[i], ours_end[j])
            if begin <= end:
                both[met], both_end[met] = begin, end
                met += 1
            if ends[i] < ours_end[j]:
                i += 1
            else:
                j += 1
        count = met
        begins[:count] = both[:count]
        ends[:count] = both_end[:count]
    return count, begins, ends


@compiled
def enough_at(times, values, extents, open_, nodes, level, start, end):
    """Whether so many open rows hold the level throughout `[start, end)`."""
    found = 0
    for row in range(len(extents)):
        if open_[row] and holds(times, values, extents, row, level, start, end):
            found += 1
            if found >= nodes:
                return True
    return False


@compiled
def first_of_one(times, values, extents, open_, level, length, count, begins, ends):
    """The first start for one row of all, inside the `count` windows."""
    best = ends[count - 1] + 1
    for row in range(len(extents)):
        if not open_[row]:
            continue
        window = 0
        k = last_at(times, extents, row, begins[0])
        begin = begins[0] if values[k] >= level else NONE
        while True:
            k += 1
            over = k >= extents[row, END]
            until = np.int64(1 << 60) if over else times[k]
            if begin != NONE and (over or values[k] < level):
                while window < count and ends[window] < begin:
                    window += 1
                if window == count:
                    break
                begin = max(begin, begins[window])
                if begin <= until - length:
                    best = min(best, begin)
                    break
                begin = NONE
            elif begin == NONE and not over and values[k] >= level:
                begin = until
            if over or begin >= best or (begin == NONE and until >= best):
                break
        if best == begins[0]:
            return best
    return best if best <= ends[count - 1] else NONE


@compiled
def gather(times, values, extents, open_, level, length, lo, hi):
    """Every row's ranges of starts, begins and ends sorted apart; also how many, and how many begin by `hi` for good.

    Ranges that begin after the instant from which enough rows are free for good are left out: nobody waits for them.
    """
    most = 0
    for row in range(len(extents)):
        if open_[row]:
            most += (extents[row, END] - extents[row, BEGIN]) // 2 + 1
    begins, ends, lasting = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(len(extents), np.int64)
    count, for_good = 0, 0
    for row in range(len(extents)):
        if not open_[row]:
            continue
        found = ranges(times, values, extents, row, level, length, lo, hi, begins[count:], ends[count:])
        if found and ends[count + found - 1] == hi:
            lasting[for_good] = begins[count + found - 1]
            for_good += 1
        count += found
    return count, begins, ends, for_good, lasting


@compiled
def first_of_many(times, values, extents, open_, nodes, level, length, count, begins, ends):
    """The first start that `nodes` rows share, inside the `count` windows."""
    lo, hi = begins[0], ends[count - 1]
    many, froms, tos, for_good, lasting = gather(times, values, extents, open_, level, length, lo, hi)
    if many < nodes:
        return NONE
    bound = hi
    if for_good >= nodes:
        settled = np.sort(lasting[:for_good])[nodes - 1]
        window = 0
        while ends[window] < settled:
            window += 1
        bound = max(settled, begins[window])
    kept = 0
    for i in range(many):
        if froms[i] <= bound:
            froms[kept], tos[kept] = froms[i], tos[i]
            kept += 1
    froms, tos = np.sort(froms[:kept]), np.sort(tos[:kept])
    here, left, window = 0, 0, 0
    for i in range(kept):
        here += 1
        while tos[left] < froms[i]:
            left += 1
            here -= 1
        if i + 1 < kept and froms[i + 1] == froms[i]:
            continue
        if here < nodes:
            continue
        # So many are there from froms[i] until the next range begins, or too many have ended.
        until = tos[left + here - nodes]
        if i + 1 < kept:
            until = min(until, froms[i + 1] - 1)
        while window < count and ends[window] < froms[i]:
            window += 1
        if window < count and max(begins[window], froms[i]) <= until:
            return max(begins[window], froms[i])
    return NONE


@compiled
def last_of_many(times, values, extents, open_, nodes, level, length, count, begins, ends):
    """The last start that `nodes` rows share, inside the `count` windows."""
    lo, hi = begins[0], ends[count - 1]
    many, froms, tos, _, _ = gather(times, values, extents, open_, level, length, lo, hi)
    if many < nodes:
        return NONE
    froms, tos = np.sort(froms[:many]), np.sort(tos[:many])
    here, right, window = 0, many - 1, count - 1
    for i in range(many - 1, -1, -1):
        here += 1
        while froms[right] > tos[i]:
            right -= 1
            here -= 1
        if i > 0 and tos[i - 1] == tos[i]:
            continue
        if here < nodes:
            continue
        since = froms[right - here + nodes]
        if i > 0:
            since = max(since, tos[i - 1] + 1)
        while window >= 0 and begins[window] > tos[i]:
            window -= 1
        if window >= 0 and min(ends[window], tos[i]) >= since:
            return min(ends[window], tos[i])
    return NONE


@compiled
def minima(times, values, extents, row, length, lo, hi, starts, lows):
    """Writes the lowest value over `length` from each start on, as steps over `[lo, hi]`, none below 0; how many."""
    count = extents[row, END]
    found = 0
    start = lo
    enters = last_at(times, extents, row, lo + length - 1) + 1
    leaves = last_at(times, extents, row, lo)
    while start <= hi:
        low = values[leaves]
        for k in range(leaves + 1, enters):
            low = min(low, values[k])
        low = max(low, 0)
        if found == 0 or lows[found - 1] != low:
            starts[found], lows[found] = start, low
            found += 1
        start = hi + 1
        if enters < count:
            start = min(start, times[enters] - length + 1)
        if leaves + 1 < count:
            start = min(start, times[leaves + 1])
        if enters < count and times[enters] - length + 1 <= start:
            enters += 1
        if leaves + 1 < count and times[leaves + 1] <= start:
            leaves += 1
    return found


@compiled
def total_at(times, values, extents, open_, start, end):
    """What open rows have together throughout `[start, end)`."""
    total = 0
    for row in range(len(extents)):
        if not open_[row]:
            continue
        k = last_at(times, extents, row, start)
        low = values[k]
        k += 1
        while low > 0 and k < extents[row, END] and times[k] < end:
            low = min(low, values[k])
            k += 1
        if low > 0:
            total += low
    return total


@compiled
def of_total(times, values, extents, open_, wanted, length, count, begins, ends, latest):
    """The first or, with `latest`, the last start at which open rows have `wanted` together, inside the windows."""
    lo, hi = begins[0], ends[count - 1]
    most = 0
    for row in range(len(extents)):
        if open_[row]:
            most += 2 * (extents[row, END] - extents[row, BEGIN]) + 1
    instants, changes = np.empty(most, np.int64), np.empty(most, np.int64)
    many, base = 0, 0
    for row in range(len(extents)):
        if not open_[row]:
            continue
        found = minima(times, values, extents, row, length, lo, hi, instants[many:], changes[many:])
        for k in range(many + found - 1, many, -1):
            changes[k] -= changes[k - 1]
        # The first step is there from the window's begin on.
        base += changes[many]
        changes[many] = 0
        many += found
    order = np.argsort(instants[:many])
    best = np.int64(NONE)
    window, total, i, at = 0, base, 0, lo
    while True:
        while i < many and instants[order[i]] <= at:
            total += changes[order[i]]
            i += 1
        until = instants[order[i]] - 1 if i < many else hi
        if total >= wanted:
            while window < count and ends[window] < at:
                window += 1
            while window < count and begins[window] <= until:
                if not latest:
                    return max(begins[window], at)
                best = min(ends[window], until)
                if ends[window] > until:
                    break
                window += 1
        if i >= many:
            return best
        at = until + 1


@compiled
def start(rows, open_, gang, nodes, level, length, limits, limit_rows, limit_level, limit_length, lo, hi, latest):
    """The first or, with `latest`, the last start in `[lo, hi]`, or NONE.

    `rows` and `limits` are (times, values, extents). A gang wants `nodes` rows of `level` each for `length`; otherwise
    the rows together are to have `level`. Every row of `limit_rows` is to have `limit_level` for `limit_length`.
    """
    times, values, extents = rows
    count, begins, ends = windows(limits[0], limits[1], limits[2], limit_rows, limit_level, limit_length, lo, hi)
    if count == 0:
        return np.int64(NONE)
    # What can be answered at once, at the window's near end.
    near = ends[count - 1] if latest else begins[0]
    if gang:
        if enough_at(times, values, extents, open_, nodes, level, near, near + length):
            return near
    elif total_at(times, values, extents, open_, near, near + length) >= level:
        return near
    if begins[0] == ends[count - 1]:
        return np.int64(NONE)
    if not gang:
        return of_total(times, values, extents, open_, level, length, count, begins, ends, latest)
    if latest:
        return last_of_many(times, values, extents, open_, nodes, level, length, count, begins, ends)
    if nodes == 1:
        return first_of_one(times, values, extents, open_, level, length, count, begins, ends)
    return first_of_many(times, values, extents, open_, nodes, level, length, count, begins, ends)
