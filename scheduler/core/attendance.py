"""Whether anything runs on a lease, by what its nodes' agents saw, and what is done where nothing does: no-show.

Unknown is never absent: a GPU whose agent is silent, cannot see processes, or missed a part of the time says nothing,
and then nothing is done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from scheduler.core.model import CompanyId, Instant, LeaseId

UNSEEN_MS = 60_000
"""So much of the time that a lease had a GPU may be missing from what its agent saw: reports come late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """What is known of one of its GPUs: over all the time that it had it, and now. None is unknown.

    `heard` says that its node's agent reported lately, `empty_bytes` how much memory in use is none.
    """

    held_ms: int
    sampled_ms: int
    busy_ms: int
    heard: bool
    processes: int | None
    memory_bytes: int | None
    empty_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An active lease on which nothing was seen to run yet. `after_s` is the pool's `no_show_after`.

    `told_at` is when its company was warned, since it last kept the lease, if it did.
    """

    lease: LeaseId
    company: CompanyId
    started_at: Instant
    after_s: int
    gpus: tuple[Gpu, ...]
    kept_at: Instant | None = None
    told_at: Instant | None = None

    @property
    def since(self) -> Instant:
        """From when on it is waited for."""
        return self.started_at if self.kept_at is None else max(self.started_at, self.kept_at)

    @property
    def lead_s(self) -> int:
        """How long before it is given back its company is warned: half of the time, at least a second."""
        return max(1, self.after_s // 2)

    @property
    def ends(self) -> Instant:
        """When it is given back if nothing runs until then; never sooner after the warning than that leads."""
        due = self.since + self.after_s
        return Instant(due if self.told_at is None else max(due, self.told_at + self.lead_s))


class Presence(StrEnum):
    """What the agents together say of a lease."""

    SHOWN = "shown"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Step(StrEnum):
    """What is to be done about it."""

    WAIT = "wait"
    NOTE = "note"
    """Something runs or ran: it is not looked at again."""
    WARN = "warn"
    GIVE_BACK = "give_back"


def presence(gpus: Sequence[Gpu]) -> Presence:
    """One GPU on which something runs, or ran, is enough; that nothing did has to be known of all."""
    if any(gpu.busy_ms > 0 or (gpu.heard and _in_use(gpu)) for gpu in gpus):
        return Presence.SHOWN
    return Presence.ABSENT if gpus and all(_seen_empty(gpu) for gpu in gpus) else Presence.UNKNOWN


def step(watched: Watched, now: Instant) -> Step:
    """What is to be done about a lease at `now`."""
    match presence(watched.gpus):
        case Presence.SHOWN:
            return Step.NOTE
        case Presence.UNKNOWN:
            return Step.WAIT
        case Presence.ABSENT if watched.told_at is None:
            return Step.WARN if now >= watched.since + watched.after_s - watched.lead_s else Step.WAIT
        case Presence.ABSENT:
            return Step.GIVE_BACK if now >= watched.ends else Step.WAIT


def _in_use(gpu: Gpu) -> bool:
    return bool(gpu.processes) or (gpu.memory_bytes is not None and gpu.memory_bytes > gpu.empty_bytes)


def _seen_empty(gpu: Gpu) -> bool:
    known = gpu.heard and gpu.processes is not None and gpu.memory_bytes is not None
    return known and gpu.held_ms - gpu.sampled_ms <= UNSEEN_MS
