"""How a reconciler stands, for metrics and for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One cluster now. `undone_s` are the ages of what could not be done yet; `waiting` counts pods by why they wait; `alarms`
    is how much else somebody should see to. `certificate_ends` is when that ends by which the cluster knows us, in Unix seconds.
    """

    cluster: str
    trouble: str | None
    alarms: int = 0
    certificate_ends: float | None = None
    undone_s: tuple[float, ...]
    waiting: Mapping[str, int]
    placed: int
    troubled: int
    strays: int


class Report(Protocol):
    """What tells its state; None where another leads."""

    def state(self) -> State | None: ...
