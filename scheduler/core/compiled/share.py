"""Where a box would lift its company above its share of a pool that is contended then."""

# numba ships no types, and compiles these functions for the types that they are called with.
# pyright: basic, reportMissingParameterType=false, reportMissingTypeStubs=false

from scheduler.core.compiled.compiling import compiled
from scheduler.core.compiled.rows import END, last_at

NEVER = -1


@compiled
def first_beyond(own, row, calm, gpus, spare, start, end):
    """The first instant of `[start, end)` at which `gpus` more leave less than `spare` of the company's row, and are more
    than the only row of `calm` has; `NEVER` if there is none.
    """
    times, values, extents = own
    quiet, room, quiets = calm
    k, q, at = last_at(times, extents, row, start), last_at(quiet, quiets, 0, start), start
    while at < end:
        if values[k] - gpus < spare and room[q] < gpus:
            return at
        own_next = times[k + 1] if k + 1 < extents[row, END] else end
        quiet_next = quiet[q + 1] if q + 1 < quiets[0, END] else end
        at = min(own_next, quiet_next)
        k += own_next == at and k + 1 < extents[row, END]
        q += quiet_next == at and q + 1 < quiets[0, END]
    return NEVER
