"""The least that is kept, whatever is set. Imports nothing, so that a process reads its settings before it loads the calendar."""

LEAST_DECISIONS_DAYS = 400
"""A year and its closing can always be explained and made again. The database holds to it, whatever is set."""

LEAST_NODE_EVENTS_DAYS = 90
