"""What Slurm's commands print, as values. Pure; every time is Unix seconds, and the commands run with TZ=UTC."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

_TO_START = re.compile(r"Job \d+ to start at (\S+)")
_CALL = re.compile(r"^\t(REQUEST_\w+)\s+\(\s*\d+\) count:(\d+)\s+ave_time:\d+\s+total_time:(\d+)$", re.MULTILINE)


class Unreadable(Exception):
    """Slurm printed something else than expected; the text is what it printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Remote calls of one kind since slurmctld started, and the time it spent on them, its waiting for locks included."""

    count: int
    total_us: int

    def since(self, before: "Calls") -> float:
        """The mean of those made after `before`, in milliseconds; 0 if there were none."""
        count = self.count - before.count
        return (self.total_us - before.total_us) / count / 1000 if count else 0.0


NONE = Calls(count=0, total_us=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Slurm's own counters. A cycle is one plan of the queue by its backfill scheduler; `cycle_us` leaves out the sleep
    in which it lets others have the locks, `cycle_jobs` are those it tried to place. `planning` is true within a cycle."""

    completed: int
    planning: bool
    cycles: int
    cycle_at: int | None
    cycle_us: int
    cycle_jobs: int
    calls: Mapping[str, Calls]

    def called(self, name: str) -> Calls:
        return self.calls.get(name, NONE)


def diagnosis(text: str) -> Diagnosis:
    """Of `sdiag`. Raises Unreadable."""
    _, found, planning = text.partition("Backfilling stats")
    if not found:
        raise Unreadable(text)
    since = re.search(r"Last cycle when: .*\((\d+)\)", planning)
    return Diagnosis(
        completed=_number("Jobs completed:", text),
        planning="in the middle of backfilling" in planning.partition("\n")[0],
        cycles=_number("Total cycles:", planning),
        cycle_at=int(since[1]) if since else None,
        cycle_us=_number("Last cycle:", planning),
        cycle_jobs=_number(r"Last depth cycle \(try sched\):", planning),
        calls={name: Calls(count=int(n), total_us=int(us)) for name, n, us in _CALL.findall(planning)},
    )


def _number(label: str, text: str) -> int:
    found = re.search(rf"^\t?{label}\s+(\d+)", text, re.MULTILINE)
    if found is None:
        raise Unreadable(text)
    return int(found[1])


def job(text: str) -> int:
    """The number that `sbatch --parsable` answers. Raises Unreadable."""
    number = text.strip().partition(";")[0]
    if not number.isdigit():
        raise Unreadable(text)
    return int(number)


def would_start(text: str) -> int:
    """What `sbatch --test-only` says on its standard error. Raises Unreadable."""
    found = _TO_START.search(text)
    if found is None:
        raise Unreadable(text)
    return _instant(found[1])


def start(text: str) -> int | None:
    """`squeue`'s %S: when a job began or is planned to; None while it has no plan. Raises Unreadable."""
    shown = text.strip()
    return None if shown == "N/A" else _instant(shown)


def _instant(shown: str) -> int:
    try:
        return int(datetime.fromisoformat(shown).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise Unreadable(shown) from error
