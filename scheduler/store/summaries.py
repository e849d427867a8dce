"""Reports: what was had and used on whole days, by whatever they are cut."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlmodel import Session

from dure import wire
from dure.errors import BadCursor, InvalidRequest
from scheduler.actor import Actor
from scheduler.periods import midnight
from scheduler.store import companies, pages, pools, programme
from scheduler.store.lease_days import WHOLE_DAYS, WHOLE_DAYS_OF_SOME, stretch
from scheduler.store.times import to_wire

MOST_DAYS = 3_660
MIB = 1 << 20

_AFTER: dict[wire.ReportCut, str] = {
    "lease": ":after_lease",
    "company": ":after_company",
    "pool": ":after_pool",
    "day": "CAST(:after_day AS date)",
}
"""The row that a page comes after; rows are in the order of what they are cut by."""

_COUNTED = ("leased", "lost", "busy", "idle", "memory_s", "memory_mebibyte_s")
_SUMS = f"""
    count(*) AS rows, count(*) FILTER (WHERE is_first) AS leases, sum(energy_joules)::bigint AS energy_joules,
    {", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in _COUNTED)}
"""


_TOTAL = text(f"{WHOLE_DAYS} SELECT {_SUMS} FROM lease_days")

_LEASES = text(
    """
    SELECT l.id FROM lease l
    CROSS JOIN LATERAL (
        SELECT CASE WHEN l.state <> 'ended' THEN least(l.stops_at, to_timestamp(:now))
                    WHEN l.started_at IS NULL THEN l.ends_at ELSE l.stops_at END AS stops_at
    ) s
    WHERE l.id >= :from_lease AND l.id <> :done AND l.state IN ('active', 'ending', 'ended')
      AND l.starts_at < to_timestamp(:until) AND s.stops_at > to_timestamp(:since)
      AND (CAST(:company AS text) IS NULL OR l.company = :company)
      AND (CAST(:pool AS text) IS NULL OR l.pool = :pool)
    ORDER BY l.id LIMIT :limit
    """
)
"""Those of which a report can have rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows: of `[since, until)`, of one company or pool where said, cut `by` these in this order."""

    by: Sequence[wire.ReportCut]
    since: date
    until: date
    company: str | None = None
    pool: str | None = None


def report(
    session: Session, wanted: Wanted, *, actor: Actor, now: float, after: str | None, limit: int
) -> wire.UsageReport:
    """A page of it; a company sees its own alone. Raises UnknownCompany, UnknownPool, InvalidRequest, BadCursor."""
    _check(session, wanted)
    zone = programme.zone(session)
    found = stretch(session, midnight(wanted.since, zone), midnight(wanted.until, zone), now=now)
    values = found.values(now=now, company=actor.company or wanted.company, pool=wanted.pool)
    by = sorted(wanted.by, key=lambda name: name != "lease")
    total, rows = _rows(session, by, values, None if after is None else _place(after, by), limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
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


def _check(session: Session, wanted: Wanted) -> None:
    if wanted.until <= wanted.since:
        raise InvalidRequest.about("until", "it is a day after since: the first one that is not in the report")
    if (wanted.until - wanted.since).days > MOST_DAYS:
        raise InvalidRequest.about("until", f"a report has at most {MOST_DAYS} days")
    if len(set(wanted.by)) != len(wanted.by):
        raise InvalidRequest.about("by", "the same is said twice")
    if wanted.company is not None:
        companies.row(session, wanted.company)
    if wanted.pool is not None:
        pools.row(session, wanted.pool)


def _rows(
    session: Session, by: Sequence[wire.ReportCut], values: Mapping[str, object], place: list[str] | None, limit: int
) -> tuple[Mapping[str, Any] | None, list[dict[str, Any]]]:
    """The total on the first page, and at most so many rows, after the one at `place`."""
    given = {**values, "limit": limit}
    if place is not None:
        given |= {f"after_{name}": said for name, said in zip(by, place, strict=True)}
    if "lease" in by:
        rows = _of_leases(session, by, given, place)
        return None if place is not None else dict(session.connection().execute(_TOTAL, values).mappings().one()), rows
    found = [
        dict(row) for row in session.connection().execute(text(_query(by, after=place is not None)), given).mappings()
    ]
    return (None, found) if place is not None else (found[0], found[1:])


def _of_leases(
    session: Session, by: Sequence[wire.ReportCut], given: Mapping[str, object], place: list[str] | None
) -> list[dict[str, Any]]:
    """Only the days of a page's leases are read; one that has none, for it began this second, is no reason to stop."""
    query, limit = text(_query(by, after=place is not None)), given["limit"]
    assert isinstance(limit, int)
    found, begin, done = list[dict[str, Any]](), "" if place is None else place[0], ""
    while True:
        page = session.connection().execute(_LEASES, {**given, "from_lease": begin, "done": done}).scalars().all()
        found += [dict(row) for row in session.connection().execute(query, {**given, "leases": list(page)}).mappings()]
        if len(found) >= limit or len(page) < limit:
            return found[:limit]
        begin = done = page[-1]


def _query(by: Sequence[wire.ReportCut], *, after: bool) -> str:
    """A page's rows; before those of the first the total, in one pass over the days, unless only some leases' are read."""
    of_leases = "lease" in by
    beside = [name for name in ("company", "pool") if of_leases and name not in by]
    columns, keys = ", ".join([*by, *beside]), ", ".join(by)
    if of_leases or after:
        grouped, order, limit = columns, keys, ":limit"
    else:
        grouped, order, limit = f"GROUPING SETS (({columns}), ())", f"GROUPING({by[0]}) DESC, {keys}", ":limit + 1"
    return f"""
        {WHOLE_DAYS_OF_SOME if of_leases else WHOLE_DAYS}
        SELECT {columns}, {_SUMS} FROM lease_days
        {f"WHERE ({keys}) > ({', '.join(_AFTER[name] for name in by)})" if after else ""}
        GROUP BY {grouped} ORDER BY {order} LIMIT {limit}
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
    of = {name: row.get(name) for name in ("lease", "company", "pool", "day")}
    # Of one day there are as many leases as rows, whenever they began.
    leases = row["rows"] if "day" in by else 1 if "lease" in by else row["leases"]
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
