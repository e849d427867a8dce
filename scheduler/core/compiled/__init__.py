"""The hot functions of the calendar, compiled by numba to machine code that runs without the interpreter's lock.

They work on rows of step functions kept in plain arrays: row `r` holds `values[r, k]` on `[times[r, k], times[r, k + 1])`
for `k < lengths[r]`, the last value for ever; `times[r, 0]` is 0 and neighbouring values differ. Nothing here knows
leases, companies or policies. `Steps` and the tests' reference say the same things readably.
"""
