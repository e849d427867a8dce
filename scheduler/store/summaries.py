"""Reports: what was had and used on whole days, by whatever they are cut."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlmodel import Session

from dure import wire
from dure.errors import BadCursor, InvalidRequest
from scheduler.actor import Actor
from scheduler.periods import midnight
from scheduler.store import companies, grouping, pages, pools, programme
from scheduler.store.grouping import EVER_IN, GROUPED
from scheduler.store.lease_days import WHOLE_DAYS, WHOLE_DAYS_OF_SOME, stretch
from scheduler.store.times import to_wire

MOST_DAYS = 3_660
MIB = 1 << 20

_COLUMNS: dict[wire.ReportCut, str] = {"group": "share_group"}
"""What is not called as in the report."""
_AFTER: dict[wire.ReportCut, str] = {"day": "CAST(:after_day AS date)"}
"""What a page comes after, where that is no text."""

_COUNTED = ("leased", "lost", "busy", "idle", "memory_s", "memory_mebibyte_s")
_SUMS = f"""
    count(*) AS rows, count(*) FILTER (WHERE is_first) AS leases, sum(energy_joules)::bigint AS energy_joules,
    {", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in _COUNTED)}
"""
_EACH = 'count(DISTINCT lease COLLATE "C") AS each'
"""Leases, where a lease's first day may be in another group than its others. In the order of bytes, which takes half as long."""

_TOTAL = text(f"{WHOLE_DAYS} SELECT {_SUMS} FROM lease_days")
_GROUPS_TOTAL = text(f"{WHOLE_DAYS} {GROUPED} SELECT {_SUMS}, {_EACH} FROM grouped WHERE share_group = :group")

_LEASES = text(
    f"""
    SELECT l.id FROM lease l
    CROSS JOIN LATERAL (
        SELECT CASE WHEN l.state <> 'ended' THEN least(l.stops_at, to_timestamp(:now))
                    WHEN l.started_at IS NULL THEN l.ends_at ELSE l.stops_at END AS stops_at
    ) s
    WHERE l.id >= :from_lease AND l.id <> :done AND l.state IN ('active', 'ending', 'ended')
      AND l.starts_at < to_timestamp(:until) AND s.stops_at > to_timestamp(:since)
      AND (CAST(:company AS text) IS NULL OR l.company = :company)
      AND (CAST(:pool AS text) IS NULL OR l.pool = :pool) AND {EVER_IN}
    ORDER BY l.id LIMIT :limit
    """
)
"""Those of which a report can have rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows: of `[since, until)`, of one company, pool or group where said, cut `by` these in this order."""

    by: Sequence[wire.ReportCut]
    since: date
    until: date
    company: str | None = None
    pool: str | None = None
    group: str | None = None

    @property
    def grouped(self) -> bool:
        """Whether it matters in which groups companies were."""
        return self.group is not None or "group" in self.by


def report(
    session: Session, wanted: Wanted, *, actor: Actor, now: float, after: str | None, limit: int
) -> wire.UsageReport:
    """A page of it; a company sees its own alone.

    Raises UnknownCompany, UnknownPool, UnknownGroup, InvalidRequest, BadCursor.
    """
    zone = programme.zone(session)
    _check(session, wanted, zone.key, actor)
    found = stretch(session, midnight(wanted.since, zone), midnight(wanted.until, zone), now=now)
    own = found.values(now=now, company=actor.company or wanted.company, pool=wanted.pool)
    values = {**own, "group": wanted.group}
    by = sorted(wanted.by, key=lambda name: name != "lease")
    rows = _rows(session, by, values, None if after is None else _place(after, by), limit + 1, grouped=wanted.grouped)
    last = rows[limit - 1] if len(rows) > limit else None
    total = None if after is not None else _total(session, values) if last or wanted.group else _sum(rows)
    return wire.UsageReport(
        zone=zone.key,
        since=wanted.since,
        until=wanted.until,
        at=to_wire(int(now)),
        by=by,
        total=None if total is None else wire.ReportSum(leases=total["leases"], **_numbers(total)),
        rows=_ROWS.validate_python([_row(row, by) for row in rows[:limit]]),
        next_cursor=None if last is None else pages.encode(json.dumps([str(last[name]) for name in by])),
    )


def _check(session: Session, wanted: Wanted, zone: str, actor: Actor) -> None:
    length = (wanted.until - wanted.since).days
    if length <= 0:
        first = wanted.since + timedelta(days=1)
        raise InvalidRequest.about(
            "until",
            f"it is the first day that is not in the report, so after since: {first} or later for since {wanted.since}, "
            f"and not {wanted.until}; days are those of {zone}",
        )
    if length > MOST_DAYS:
        raise InvalidRequest.about("until", f"a report has at most {MOST_DAYS} days, and these would be {length}")
    if len(set(wanted.by)) != len(wanted.by):
        raise InvalidRequest.about("by", "the same is said twice")
    if wanted.company is not None:
        companies.row(session, wanted.company)
    if wanted.pool is not None:
        pools.row(session, wanted.pool)
    if wanted.group is not None:
        grouping.check(session, wanted.group, wanted.pool, actor)


def _total(session: Session, values: Mapping[str, object]) -> Mapping[str, Any]:
    if values["group"] is None:
        return dict(session.connection().execute(_TOTAL, values).mappings().one())
    found = dict(session.connection().execute(_GROUPS_TOTAL, values).mappings().one())
    return {**found, "leases": found["each"]}


def _sum(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The same, where all rows are there: each lease is first in one of them."""
    energies = [row["energy_joules"] for row in rows if row["energy_joules"] is not None]
    sums = {name: sum(row[name] for row in rows) for name in ("leases", *_COUNTED)}
    return {**sums, "energy_joules": sum(energies) if energies else None}


def _rows(
    session: Session,
    by: Sequence[wire.ReportCut],
    values: Mapping[str, object],
    place: list[str] | None,
    limit: int,
    *,
    grouped: bool,
) -> list[dict[str, Any]]:
    """At most so many, after the row at `place`."""
    given = {**values, "limit": limit}
    if place is not None:
        given |= {f"after_{name}": said for name, said in zip(by, place, strict=True)}
    query = text(_query(by, after=place is not None, grouped=grouped))

    def read(**more: object) -> list[dict[str, Any]]:
        return [dict(row) for row in session.connection().execute(query, {**given, **more}).mappings()]

    if "lease" not in by:
        return read()
    found, begin, done = list[dict[str, Any]](), "" if place is None else place[0], ""
    while True:
        # Only the days of these are read; one that has none, for it began this second, is no reason to stop.
        page = session.connection().execute(_LEASES, {**given, "from_lease": begin, "done": done}).scalars().all()
        found += read(leases=list(page))
        if len(found) >= limit or len(page) < limit:
            return found[:limit]
        begin = done = page[-1]


def _query(by: Sequence[wire.ReportCut], *, after: bool, grouped: bool) -> str:
    of_leases = "lease" in by
    beside = [name for name in ("company", "pool") if of_leases and name not in by]
    words = [_COLUMNS.get(name, name) for name in by]
    columns = ", ".join(f'{word} AS "{name}"' for word, name in zip([*words, *beside], [*by, *beside], strict=True))
    numbers = [str(number + 1) for number in range(len(by) + len(beside))]
    wanted = ["(CAST(:group AS text) IS NULL OR share_group = :group)"] if grouped else []
    if after:
        wanted.append(f"({', '.join(words)}) > ({', '.join(_AFTER.get(name, f':after_{name}') for name in by)})")
    return f"""
        {WHOLE_DAYS_OF_SOME if of_leases else WHOLE_DAYS} {GROUPED if grouped else ""}
        SELECT {columns}, {_SUMS} {f", {_EACH}" if grouped else ""} FROM {"grouped" if grouped else "lease_days"}
        {f"WHERE {' AND '.join(wanted)}" if wanted else ""}
        GROUP BY {", ".join(numbers)} ORDER BY {", ".join(numbers[: len(by)])} LIMIT :limit
    """


def _place(cursor: str, by: Sequence[wire.ReportCut]) -> list[str]:
    try:
        found = json.loads(cursor)
    except ValueError:
        raise BadCursor() from None
    if not isinstance(found, list) or len(found) != len(by):
        raise BadCursor()
    if not all(isinstance(one, str) and one.isascii() and one.isprintable() for one in found):
        raise BadCursor()
    try:
        [date.fromisoformat(one) for name, one in zip(by, found, strict=True) if name == "day"]
    except ValueError:
        raise BadCursor() from None
    return found


_ROWS = TypeAdapter(list[wire.ReportRow])
"""All of a page at once, which takes half of what one after the other does."""


def _row(row: Mapping[str, Any], by: Sequence[wire.ReportCut]) -> Mapping[str, Any]:
    of = {name: row.get(name) for name in ("lease", "company", "pool", "day", "group")}
    # Of one day there are as many leases as rows, whenever they began.
    leases = row["rows"] if "day" in by else 1 if "lease" in by else row.get("each", row["leases"])
    return {**of, "leases": leases, **_numbers(row)}


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    leased, busy, idle = (row[name] for name in ("leased", "busy", "idle"))
    return {
        "leased_gpu_seconds": leased,
        "busy_gpu_seconds": busy,
        "idle_gpu_seconds": idle,
        "unknown_gpu_seconds": leased - busy - idle,
        "lost_gpu_seconds": row["lost"],
        "energy_joules": row["energy_joules"],
        "utilization_ppm": busy * 1_000_000 // (busy + idle) if busy + idle else None,
        "memory_bytes": row["memory_mebibyte_s"] * MIB // row["memory_s"] if row["memory_s"] else None,
    }
