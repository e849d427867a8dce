"""How shapes, counts, times and spans are written for people, in every sentence."""

from collections.abc import Sequence
from datetime import UTC, datetime

from scheduler.core.model import Gang, Shape


def shape(shape: Shape) -> str:
    if isinstance(shape, Gang):
        return f"{counted(shape.nodes, 'node')} x {counted(shape.gpus_per_node, 'GPU')}"
    return counted(shape.gpus, "GPU")


def counted(count: int | str, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


NAMED = 4
"""What is named in a sentence at most; more is counted."""


def named(names: Sequence[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def time(instant: int) -> str:
    return datetime.fromtimestamp(instant, tz=UTC).isoformat().replace("+00:00", "Z")


def gpu_hours(gpu_seconds: int) -> str:
    """To the hundredth: `12.5 GPU-hours`."""
    return f"{gpu_seconds / 3600:.2f}".rstrip("0").rstrip(".") + " GPU-hours"


def span(seconds: int) -> str:
    """Exact, in the largest units it has: `1 d 2 h`, `5 min 10 s`."""
    parts: list[str] = []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts) or "0 s"
