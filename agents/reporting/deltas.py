"""A report as what changed since the newest one that was taken. Pure, on reports as JSON has them.

What is left out of such a report is as it was, and null is unknown now; so what became null among the lists, which null
leaves as they were, has to be told in a whole report.
"""

from collections.abc import Mapping
from typing import Any

from agents.reporting.readings import IDENTITY
from agents.reporting.wire import Json

SAME = ("boot", "host_boot", "agent_version", "driver_version", "cuda_version", "interval_s")
"""What a report that builds on another cannot change."""

ALWAYS = ("version", "boot", "seq", "sent_at", "interval_s", "agent_version")
SOMETIMES = ("knew_ended", "unproved", "events", "earlier")
LISTS = ("holders", "violations")


def on(base: Mapping[str, Any], whole: Mapping[str, Any]) -> Json | None:
    """`whole` as it is told to whom `base` was told; None where it has to be told as a whole. `usage` is left to the caller."""
    if any(base.get(name) != whole.get(name) for name in SAME):
        return None
    if any(whole[name] is None and base[name] is not None for name in LISTS):
        return None
    changed = _changed(base["gpus"], whole["gpus"])
    if changed is None:
        return None
    return {
        **{name: whole[name] for name in ALWAYS},
        "base": base["seq"],
        "gpus": [],
        "changed": changed,
        **{name: whole[name] for name in SOMETIMES if whole[name]},
        **{name: whole[name] for name in LISTS if whole[name] != base[name]},
    }


def _changed(before: list[Json], now: list[Json]) -> list[Json] | None:
    """What of which GPUs changed; None where another device is there, or an order of them."""
    if [gpu["uuid"] for gpu in before] != [gpu["uuid"] for gpu in now]:
        return None
    changes: list[Json] = []
    for old, new in zip(before, now, strict=True):
        different = {name: value for name, value in new.items() if value != old[name]}
        if different.keys() & IDENTITY:
            return None
        if different:
            changes.append({"uuid": new["uuid"], **different})
    return changes
