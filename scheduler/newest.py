"""The newest reading of each node that this process took in: what the next report builds on, and what was written of it.

Memory only: what is lost with it is asked for again, and nothing here decides anything that the database does not say too.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from scheduler.core.folding import Gpus, Notable

MOST_GPUS = 100_000
"""Readings that are kept, some 100 MB of them; the nodes that were not heard for the longest go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What report `seq` of the agent process `boot` said of its node's GPUs; `notable` is of those that were written last, `pools`
    are what the agent was told.
    """

    boot: str
    seq: int
    gpus: Gpus
    notable: Notable
    written_at: float
    pools: Mapping[str, str] = field(default_factory=dict[str, str])


class Newest:
    """One a process, for all its threads."""

    def __init__(self, *, most_gpus: int = MOST_GPUS) -> None:
        self._most_gpus = most_gpus
        self._lock = Lock()
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._gpus = 0

    def get(self, node: str) -> Known | None:
        return self._known.get(node)

    def base(self, node: str, boot: str) -> tuple[int, Gpus] | None:
        """What a report of that agent process can build on: the number of one and its GPUs."""
        known = self._known.get(node)
        return (known.seq, known.gpus) if known is not None and known.boot == boot else None

    def remember(self, node: str, known: Known) -> None:
        """Of a report whose transaction was committed."""
        with self._lock:
            before = self._known.pop(node, None)
            self._gpus += _size(known) - (0 if before is None else _size(before))
            self._known[node] = known
            while self._gpus > self._most_gpus and len(self._known) > 1:
                _, gone = self._known.popitem(last=False)
                self._gpus -= _size(gone)


def _size(known: Known) -> int:
    return max(1, len(known.gpus))
