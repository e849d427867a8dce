"""One replay: what the core does with a log, and beside it what EASY does with the same jobs in the same boxes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.replay import easy
from bench.replay.drive import Drive
from bench.replay.metrics import Outcome
from bench.replay.swf import Job, Log
from scheduler.core.model import Policy

Boxes = Literal["exact", "asked"]
"""What a job asks for: the time that it will run, or the time that was asked for in the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One log replayed: its jobs beside EASY's starts of them, and how long our deciding took."""

    log: Log
    never_fit: Sequence[Job]
    outcomes: Sequence[Outcome]
    easy_starts: Sequence[int]
    decisions_per_s: float


def replay(log: Log, boxes: Boxes, policy: Policy) -> Replay:
    """Replays the jobs that the machine could ever hold; the others are in `never_fit`."""
    jobs = [job for job in log.jobs if job.processors <= log.processors]
    boxes_s = [job.run_s if boxes == "exact" else job.asked_s for job in jobs]
    drive = Drive.of(jobs, boxes_s, log.processors, policy)
    began = time.perf_counter()
    outcomes = drive.run()
    took_s = time.perf_counter() - began
    return Replay(
        log=log,
        never_fit=[job for job in log.jobs if job.processors > log.processors],
        outcomes=outcomes,
        easy_starts=easy.schedule(jobs, log.processors, boxes_s),
        decisions_per_s=drive.decisions / took_s if took_s else 0.0,
    )
