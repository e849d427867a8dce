"""Reports: what was had and used on whole days, by whatever they are cut."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from dure import wire
from dure.errors import BadCursor, InvalidRequest
from scheduler.actor import Actor
from scheduler.periods import midnight
from scheduler.store import companies, pages, pools, programme
from scheduler.store.lease_days import WITH_LEASE_DAYS, Stretch
from scheduler.store.times import to_wire

MOST_DAYS = 3_660
MIB = 1 << 20

_WORDS: dict[wire.ReportCut, str] = {
    "lease": "lease",
    "company": "company",
    "pool": "pool",
    "day": "day::text",
}
"""What rows are put in order by, as text."""

_SUMS = """
    sum(leased)::bigint AS leased, sum(lost)::bigint AS lost, sum(busy)::bigint AS busy, sum(idle)::bigint AS idle,
    sum(energy_joules)::bigint AS energy_joules, sum(memory_s)::bigint AS memory_s,
    sum(memory_mebibyte_s)::bigint AS memory_mebibyte_s
"""

_TOTAL = text(
    f"""
    {WITH_LEASE_DAYS[False]}, of_lease AS (SELECT lease, {_SUMS} FROM lease_days GROUP BY lease)
    SELECT count(*) AS leases, {_SUMS} FROM of_lease
    """
)


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
    stretch = Stretch.of(midnight(wanted.since, zone), midnight(wanted.until, zone), zone)
    values = stretch.values(now=now, company=actor.company or wanted.company, pool=wanted.pool)
    rows = _rows(session, wanted.by, values, after, limit)
    total = session.connection().execute(_TOTAL, values).mappings().one() if after is None else None
    last = rows[limit - 1] if len(rows) > limit else None
    return wire.UsageReport(
        zone=zone.key,
        since=wanted.since,
        until=wanted.until,
        at=to_wire(int(now)),
        by=list(wanted.by),
        total=None if total is None else wire.ReportSum(**_numbers(total)),
        rows=[_row(row, wanted.by) for row in rows[:limit]],
        next_cursor=None if last is None else pages.encode(json.dumps([str(last[name]) for name in wanted.by])),
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
    session: Session, by: Sequence[wire.ReportCut], values: Any, after: str | None, limit: int
) -> list[dict[str, Any]]:
    """One more than a page has, where there are more."""
    place = {} if after is None else {f"after_{name}": said for name, said in zip(by, _place(after, by), strict=True)}
    query = text(_query(by, after=after is not None))
    rows = session.connection().execute(query, {**values, **place, "limit": limit + 1})
    return [dict(row) for row in rows.mappings()]


def _query(by: Sequence[wire.ReportCut], *, after: bool) -> str:
    """The leases of a row are counted: a lease is there once a day, and where rows are not of a day it is first made one."""
    beside = [name for name in ("company", "pool") if "lease" in by and name not in by]
    words = [f'{_WORDS[name]} COLLATE "C"' for name in by]
    columns = ", ".join(f"{word} AS {name}" for word, name in zip([*words, *beside], [*by, *beside], strict=True))
    numbers = ", ".join(str(number + 1) for number in range(len(by) + len(beside)))
    return f"""
        {WITH_LEASE_DAYS[False]},
        of_lease AS (SELECT lease, company, pool, {_SUMS} FROM lease_days GROUP BY lease, company, pool)
        SELECT {columns}, count(*) AS leases, {_SUMS} FROM {"lease_days" if "day" in by else "of_lease"}
        {f"WHERE ({', '.join(words)}) > ({', '.join(f':after_{name}' for name in by)})" if after else ""}
        GROUP BY {numbers} ORDER BY {", ".join(str(number + 1) for number in range(len(by)))} LIMIT :limit
    """


def _place(cursor: str, by: Sequence[wire.ReportCut]) -> list[str]:
    try:
        found = json.loads(cursor)
    except ValueError:
        raise BadCursor() from None
    if not isinstance(found, list) or len(found) != len(by) or not all(isinstance(one, str) for one in found):
        raise BadCursor()
    return found


def _row(row: dict[str, Any], by: Sequence[wire.ReportCut]) -> wire.ReportRow:
    of = {name: row.get(name) for name in ("lease", "company", "pool")}
    return wire.ReportRow(**of, day=date.fromisoformat(row["day"]) if "day" in by else None, **_numbers(row))


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    leased, busy, idle = (int(row[name] or 0) for name in ("leased", "busy", "idle"))
    return {
        "leases": row["leases"],
        "leased_gpu_seconds": leased,
        "busy_gpu_seconds": busy,
        "idle_gpu_seconds": idle,
        "unknown_gpu_seconds": leased - busy - idle,
        "lost_gpu_seconds": int(row["lost"] or 0),
        "energy_joules": row["energy_joules"],
        "utilization_ppm": busy * 1_000_000 // (busy + idle) if busy + idle else None,
        "memory_bytes": row["memory_mebibyte_s"] * MIB // row["memory_s"] if row["memory_s"] else None,
    }
