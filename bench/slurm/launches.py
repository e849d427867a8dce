"""How fast jobs come and go on real slurmds: submitted, started, run and gone."""

import time
from dataclasses import dataclass, field

from bench import machine
from bench.gangs import Gang
from bench.load import finish
from bench.results import Row
from bench.slurm.cluster import Cluster

CLIENTS = 4
ONE = Gang(nodes=1, gpus_per_node=1, minutes=10)
LOOK_S = 0.25
PATIENCE_S = 300.0


class NotEnded(Exception):
    """Jobs that end at once had not ended after minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launches:
    """So many jobs of one GPU that do nothing, from the first submission to the last end."""

    jobs: int
    seconds: float
    load: float = field(default_factory=machine.load)

    def row(self) -> Row:
        return {
            "jobs": self.jobs,
            "clients": CLIENTS,
            "seconds": self.seconds,
            "a second": self.jobs / self.seconds,
            "load": self.load,
        }


def launches(peer: Cluster, *, count: int) -> Launches:
    """Raises NotEnded."""
    busy, before, began = machine.load(), peer.ending.diagnosis().completed, time.monotonic()
    finish([iter([lambda: peer.ending.submit(ONE)] * (count // CLIENTS)) for _ in range(CLIENTS)])
    jobs = count // CLIENTS * CLIENTS
    while (ended := peer.ending.diagnosis().completed - before) < jobs:
        if time.monotonic() > began + PATIENCE_S:
            raise NotEnded(f"{ended} of {jobs} jobs ended within {PATIENCE_S:.0f} s")
        time.sleep(LOOK_S)
    return Launches(jobs=jobs, seconds=time.monotonic() - began, load=busy)
