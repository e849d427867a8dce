"""`python -m scheduler verify`: whether what a database says holds together, in a few lines or as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from scheduler.clock import DatabaseClock
from scheduler.store import consistency, lives
from scheduler.store.consistency import Checked
from scheduler.store.db import Database
from scheduler.store.lives import Newest

SHOWN = 5
"""Faults of each kind that lines have; JSON has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was looked at, `at` Unix seconds, and up to where the database goes."""

    at: float
    newest: Newest
    checked: tuple[Checked, ...]

    @property
    def ok(self) -> bool:
        return not any(one.faults for one in self.checked)


def verified(db: Database) -> Verdict:
    """Everything at one instant. Raises Unavailable, also where this code does not fit the schema."""
    db.check()
    now = DatabaseClock(db).now()
    with db.long_snapshot(None) as session:
        checked = tuple(consistency.checks(session, now=now))
        return Verdict(at=now, newest=lives.newest(session.connection()), checked=checked)


def as_json(verdict: Verdict) -> str:
    """For programs: `ok`, and each check with its faults."""
    said: dict[str, Any] = {"ok": verdict.ok, "at": _instant(verdict.at)}
    newest = {"event": verdict.newest.event, "at": _instant(verdict.newest.at), "life": verdict.newest.life}
    return json.dumps(said | {"newest": newest, "checks": [asdict(one) for one in verdict.checked]}, indent=2)


def as_lines(verdict: Verdict) -> str:
    """For people: a line a check, and those that do not hold with what is wrong."""
    newest = verdict.newest
    head = f"newest event: {newest.event or 'none'}, of {_instant(newest.at) or 'never'}; server and timeline {newest.life}"
    lines = [line for one in verdict.checked for line in _lines(one)]
    return "\n".join([head, *lines, "everything holds" if verdict.ok else "something is wrong: see docs/recovery.md"])


def _lines(one: Checked) -> Sequence[str]:
    shown = [f"      {fault}" for fault in one.faults[:SHOWN]]
    more = [f"      and {len(one.faults) - SHOWN} more"] if len(one.faults) > SHOWN else []
    return [f"{'WRONG' if one.faults else 'ok   '} {one.what} ({one.seen} looked at)", *shown, *more]


def _instant(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(int(at), UTC).isoformat().replace("+00:00", "Z")
