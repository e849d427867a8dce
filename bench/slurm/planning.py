"""How long one whole plan of the queue takes: a cycle of the backfill scheduler.

Its seconds are Slurm's own, without the sleeps in which the planner lets others have the locks; its processor seconds
those of slurmctld from the end of the cycle before.
"""

import time
from collections.abc import Iterator

from bench import machine
from bench.lines import SLURM
from bench.plans import Plan
from bench.slurm.cluster import Cluster
from bench.slurm.commands import Commands

PATIENCE_S = 1500.0
"""A cycle is cut after 600 s of work, and the one that runs already has to end first."""
LOOK_S, SHORT_LOOK_S = 1.0, 0.1


class NoWholePlan(Exception):
    """No cycle tried the whole queue in time."""


def until(peer: Commands, *, planning: bool) -> None:
    """Waits until a cycle runs, or until none does. Raises NoWholePlan."""
    last = time.monotonic() + PATIENCE_S
    while peer.diagnosis().planning != planning:
        if time.monotonic() > last:
            raise NoWholePlan(f"Slurm's planner was {'idle' if planning else 'busy'} for {PATIENCE_S:.0f} s")
        time.sleep(SHORT_LOOK_S)


def plans(peer: Cluster, *, count: int) -> Iterator[Plan]:
    """So many whole cycles, the first begun after now. Raises NoWholePlan."""
    asked_at, until = int(time.time()), time.monotonic() + PATIENCE_S
    cycles, busy_s, busy = peer.holding.diagnosis().cycles, peer.busy_s(), machine.load()
    while count:
        if time.monotonic() > until:
            raise NoWholePlan(f"no further cycle tried all jobs in {PATIENCE_S:.0f} s: {peer.holding.diagnosis()}")
        time.sleep(LOOK_S)
        found = peer.holding.diagnosis()
        if found.cycles == cycles:
            continue
        used_s = peer.busy_s()
        waiting = peer.holding.jobs("PENDING")
        if (found.cycle_at or 0) > asked_at and found.cycle_jobs >= waiting:
            count, until = count - 1, time.monotonic() + PATIENCE_S
            seconds, used = found.cycle_us / 1e6, used_s - busy_s
            yield Plan(who=SLURM, what="cycle", jobs=waiting, seconds=seconds, busy_s=used, load=busy)
        cycles, busy_s, busy = found.cycles, used_s, machine.load()
