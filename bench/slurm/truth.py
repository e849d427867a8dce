"""Whether `sbatch --test-only` comes true: the very same job is submitted at once, and planned by two cycles.

Slurm's answer is not its plan: of what waits it takes the sizes times the time limits, shared out over the partition
(`_delayed_job_start_time` of slurmctld). Whether that is too early or too late depends on the queue, so several are filled.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench import machine
from bench.figures import percentile
from bench.gangs import gangs
from bench.load import finish
from bench.results import Row
from bench.slurm.commands import Commands

PROBED_SEED = 6
LARGEST_GPUS = 64
LONGEST_MIN = 24 * 60
CLIENTS = 4
CYCLES = 2
LOOK_S = 0.2
PATIENCE_S = 300.0


class NoPlan(Exception):
    """A job was still without a planned start after minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """When Slurm said that a job would start, and when, having it, it planned or did start it. Unix seconds."""

    said: int
    planned: int

    @property
    def late_s(self) -> int:
        """By how much the answer was too early; negative where it was too late."""
        return self.planned - self.said


def fill(peer: Commands, *, count: int, seed: int) -> None:
    """The queue that the probes meet: more than the nodes can hold."""
    asks = gangs(count, seed=seed, largest_gpus=LARGEST_GPUS, longest_min=LONGEST_MIN)
    finish([iter([lambda ask=ask: peer.submit(ask) for ask in asks[k::CLIENTS]]) for k in range(CLIENTS)])
    _await_cycles(peer)


def probes(peer: Commands, *, count: int, seed: int) -> Iterator[Probe]:
    """On the queue that was filled with the same seed. Raises NoPlan."""
    for ask in gangs(count, seed=PROBED_SEED + seed, largest_gpus=LARGEST_GPUS, longest_min=LONGEST_MIN):
        said = peer.would_start(ask)
        job = peer.submit(ask)
        _await_cycles(peer)
        yield Probe(said=said, planned=_planned(peer, job))


def row(queue: str, found: Sequence[Probe]) -> Row:
    """Counts first, then by how many minutes the answers were too early; less than none is too late."""
    late_s = [probe.late_s for probe in found]
    return {
        "queue": queue,
        "probes": len(found),
        "within 1 min": sum(abs(one) <= 60 for one in late_s),
        "early by over 10 min": sum(one > 600 for one in late_s),
        "early by over 1 h": sum(one > 3600 for one in late_s),
        "late by over 10 min": sum(one < -600 for one in late_s),
        **{f"p{percent} min": percentile(late_s, percent) / 60 for percent in (25, 50, 75)},
        "least min": min(late_s) / 60,
        "most min": max(late_s) / 60,
        "load": machine.load(),
    }


def _planned(peer: Commands, job: int) -> int:
    until = time.monotonic() + PATIENCE_S
    while (found := peer.start(job)) is None:
        if time.monotonic() > until:
            raise NoPlan(f"job {job} has no planned start after {PATIENCE_S:.0f} s")
        time.sleep(LOOK_S)
    return found


def _await_cycles(peer: Commands) -> None:
    """The first of them may have begun before the job was there; the second did not."""
    wanted, until = peer.diagnosis().cycles + CYCLES, time.monotonic() + PATIENCE_S
    while peer.diagnosis().cycles < wanted:
        if time.monotonic() > until:
            raise NoPlan(f"Slurm did not plan its queue {CYCLES} times within {PATIENCE_S:.0f} s")
        time.sleep(LOOK_S)
