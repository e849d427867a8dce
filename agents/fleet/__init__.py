"""Many simulated nodes in one process, for load: `python -m agents.fleet`. Each is a whole agent but for its threads and its /metrics.

One thread samples all of them in turn, a few others send what they have to say.
"""
