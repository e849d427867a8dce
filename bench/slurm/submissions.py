"""How fast Slurm takes jobs: `sbatch` while its nodes are filling, and when all are held and the queue grows."""

import time
from collections.abc import Iterator, Sequence

from bench.gangs import Gang, Load
from bench.lines import Line
from bench.slurm.calls import counted
from bench.slurm.commands import Commands

MANY = 8
PATIENCE_S = 900.0
"""A pass of Slurm's first scheduler starts a hundred jobs; most are started by the backfill's."""
LOOK_S = 0.5


class NotHeld(Exception):
    """Jobs that fill the nodes exactly had not all started after minutes."""


def fill(peer: Commands, load: Load) -> Iterator[Line]:
    """Submits all: what waits is submitted when all else has started, half of it from one client. Raises NotHeld."""
    yield _submitted("submit, nodes filling", peer, load.held, MANY)
    _await_started(peer, len(load.held))
    half = len(load.waiting) // 2
    yield _submitted("submit, queue growing", peer, load.waiting[:half], 1)
    yield _submitted("submit, queue growing", peer, load.waiting[half:], MANY)


def _await_started(peer: Commands, count: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while (started := peer.jobs("RUNNING", "CONFIGURING")) < count:
        if time.monotonic() > until:
            raise NotHeld(f"{started} of {count} jobs that fill the nodes had started after {PATIENCE_S:.0f} s")
        time.sleep(LOOK_S)


def _submitted(what: str, peer: Commands, asks: Sequence[Gang], clients: int) -> Line:
    return counted(what, peer, asks, call=peer.submit, counter="REQUEST_SUBMIT_BATCH_JOB", clients=clients)
