"""What happened on the node that somebody should be able to read years later: XIDs, changes of health, violations.

Events are recorded where they are noticed and told in the order in which they were, each once; who keeps them until the
allocator has them is a `Recorder`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

EventKind = Literal["xid", "health", "device", "violation", "proof"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`at` is Unix time by the node's own clock; `gpu` is a UUID. `detail` is small, JSON, and says the numbers."""

    kind: EventKind
    at: float
    gpu: str | None
    detail: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


Recorder = Callable[[Event], object]


def forget(_: Event) -> None:
    """A recorder for who keeps nothing, such as `--once`."""
