"""How fast Slurm takes jobs: `sbatch` while its nodes are filling, and when all are held and the queue grows."""

from collections.abc import Iterator, Sequence

from bench.gangs import Gang
from bench.lines import Line
from bench.slurm.calls import counted
from bench.slurm.commands import Commands

MANY = 8


def fill(peer: Commands, asks: Sequence[Gang], *, pending: int) -> Iterator[Line]:
    """Submits all: the last `pending` find their nodes held, half of them from one client."""
    filling, queueing = asks[:-pending], asks[-pending:]
    half = pending // 2
    yield _submitted("submit, nodes filling", peer, filling, MANY)
    yield _submitted("submit, queue growing", peer, queueing[:half], 1)
    yield _submitted("submit, queue growing", peer, queueing[half:], MANY)


def _submitted(what: str, peer: Commands, asks: Sequence[Gang], clients: int) -> Line:
    return counted(what, peer, asks, call=peer.submit, counter="REQUEST_SUBMIT_BATCH_JOB", clients=clients)
