"""Whether a lease hardly uses its GPUs, by what its nodes' agents saw, and what is done where it does not: it is idle.

It is looked at in stretches, and idle while every one of them is under its pool's threshold. Unknown is never idle: after
a stretch of which any GPU was not seen, the time begins anew.
"""

from dataclasses import dataclass
from enum import StrEnum

from scheduler.core.attendance import UNSEEN_MS
from scheduler.core.model import PPM, CompanyId, Instant, LeaseId

STRETCH_S = 300
"""How long a stretch is: long enough for reports to come late, short enough that whoever begins to compute is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU of a lease: the running totals of what was seen of it now, and at the last look; None is not looked at yet."""

    allocation: str
    sampled_ms: int
    busy_ms: int
    sampled_ms_before: int | None
    busy_ms_before: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An active lease whose last look, `seen_at`, is a stretch ago. `after_s` and `below_ppm` are its pool's rule for it.

    It is idle `since` then, as far as is known; `told_at` is when its company was warned, if it was since.
    """

    lease: LeaseId
    company: CompanyId
    after_s: int
    below_ppm: int
    gpus: tuple[Gpu, ...]
    seen_at: Instant | None = None
    since: Instant | None = None
    told_at: Instant | None = None

    @property
    def lead_s(self) -> int:
        """How long before it is given back its company is warned: half of the time."""
        return self.after_s // 2


class Step(StrEnum):
    """What is to be done about it, besides keeping in mind what was seen."""

    BEGIN = "begin"
    """It is not idle, or nobody can tell: the time begins anew."""
    WAIT = "wait"
    WARN = "warn"
    GIVE_BACK = "give_back"


def utilization_ppm(watched: Watched, now: Instant) -> int | None:
    """Of all its GPUs together since the last look; None where that is not known of each of them."""
    if watched.seen_at is None or not watched.gpus or now - watched.seen_at > 2 * STRETCH_S:
        return None
    stretch_ms = (now - watched.seen_at) * 1000
    sampled = [_since(gpu.sampled_ms, gpu.sampled_ms_before) for gpu in watched.gpus]
    if any(stretch_ms - seen > UNSEEN_MS for seen in sampled):
        return None
    busy = [_since(gpu.busy_ms, gpu.busy_ms_before) for gpu in watched.gpus]
    return PPM * sum(busy) // max(1, sum(sampled))


def step(watched: Watched, now: Instant) -> Step:
    """What is to be done about a lease at `now`, a stretch after the last look."""
    used = utilization_ppm(watched, now)
    if used is None or used >= watched.below_ppm or watched.since is None:
        return Step.BEGIN
    if watched.told_at is None:
        return Step.WARN if now >= watched.since + watched.after_s - watched.lead_s else Step.WAIT
    return Step.GIVE_BACK if now >= ends(watched, watched.told_at) else Step.WAIT


def ends(watched: Watched, told_at: Instant) -> Instant:
    """When it is given back if it stays idle, its company having been warned then; no sooner than a warning leads."""
    return Instant(max((watched.since or told_at) + watched.after_s, told_at + watched.lead_s))


def _since(total: int, before: int | None) -> int:
    """What was added; a GPU that was not looked at before has nothing seen, so that it is unknown."""
    return 0 if before is None else max(0, total - before)
