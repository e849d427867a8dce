"""The outbox: events in an order in which no reader skips one.

Numbers are given before the commit, so a row may appear after others with higher numbers. Therefore readers take rows
by (number of the transaction, number of the row), and only those of transactions below the oldest that still runs:
below it nothing can appear any more. docs/adr/0010 has the alternatives.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, text, tuple_
from sqlmodel import Session, col, select

from dure import wire
from dure.errors import InvalidRequest
from scheduler.actor import Actor
from scheduler.store import companies, pages
from scheduler.store.tables import LeaseEvent
from scheduler.store.times import from_wire, to_wire

_ID = re.compile(r"evt_([0-9]{1,18})", re.ASCII)

_SETTLED = text("lease_event.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint")


LONGEST_S = 120
"""No transaction takes longer from its number to its commit; PostgreSQL's time-outs end it well before."""

_FIRST_SINCE = text(
    """
    WITH first AS (SELECT min(at) AS at FROM lease_event WHERE at >= to_timestamp(:since))
    SELECT min(e.xid + 0) FROM lease_event e, first
    WHERE e.at BETWEEN first.at AND first.at + :longest * interval '1 second'
    """
)
"""Rows that happened later have higher numbers, but for those that ran at the same time. The 0 keeps PostgreSQL from
looking for it in the order of numbers, which begins with the oldest."""


class Position(NamedTuple):
    """Where a reader stands in the order of events."""

    xid: int
    seq: int


BEGINNING = Position(-(2**62), 0)


def after(
    session: Session,
    position: Position,
    *,
    company: str | None = None,
    pool: str | None = None,
    since: int | None = None,
    until: Position | None = None,
    limit: int,
) -> Sequence[LeaseEvent]:
    """The next events in their order, of a company or of all; `until` is the last that is wanted."""
    query = select(LeaseEvent).where(_order() > tuple_(*position), _SETTLED)
    for column, value in ((LeaseEvent.company, company), (LeaseEvent.pool, pool)):
        if value is not None:
            query = query.where(col(column) == value)
    if since is not None:
        query = query.where(col(LeaseEvent.at) >= since)
    if until is not None:
        query = query.where(_order() <= tuple_(*until))
    return session.exec(query.order_by(col(LeaseEvent.xid), col(LeaseEvent.seq)).limit(limit)).all()


def head(session: Session) -> Position:
    """The last event that readers may see now."""
    columns = col(LeaseEvent.xid), col(LeaseEvent.seq)
    query = select(*columns).where(_SETTLED).order_by(*(one.desc() for one in columns)).limit(1)
    found = session.exec(query).one_or_none()
    return BEGINNING if found is None else _position(*found)


def beginning(session: Session, since: int) -> Position:
    """Just before the first event that happened at `since` or later."""
    first = session.connection().execute(_FIRST_SINCE, {"since": since, "longest": LONGEST_S}).scalar_one()
    return head(session) if first is None else Position(first, 0)


def found(session: Session, event_id: str, *, field: str) -> Position:
    """Where the event of that id stands, or the last before it that is here. Raises InvalidRequest that names `field`."""
    read = _ID.fullmatch(event_id)
    if read is None:
        message = f"{event_id[:100]!a} is no event's id; it is as an event has it, for example evt_1207"
        raise InvalidRequest(f"{field}: {message}", errors=[wire.FieldError(field=field, message=message)])
    return numbered(session, int(read[1]))


def numbered(session: Session, seq: int) -> Position:
    """Where the event of that number stands, or the last before it that is here."""
    query = select(LeaseEvent).where(col(LeaseEvent.seq) <= seq).order_by(col(LeaseEvent.seq).desc()).limit(1)
    row = session.exec(query).one_or_none()
    return BEGINNING if row is None else at(row)


def at(row: LeaseEvent) -> Position:
    return _position(row.xid, row.seq)


def _position(xid: int | None, seq: int | None) -> Position:
    """Of a row that is in the database: it gives both numbers."""
    assert xid is not None
    assert seq is not None
    return Position(xid, seq)


def page(
    session: Session,
    *,
    actor: Actor,
    company: str | None = None,
    pool: str | None = None,
    since: datetime | None = None,
    event_id: str | None = None,
    after_key: str | None,
    limit: int,
) -> wire.Page[wire.Event]:
    """Oldest first, from the beginning, `since`, or after the event of an id. Raises UnknownCompany, InvalidRequest."""
    if company is not None:
        companies.row(session, company)
    earliest = from_wire(since)
    if after_key is not None:
        start = numbered(session, pages.number(after_key))
    elif event_id is not None:
        start = found(session, event_id, field="after")
    else:
        start = BEGINNING if earliest is None else beginning(session, earliest)
    rows = after(session, start, company=actor.company or company, pool=pool, since=earliest, limit=limit + 1)
    return pages.page(rows, limit, wire=event_to_wire, key=lambda row: str(row.seq))


def company_event(
    session: Session, company: str, event: str, *, at: float, cause: str, detail: dict[str, int | str | None]
) -> None:
    """Writes down what happened to a company that is not a lease's, for example `webhook.disabled`."""
    session.add(LeaseEvent(company=company, at=int(at), event=event, cause=cause, detail=detail))


def event_id(seq: int) -> str:
    return f"evt_{seq}"


def event_to_wire(row: LeaseEvent) -> wire.Event:
    assert row.seq is not None
    return wire.Event(
        id=event_id(row.seq),
        type=row.event if row.lease is None else f"lease.{row.event}",
        at=to_wire(row.at),
        company=row.company,
        pool=row.pool,
        lease=row.lease,
        data=wire.EventData(
            state=None if row.state is None else wire.LeaseState(row.state),
            cause=row.cause,
            promised_start=to_wire(row.promised_start),
            starts_at=to_wire(row.starts_at),
            stops_at=to_wire(row.stops_at),
            detail=row.detail,
        ),
    )


def _order() -> ColumnElement[tuple[int, int]]:
    return tuple_(col(LeaseEvent.xid), col(LeaseEvent.seq))
