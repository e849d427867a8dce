"""Leases: rows to core values and back. What people see of them is in `shown_leases`."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from sqlmodel import Session, col, select

from dure.errors import UnknownLease
from scheduler.actor import Actor
from scheduler.core import model
from scheduler.core.quota import HOLDING
from scheduler.core.shapes import resized
from scheduler.store import changes
from scheduler.store.tables import Lease, LeaseSpan, PlacementRow, Pool

BOOKED = tuple(sorted(state.value for state in HOLDING))
"""States in which a lease counts against its company's quota."""

BOOKED_BY_INDEX = ("state = 'scheduled'", "state IN ('active', 'ending')")
"""The same as conditions on rows of `lease`, one for each index that has them: a partial index serves only states that are written out
as its own are.
"""


def to_core(row: Lease, placement: model.Placement, history: tuple[model.Span, ...] = ()) -> model.Lease:
    """The lease as decisions see it."""
    return model.Lease(
        id=model.LeaseId(row.id),
        company=model.CompanyId(row.company),
        pool=model.PoolId(row.pool),
        shape=shape(row),
        duration_s=row.duration_s,
        state=model.State(row.state),
        asked_at=model.Instant(row.asked_at),
        start=_instant(row.start),
        start_by=_instant(row.start_by),
        notice_s=row.notice_s,
        purpose=model.Purpose(row.purpose),
        min_size=row.min_size,
        tier=model.Tier(row.tier),
        promised_start=_instant(row.promised_start),
        granted_at=_instant(row.granted_at),
        slipped_from=_instant(row.slipped_from),
        starts_at=_instant(row.starts_at),
        ends_at=_instant(row.ends_at),
        stops_at=_instant(row.stops_at),
        started_at=_instant(row.started_at),
        ended_at=_instant(row.ended_at),
        end_cause=None if row.end_cause is None else model.Cause(row.end_cause),
        placement=placement,
        history=history,
    )


def change(session: Session, row: Lease, lease: model.Lease, *, generation: int, at: float) -> None:
    """Gives the row what became of the lease, and writes down that the pool's book has it from this generation on.

    The placement's rows are not written: what is moved goes through `scheduler.store.plans`.
    """
    write_back(session, row, lease)
    row.generation = generation
    changes.write(session, row.pool, generation, [lease], at=at)


def write_back(session: Session, row: Lease, lease: model.Lease) -> None:
    """The row alone, for what is not in any book: an ask that is queued."""
    row.state = lease.state.value
    row.promised_start, row.starts_at, row.ends_at = lease.promised_start, lease.starts_at, lease.ends_at
    row.granted_at, row.slipped_from = lease.granted_at, lease.slipped_from
    row.stops_at, row.started_at, row.ended_at = lease.stops_at, lease.started_at, lease.ended_at
    row.end_cause = None if lease.end_cause is None else lease.end_cause.value
    session.add(row)


def shape(row: Lease) -> model.Shape:
    if row.gpus is not None:
        return model.Total(gpus=row.gpus)
    assert row.nodes is not None
    assert row.gpus_per_node is not None
    return model.Gang(nodes=row.nodes, gpus_per_node=row.gpus_per_node)


def first_ask(row: Lease) -> model.Ask:
    """The ask as it was sent, whatever became of its lease since."""
    return replace(ask(row), shape=resized(shape(row), row.asked_size), duration_s=row.asked_s)


def ask(row: Lease) -> model.Ask:
    """The ask that a queued row stands for."""
    return model.Ask(
        company=model.CompanyId(row.company),
        pool=model.PoolId(row.pool),
        shape=shape(row),
        duration_s=row.duration_s,
        start=_instant(row.start),
        start_by=_instant(row.start_by),
        notice_s=row.notice_s,
        purpose=model.Purpose(row.purpose),
        min_size=row.min_size,
        tier=model.Tier(row.tier),
    )


def placements(session: Session, leases: Iterable[str]) -> dict[str, model.Placement]:
    """Each lease's placement, sorted by node."""
    query = (
        select(PlacementRow)
        .where(col(PlacementRow.lease).in_(list(leases)))
        .order_by(col(PlacementRow.lease), col(PlacementRow.node))
    )
    found: dict[str, list[tuple[model.NodeId, int]]] = {}
    for row in session.exec(query):
        found.setdefault(row.lease, []).append((model.NodeId(row.node), row.gpus))
    return {lease: tuple(shares) for lease, shares in found.items()}


def histories(session: Session, rows: Iterable[Lease]) -> dict[str, tuple[model.Span, ...]]:
    """The sizes before its present one of each lease that was resized while it ran."""
    ids = [row.id for row in rows if row.resized_at is not None]
    if not ids:
        return {}
    query = select(LeaseSpan).where(col(LeaseSpan.lease).in_(ids)).order_by(col(LeaseSpan.lease), col(LeaseSpan.since))
    found: dict[str, tuple[model.Span, ...]] = {}
    for row in session.exec(query):
        span = model.Span(gpus=row.gpus, starts_at=model.Instant(row.since), ends_at=model.Instant(row.until))
        found[row.lease] = (*found.get(row.lease, ()), span)
    return found


class Edges(NamedTuple):
    """What a pool does at a lease's end: how long before it extending closes, never in its grace; and the gap after it."""

    closes_s: int
    gap_s: int


def edges(session: Session, pools: Iterable[str]) -> dict[str, Edges]:
    """By pool."""
    found = session.exec(
        select(Pool.name, Pool.extension_closes_s, Pool.gap_s).where(col(Pool.name).in_(set(pools)))
    ).all()
    return {name: Edges(closes, gap_s) for name, closes, gap_s in found}


def with_core(session: Session, rows: Sequence[Lease]) -> list[tuple[Lease, model.Lease]]:
    """Each row beside its core value."""
    placed = placements(session, [row.id for row in rows])
    spans = histories(session, rows)
    return [(row, to_core(row, placed.get(row.id, ()), spans.get(row.id, ()))) for row in rows]


def booked(session: Session, pool: str, of: Collection[str]) -> dict[str, list[model.Lease]]:
    """The leases of each of these companies in the pool that count against its quota."""
    query = select(Lease).where(
        col(Lease.company).in_(of),
        col(Lease.pool) == pool,
        col(Lease.state).in_(BOOKED),
        col(Lease.tier) == model.Tier.RESERVED.value,
    )
    found: dict[str, list[model.Lease]] = {company: [] for company in of}
    for _, lease in with_core(session, session.exec(query).all()):
        found[lease.company].append(lease)
    return found


def row(session: Session, lease_id: str, *, actor: Actor, lock: bool = False) -> Lease:
    """The lease if it exists and the actor may see it. Raises UnknownLease, the same for both."""
    query = select(Lease).where(col(Lease.id) == lease_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = session.exec(query).one_or_none()
    if found is None or (actor.company is not None and actor.company != found.company):
        raise UnknownLease(f"there is no lease {lease_id} of yours; `dure lease list` shows those there are")
    return found


def known(session: Session, lease_id: str) -> Lease:
    """A lease that is there, as it is now."""
    return session.get_one(Lease, lease_id, populate_existing=True)


def _instant(value: int | None) -> model.Instant | None:
    return None if value is None else model.Instant(value)
