"""What the product would have written of a year of leases: quotas, shares, the ledger, what was told, the log of the book.

The ledger is posted by the store itself, week by week, with budgets that begin and end meanwhile: so its balances and
numbers are real, and `dure ledger verify` says so. The rest is copied in, in the shapes that the store gives it.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain

import orjson
import psycopg
from psycopg.sql import SQL, Identifier
from sqlmodel import SQLModel

from bench.fleet import ADMIN, POOL
from bench.history import DAY_S, Lease, copy, vacuum
from dure import wire
from scheduler.core import codec, model
from scheduler.core.lease import advance
from scheduler.core.model import Cause, Instant, State
from scheduler.store import audit, bulk, changes, commitments, imports, records, shares
from scheduler.store.commitments import Change, Over
from scheduler.store.db import Database
from scheduler.store.tables import Audit, LeaseEvent, PoolChange
from scheduler.turns import budgets

WEEK_S = 7 * DAY_S
HOUR_S = 3600
LARGE, GROUPS = 10, 10
"""So many companies have large shares; every other one of the rest is in one of so many groups."""
BUDGETS: Sequence[wire.Budget] = (
    wire.Budget(gpu_seconds=20_000 * HOUR_S, period="week", zone="UTC"),
    wire.Budget(gpu_seconds=100_000 * HOUR_S, period="month", zone="UTC", carries_over=True),
)
"""A company has one or the other: larger than anybody's use of it, so that every world answers the same."""
_INSTANTS = {"at", "promised_start", "starts_at", "stops_at"}

_Told = tuple[int, str, Cause, model.Lease]
"""When something happened to a lease, what and why, and the lease after it."""


def allow(db: Database, companies: Sequence[str], *, now: float, budgeted: bool = True) -> None:
    """Quotas for all of the pool, with budgets if so: a list of them, as an admin imports it."""
    wanted = [
        wire.QuotaOf(
            company=name,
            pool=POOL,
            gpus=wire.MAX_GPUS,
            longest_s=30 * DAY_S,
            budget=BUDGETS[place % 2] if budgeted else None,
        )
        for place, name in enumerate(companies)
    ]
    with db.begin() as session:
        imports.put(session, wire.QuotaImport(quotas=wanted), actor=ADMIN, now=now)


def share(db: Database, companies: Sequence[str], *, now: float) -> None:
    """The first ten have large and equal shares, the others small ones; half of those are in groups."""
    with db.begin() as session:
        for group in range(GROUPS):
            shares.put_group(session, POOL, f"group-{group}", wire.ShareGroupSet(shares=10), actor=ADMIN, now=now)
        for place, name in enumerate(companies):
            group = f"group-{place // 2 % GROUPS}" if place % 2 and place >= LARGE else None
            body = wire.ShareSet(shares=1 + place % 10 if place >= LARGE else 10_000, group=group)
            shares.put(session, name, POOL, body, actor=ADMIN, now=now)


def post(db: Database, leases: Sequence[Lease], *, began: int, now: float) -> None:
    """Everything of these leases, whose rows are there, and of the periods of budgets from `began` to now."""
    told = sorted((event for one in leases for event in told_of(one)), key=_when)
    for week in range(began, int(now) + 1, WEEK_S):
        until = min(week + WEEK_S, int(now) + 1)
        some = told[bisect_left(told, week, key=_when) : bisect_left(told, until, key=_when)]
        with db.begin() as session:
            promised = [Change(after=lease, cause="promised") for _, event, _, lease in some if event == "scheduled"]
            commitments.post(session, promised, at=until - 1)
        with db.begin() as session:
            over = [Over(lease=lease) for _, event, _, lease in some if event == "ended"]
            commitments.settle(session, over, at=until - 1)
        with db.begin() as session:
            budgets.roll(session, POOL, now=until - 1)
    _write(db, told)


def _when(told: _Told) -> int:
    return told[0]


def told_of(one: Lease) -> Iterator[_Told]:
    """What happened to it, in order."""
    lease = model.Lease(
        id=model.LeaseId(one.id),
        company=model.CompanyId(one.company),
        pool=model.PoolId(POOL),
        shape=model.Total(gpus=one.gpus),
        duration_s=one.ends - one.starts,
        state=State.SCHEDULED,
        asked_at=Instant(one.starts),
        promised_start=Instant(one.starts),
        starts_at=Instant(one.starts),
        ends_at=Instant(one.ends),
        stops_at=Instant(one.ends),
        placement=tuple((model.NodeId(node), gpus) for node, gpus in one.placement),
    )
    yield one.starts, "scheduled", Cause.ASKED, lease
    lease = advance(lease, State.ACTIVE, Cause.STARTED, Instant(one.starts))
    yield one.starts, "active", Cause.STARTED, lease
    if not one.runs:
        cause = Cause.EXPIRED if one.stops == one.ends else Cause.RELEASED
        lease = advance(lease, State.ENDING, cause, Instant(one.stops))
        yield one.stops, "ending", cause, lease
        yield one.stops, "ended", cause, advance(lease, State.ENDED, cause, Instant(one.stops))


def _write(db: Database, told: Sequence[_Told]) -> None:
    """The events, the pool's log, each in a generation of its own, and who asked."""
    with psycopg.connect(db.url) as connection, connection.cursor() as cursor:
        [first] = cursor.execute("SELECT generation FROM pool WHERE name = %s", [POOL]).fetchone() or [0]
        _copy(cursor, LeaseEvent, (records.event_row(one, event, at=at, cause=why) for at, event, why, one in told))
        _copy(cursor, PoolChange, (_change(first + place, *one) for place, one in enumerate(told, 1)))
        _copy(cursor, Audit, (_asked(at, one) for at, event, _, one in told if event == "scheduled"))
        cursor.execute("UPDATE pool SET generation = %s WHERE name = %s", [first + len(told), POOL])
    vacuum(db.url)


def _change(number: int, at: int, _event: str, _cause: Cause, lease: model.Lease) -> bulk.Row:
    [row] = changes.rows(POOL, number, [lease], at=at)[1]
    return row


def _asked(at: int, lease: model.Lease) -> bulk.Row:
    after = {"pool": lease.pool, "shape": codec.encode_shape(lease.shape), "duration_s": lease.duration_s}
    action, actor = wire.AuditAction.LEASE_ASK, f"company:{lease.company}"
    return audit.row(actor=actor, action=action, subject=lease.id, at=at, after=after, request_id=None)


def _copy(cursor: psycopg.Cursor, table: type[SQLModel], rows: Iterable[bulk.Row]) -> None:
    left = iter(rows)
    first = next(left, None)
    if first is not None:
        columns = SQL(", ").join(map(Identifier, first))
        into = SQL("COPY {} ({}) FROM STDIN").format(Identifier(str(table.__tablename__)), columns)
        copy(cursor, into, ([_cell(*cell) for cell in row.items()] for row in chain([first], left)))


def _cell(name: str, value: object) -> object:
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    return datetime.fromtimestamp(value, UTC) if name in _INSTANTS and isinstance(value, int) else value
