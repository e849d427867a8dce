"""What the allocator was not told yet, as the threads of an agent share it: in memory, under one lock that nobody holds for long.

Events are in the order of their ids: those that are on disk come first, as far as they are at hand, then those that are
not there yet.
"""

import threading
from collections import deque
from collections.abc import Mapping, Sequence

from agents.events import Event
from agents.reporting.wire import Json
from agents.spool.event import told
from agents.totals import Use

MEMORY_EVENTS = 2048
"""So many events at most are kept that are not on disk."""

FRONT = 256
"""So many of those on disk are at hand."""

MOST_BOOTS = 16
"""So many processes' earlier totals fit into a report."""

Earlier = dict[str, tuple[Use, ...]]


class Untold:
    """`first_id` is what ids begin after, where no greater one is found on disk."""

    def __init__(self, first_id: int) -> None:
        self._lock = threading.Lock()
        self._last_id = first_id
        self._front: list[Json] = []
        self._behind = False
        """There are more on disk than in front."""
        self._incoming: deque[Json] = deque()
        self._taken = 0
        self._renumber = False
        self._earlier: Earlier = {}
        self._version = 0

    @property
    def taken(self) -> int:
        """Events up to this id are."""
        return self._taken

    @property
    def incoming(self) -> list[Json]:
        """Events that are not on disk."""
        with self._lock:
            return list(self._incoming)

    # --- for who notices something, and for the reporter --------------------------------------------------------------

    def add(self, event: Event) -> int:
        """Returns how many had to make room for it."""
        with self._lock:
            self._last_id += 1
            self._incoming.append(told(event, self._last_id))
            if len(self._incoming) <= MEMORY_EVENTS:
                return 0
            self._incoming.popleft()
            return 1

    def events(self, limit: int) -> list[Json]:
        """The oldest that are not taken."""
        with self._lock:
            found = self._front[:limit]
            return found if self._behind else found + list(self._incoming)[: limit - len(found)]

    def take_events(self, upto: int) -> None:
        with self._lock:
            if upto > self._last_id:
                # Greater ids than all of ours are taken: the folder was lost, and the clock is behind. Ours begin after them.
                self._behind = self._behind or bool(self._front)
                self._last_id, self._front, self._renumber = upto, [], True
                self._number()
            elif upto > self._taken:
                self._taken = upto
                self._front = [event for event in self._front if event["id"] > upto]
                self._drop(upto)

    def earlier(self, limit: int) -> Earlier:
        """Totals of processes that are gone, by their boot: so many of them at most, the oldest process first."""
        found: Earlier = {}
        with self._lock:
            for boot, uses in self._earlier.items():
                if limit <= 0 or len(found) == MOST_BOOTS:
                    break
                found[boot] = uses[:limit]
                limit -= len(found[boot])
        return found

    def take_earlier(self, told: Mapping[str, Sequence[Use]]) -> None:
        with self._lock:
            for boot, uses in told.items():
                left = tuple(use for use in self._earlier.get(boot, ()) if use not in uses)
                self._earlier = {**self._earlier, boot: left}
                if not left:
                    del self._earlier[boot]
                self._version += 1

    # --- for who keeps it on disk --------------------------------------------------------------------------------------

    def found(self, earlier: Earlier) -> None:
        """Processes before this one left these totals."""
        with self._lock:
            self._earlier = {boot: uses for boot, uses in (earlier | self._earlier).items() if uses}
            self._version += 1

    def all_earlier(self) -> tuple[Earlier, int]:
        """And a number that is another one whenever they are others."""
        with self._lock:
            return self._earlier, self._version

    def follow(self, last_id: int, *, first_id: int | None, anew: bool) -> None:
        """A journal is there whose greatest id is `last_id`; the first of its events that waits is `first_id`. `anew`: it was
        there before, so what is in it of ours is on disk."""
        with self._lock:
            if anew:
                self._drop(last_id)
            elif self._incoming and self._incoming[0]["id"] <= last_id:
                self._last_id = max(self._last_id, last_id)
                self._number()
            self._last_id = max(self._last_id, last_id)
            self._renumber = self._renumber or (first_id is not None and first_id <= self._taken)

    def begin_after(self) -> int | None:
        """The id after which what is on disk has to be numbered anew; None where it is well as it is."""
        return self._last_id if self._renumber else None

    def renumbered(self, last_id: int | None) -> None:
        """What is on disk has ids up to this one now; None: nothing waits there."""
        with self._lock:
            self._renumber = False
            if last_id is not None:
                self._last_id = max(self._last_id, last_id)
                self._number()

    def written(self, last_id: int) -> None:
        """Events up to this id are on disk."""
        with self._lock:
            self._drop(last_id)

    def is_short(self, waiting: int) -> bool:
        """Of those that wait on disk, more should be at hand."""
        return len(self._front) < min(FRONT, waiting)

    def at_hand(self, front: list[Json] | None, *, waiting: int) -> None:
        """`waiting` events are on disk, of which these are the first; None: those that were."""
        with self._lock:
            if front is not None:
                self._front = [event for event in front if event["id"] > self._taken]
            self._behind = waiting > len(self._front)

    def _drop(self, upto: int) -> None:
        while self._incoming and self._incoming[0]["id"] <= upto:
            self._incoming.popleft()

    def _number(self) -> None:
        """Gives what is in memory alone new ids, after the last."""
        self._incoming = deque({**event, "id": self._last_id + 1 + index} for index, event in enumerate(self._incoming))
        self._last_id += len(self._incoming)
