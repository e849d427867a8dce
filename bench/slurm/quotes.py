"""How long `sbatch --test-only` takes, Slurm's answer to "when could I get it?"."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event

from bench.gangs import LARGE, Gang, gangs
from bench.lines import FLOOR, Line, called
from bench.load import threads
from bench.slurm import planning
from bench.slurm.calls import counted
from bench.slurm.commands import Commands

SEED = 4
"""Not the seed of those that are in the queue."""


def idle(peer: Commands, *, count: int) -> Iterator[Line]:
    """On nodes that are all free, after what a command costs by itself."""
    yield called(FLOOR, "sbatch --version", [LARGE] * count, call=lambda _: peer.nothing(), clients=1)
    yield _quoted("test-only, all idle", peer, gangs(count, seed=SEED))


def full(peer: Commands, *, count: int) -> Iterator[Line]:
    """With every GPU held and the queue full: in the pause between two plans of it, and, more often, while it is planned;
    at last while one more client submits as fast as it can."""
    planning.until(peer, planning=True)
    planning.until(peer, planning=False)
    yield _quoted("test-only, queue full, between plans", peer, gangs(count, seed=SEED))
    planning.until(peer, planning=True)
    yield _quoted("test-only, queue full, planning", peer, gangs(count, seed=SEED))
    yield _quoted("test-only, queue full, planning, 64 x 8 GPUs", peer, [LARGE] * (count // 2))
    planning.until(peer, planning=True)
    with _submitting(peer):
        yield _quoted("test-only, queue full, planning, one other submitting", peer, gangs(count, seed=SEED))


def _quoted(what: str, peer: Commands, asks: Sequence[Gang]) -> Line:
    return counted(what, peer, asks, call=peer.would_start, counter="REQUEST_JOB_WILL_RUN", clients=1)


@contextmanager
def _submitting(peer: Commands) -> Iterator[None]:
    with threads(1) as (pool, stop):
        running = pool.submit(_submit, peer, stop)
        yield
        if running.done():
            running.result()


def _submit(peer: Commands, stop: Event) -> None:
    for ask in itertools.cycle(gangs(1000, seed=SEED + 1)):
        if stop.is_set():
            return
        peer.submit(ask)
