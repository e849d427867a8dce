"""One line of what we or Slurm did: who was called how often, how long each call took, on how busy a machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bench import machine
from bench.figures import Timed
from bench.load import Lane, finish
from bench.results import Row

T = TypeVar("T")
DURE, SLURM, FLOOR = "Dure", "Slurm", "floor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`server_ms` is Slurm's own mean time for the call, with its waiting for locks and without the command's process.

    `load` is the machine's as the line began.
    """

    who: str
    what: str
    clients: int
    timed: Timed
    server_ms: float | None = None
    load: float = field(default_factory=machine.load)

    def row(self) -> Row:
        return {
            "who": self.who,
            "what": self.what,
            "clients": self.clients,
            "p50 ms": self.timed.p50_ms,
            "p99 ms": self.timed.p99_ms,
            "a second": self.timed.rate,
            "in slurmctld ms": "" if self.server_ms is None else self.server_ms,
            "calls": len(self.timed.each_ms),
            "load": self.load,
        }


def called(who: str, what: str, items: Sequence[T], *, call: Callable[[T], object], clients: int) -> Line:
    """Calls `call` once for each item, shared out among the clients, who take no pause."""
    busy = machine.load()
    timed = finish([_lane(call, items[k::clients]) for k in range(clients)])
    return Line(who=who, what=what, clients=clients, timed=timed, load=busy)


def _lane(call: Callable[[T], object], items: Sequence[T]) -> Lane:
    for item in items:
        yield lambda item=item: call(item)
