"""One row of step functions: look at it, and add to a stretch of it."""

# numba ships no types, and compiles these functions for the types that they are called with.
# pyright: basic, reportMissingParameterType=false, reportMissingTypeStubs=false

from scheduler.core.compiled.compiling import compiled


@compiled
def last_at(times, row, length, instant):
    """The index of the step that holds at the instant, which is 0 or later."""
    low, high = 0, length
    while high - low > 1:
        middle = (low + high) // 2
        if times[row, middle] <= instant:
            low = middle
        else:
            high = middle
    return low


@compiled
def least(times, values, lengths, row, start, end):
    """The lowest value on `[start, end)`; of an empty stretch, the value at `start`."""
    k = last_at(times, row, lengths[row], start)
    found = values[row, k]
    k += 1
    while k < lengths[row] and times[row, k] < end:
        found = min(found, values[row, k])
        k += 1
    return found


@compiled
def holds(times, values, lengths, row, level, start, end):
    """Whether the value is at least `level` throughout `[start, end)`; stops at the first that is not."""
    k = last_at(times, row, lengths[row], start)
    if values[row, k] < level:
        return False
    k += 1
    while k < lengths[row] and times[row, k] < end:
        if values[row, k] < level:
            return False
        k += 1
    return True


@compiled
def _split(times, values, lengths, row, instant):
    """Makes a step begin at the instant, if none does; its index."""
    count = lengths[row]
    k = last_at(times, row, count, instant)
    if times[row, k] == instant:
        return k
    for i in range(count, k + 1, -1):
        times[row, i] = times[row, i - 1]
        values[row, i] = values[row, i - 1]
    times[row, k + 1] = instant
    values[row, k + 1] = values[row, k]
    lengths[row] = count + 1
    return k + 1


@compiled
def _join(times, values, lengths, row, k):
    """Takes the step `k` out if it says what the one before it says."""
    if k <= 0 or k >= lengths[row] or values[row, k] != values[row, k - 1]:
        return
    for i in range(k, lengths[row] - 1):
        times[row, i] = times[row, i + 1]
        values[row, i] = values[row, i + 1]
    lengths[row] -= 1


@compiled
def add(times, values, lengths, row, start, end, amount):
    """Adds `amount` on `[start, end)`. The row needs room for two more steps."""
    start = max(start, 0)
    if amount == 0 or start >= end:
        return
    first = _split(times, values, lengths, row, start)
    after = _split(times, values, lengths, row, end)
    for k in range(first, after):
        values[row, k] += amount
    _join(times, values, lengths, row, after)
    _join(times, values, lengths, row, first)


@compiled
def forget(times, values, lengths, before):
    """Lets every row's value at `before` hold for all time up to then."""
    for row in range(lengths.size):
        k = last_at(times, row, lengths[row], before)
        if k == 0:
            continue
        for i in range(k, lengths[row]):
            times[row, i - k] = times[row, i]
            values[row, i - k] = values[row, i]
        times[row, 0] = 0
        lengths[row] -= k


@compiled
def lend(times, values, lengths, spans, first, order, sign):
    """Adds the spans of these, in order, each a row, a begin, an end and an amount; or takes them away with a `sign` of -1.

    `first` has where the spans of each begin, and one more. Every row needs room for two more steps for each span.
    """
    for k in order:
        for i in range(first[k], first[k + 1]):
            add(times, values, lengths, spans[i, 0], spans[i, 1], spans[i, 2], sign * spans[i, 3])


@compiled
def book(times, values, lengths, spans, first, order, booked):
    """Takes away the spans of each of these, one after the other, whose rows have them all; marks those in `booked`."""
    for place in range(order.size):
        k = order[place]
        there = True
        for i in range(first[k], first[k + 1]):
            if spans[i, 1] < spans[i, 2] and not holds(
                times, values, lengths, spans[i, 0], spans[i, 3], spans[i, 1], spans[i, 2]
            ):
                there = False
                break
        if there:
            for i in range(first[k], first[k + 1]):
                add(times, values, lengths, spans[i, 0], spans[i, 1], spans[i, 2], -spans[i, 3])
            booked[place] = True
