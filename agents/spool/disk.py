"""A spool's files in its folder: this process's totals, those of earlier ones, and events. For one thread; all may raise OSError."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from agents.reporting.wire import Json
from agents.spool.journal import Journal
from agents.spool.slots import Slots
from agents.spool.untold import FRONT, Earlier, Untold
from agents.totals import Use

SYNC_S = 10.0
"""So often totals are made to outlive a loss of power; a killed process they outlive at once."""

FIELDS = ("allocation", "day", "sampled_ms", "busy_ms", "energy_millijoules", "memory_ms", "memory_mebibyte_s")
"""Of a `Use`, as they are written."""


class Disk:
    """`boot` is this process. `most_bytes` is for all the files together."""

    def __init__(self, folder: Path, *, boot: str, most_bytes: int) -> None:
        self._boot = boot
        self._most_bytes = most_bytes
        self._totals = Slots(folder, "totals")
        self._earlier = Slots(folder, "earlier")
        self._journal = Journal(folder / "events")
        self._written: list[Use] | None = None
        self._synced: tuple[list[Use], float] | None = None
        self._version: int | None = None
        self.damaged = 0
        """Entries that could not be used."""

    @property
    def waiting(self) -> int:
        """Events that are not taken."""
        return self._journal.waiting

    @property
    def size(self) -> int:
        """Of all its files, in bytes."""
        return self._totals.size + self._earlier.size + self._journal.size

    def close(self) -> None:
        self._journal.close()

    def load(self, untold: Untold, *, anew: bool) -> None:
        """Says to `untold` what is there; `anew` where it was said before, and is known better by now."""
        totals, spoiled = self._totals.load()
        earlier, more = self._earlier.load()
        self.damaged = spoiled + more + self._journal.damaged
        if not anew:
            # Where a process is in both, its totals were moved, and then nothing was written over them.
            untold.found(_last(totals, self._boot) | _earlier(earlier))
        first = self._journal.first(1)
        untold.follow(self._journal.last_id, first_id=first[0]["id"] if first else None, anew=anew)
        # What the last process left is safe in its new place before this one writes over it.
        self._write_earlier(untold)
        untold.at_hand(self._journal.first(FRONT), waiting=self.waiting)

    def write(self, untold: Untold, totals: list[Use], *, now: float, last: bool = False) -> int:
        """Writes down what is not here yet; returns how many events had to make room."""
        self._renumber(untold)
        self._journal.take(min(untold.taken, self._journal.last_id))
        self._write_totals(totals, now=now, last=last)
        self._write_earlier(untold)
        # Half of what there is: while a journal is written anew there are two of them.
        room = max(0, self._most_bytes - self._totals.size - self._earlier.size) // 2
        dropped = self._journal.append(untold.incoming, most_bytes=room)
        untold.written(self._journal.last_id)
        front = self._journal.first(FRONT) if dropped or untold.is_short(self.waiting) else None
        untold.at_hand(front, waiting=self.waiting)
        return dropped

    def _renumber(self, untold: Untold) -> None:
        above = untold.begin_after()
        if above is None:
            return
        if self.waiting:
            self._journal.renumber(above)
        untold.renumbered(self._journal.last_id if self.waiting else None)

    def _write_totals(self, totals: list[Use], *, now: float, last: bool) -> None:
        due = last or self._synced is None or now - self._synced[1] >= SYNC_S
        if totals == self._written and not (due and (self._synced is None or self._synced[0] != totals)):
            return
        self._totals.write({"boot": self._boot, "usage": [_row(use) for use in totals]}, sync=due)
        self._written = totals
        if due:
            self._synced = totals, now

    def _write_earlier(self, untold: Untold) -> None:
        earlier, version = untold.all_earlier()
        if version != self._version:
            self._earlier.write(_as_json(earlier), sync=True)
            self._version = version


def _row(use: Use) -> list[object]:
    return [getattr(use, name) for name in FIELDS]


def _use(row: Sequence[object]) -> Use | None:
    try:
        return Use(**dict(zip(FIELDS, row, strict=True)))  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        return None


def _uses(rows: object) -> tuple[Use, ...]:
    return tuple(use for row in rows if (use := _use(row)) is not None) if isinstance(rows, list) else ()


def _as_json(earlier: Mapping[str, Iterable[Use]]) -> Json:
    return {boot: [_row(use) for use in uses] for boot, uses in earlier.items()}


def _earlier(said: object) -> Earlier:
    return {str(boot): _uses(rows) for boot, rows in said.items()} if isinstance(said, dict) else {}


def _last(said: object, own: str) -> Earlier:
    """What the process before this one had seen."""
    if not isinstance(said, dict) or said.get("boot") in (None, own):
        return {}
    return {str(said["boot"]): _uses(said.get("usage"))}
