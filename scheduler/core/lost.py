"""Whether a GPU that a lease holds is lost to it, since when, and why: what is known of it after each thing that is heard.

A node whose agent is silent may work on without it. So its GPUs are presumed lost from when it was last heard; if it is heard
again with the GPU sound, nothing was lost, unless the machine was restarted meanwhile: then whatever ran there is gone.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from scheduler.core.model import Instant


class Wrong(StrEnum):
    """What is wrong with a GPU that is held."""

    GPU_GONE = "gpu_gone"
    """Its node does not report it any more, or another does."""
    GPU_UNHEALTHY = "gpu_unhealthy"
    NODE_UNKNOWN = "node_unknown"
    """Its node is silent."""
    NODE_RESTARTED = "node_restarted"
    """Its node was silent, and the machine had been restarted when it was heard again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """It is lost since then, or was over `[since, until)`."""

    since: Instant
    until: Instant | None = None
    wrong: Wrong


def judge(before: Lost | None, wrong: Wrong | None, *, heard_at: Instant, restarted: bool, now: Instant) -> Lost | None:
    """What is known at `now`, when `wrong` is with it and `before` is what was known; None where it is not, and was not, lost.

    `heard_at` is when its node was heard before, and `restarted` says that its machine was since then.
    """
    silent = before is not None and before.wrong is Wrong.NODE_UNKNOWN
    if wrong is None:
        if restarted and (before is None or silent):
            since = heard_at if before is None else before.since
            return Lost(since=since, until=now, wrong=Wrong.NODE_RESTARTED)
        return None if before is None or silent else replace(before, until=now)
    if before is None:
        presumed = restarted or wrong is Wrong.NODE_UNKNOWN
        return Lost(since=heard_at if presumed else now, wrong=wrong)
    return replace(before, wrong=wrong) if silent else before
