"""The hot functions of the calendar, compiled by numba to machine code that runs without the interpreter's lock.

They work on rows of step functions kept in plain arrays: row `r` holds `values[k]` on `[times[k], times[k + 1])` for `k`
from `extents[r, BEGIN]` to before `extents[r, END]`, the last value for ever; its first time is 0 and neighbouring values
differ. Nothing here knows
leases, companies or policies. `Steps` and the tests' reference say the same things readably.
"""
