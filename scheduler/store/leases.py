"""Leases: rows to core values and back, and what people see of them."""

from collections.abc import Iterable, Mapping, Sequence

from sqlmodel import Session, col, select

from dure import wire
from dure.errors import UnknownLease
from scheduler.actor import Actor
from scheduler.core import model
from scheduler.core.quota import HOLDING
from scheduler.store import companies, pages, records
from scheduler.store.tables import Allocation, Decision, Lease, LeaseEvent, PlacementRow
from scheduler.store.times import to_wire

BOOKED = tuple(sorted(state.value for state in HOLDING))
"""States in which a lease counts against its company's quota."""


def to_core(row: Lease, placement: model.Placement) -> model.Lease:
    """The lease as decisions see it."""
    return model.Lease(
        id=model.LeaseId(row.id),
        company=model.CompanyId(row.company),
        pool=model.PoolId(row.pool),
        shape=shape(row),
        duration_s=row.duration_s,
        state=model.State(row.state),
        promised_start=_instant(row.promised_start),
        starts_at=_instant(row.starts_at),
        ends_at=_instant(row.ends_at),
        stops_at=_instant(row.stops_at),
        started_at=_instant(row.started_at),
        ended_at=_instant(row.ended_at),
        end_cause=None if row.end_cause is None else model.Cause(row.end_cause),
        placement=placement,
    )


def update_row(row: Lease, lease: model.Lease, *, generation: int) -> None:
    """Writes back what deciding and time change of a lease, stamped with the generation that the calendar will see."""
    row.state = lease.state.value
    row.promised_start, row.starts_at, row.ends_at = lease.promised_start, lease.starts_at, lease.ends_at
    row.stops_at, row.started_at, row.ended_at = lease.stops_at, lease.started_at, lease.ended_at
    row.end_cause = None if lease.end_cause is None else lease.end_cause.value
    row.generation = generation


def shape(row: Lease) -> model.Shape:
    if row.gpus is not None:
        return model.Total(gpus=row.gpus)
    assert row.nodes is not None
    assert row.gpus_per_node is not None
    return model.Gang(nodes=row.nodes, gpus_per_node=row.gpus_per_node)


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


def with_core(session: Session, rows: Sequence[Lease]) -> list[tuple[Lease, model.Lease]]:
    """Each row beside its core value."""
    placed = placements(session, [row.id for row in rows])
    return [(row, to_core(row, placed.get(row.id, ()))) for row in rows]


def booked(session: Session, *, company: str, pool: str) -> list[model.Lease]:
    """The company's leases in the pool that count against its quota."""
    query = select(Lease).where(col(Lease.company) == company, col(Lease.pool) == pool, col(Lease.state).in_(BOOKED))
    return [to_core(row, ()) for row in session.exec(query)]


def row(session: Session, lease_id: str, *, actor: Actor, lock: bool = False) -> Lease:
    """The lease if it exists and the actor may see it. Raises UnknownLease, the same for both."""
    query = select(Lease).where(col(Lease.id) == lease_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = session.exec(query).one_or_none()
    if found is None or (actor.company is not None and actor.company != found.company):
        raise UnknownLease(f"there is no lease {lease_id} of yours; `dure lease list` shows those there are")
    return found


def get(session: Session, lease_id: str, *, actor: Actor) -> wire.Lease:
    """Raises UnknownLease."""
    return to_wires(session, [row(session, lease_id, actor=actor)])[0]


def page(
    session: Session,
    *,
    actor: Actor,
    company: str | None = None,
    pool: str | None = None,
    states: Sequence[str] = (),
    after: str | None,
    limit: int,
) -> wire.Page[wire.Lease]:
    """Newest first; a company sees its own alone. Raises UnknownCompany."""
    if company is not None:
        companies.row(session, company)
    query = select(Lease).order_by(col(Lease.id).desc()).limit(limit + 1)
    for column, value in ((Lease.company, actor.company), (Lease.company, company), (Lease.pool, pool)):
        if value is not None:
            query = query.where(col(column) == value)
    if states:
        query = query.where(col(Lease.state).in_(states))
    if after is not None:
        query = query.where(col(Lease.id) < after)
    rows = session.exec(query).all()
    shown = {lease.id: lease for lease in to_wires(session, rows)}
    return pages.page(rows, limit, wire=lambda found: shown[found.id], key=lambda found: found.id)


def events(
    session: Session, lease_id: str, *, actor: Actor, after: str | None, limit: int
) -> wire.Page[wire.LeaseEvent]:
    """What happened to a lease, oldest first. Raises UnknownLease, BadCursor."""
    row(session, lease_id, actor=actor)
    query = select(LeaseEvent).where(col(LeaseEvent.lease) == lease_id).order_by(col(LeaseEvent.seq)).limit(limit + 1)
    if after is not None:
        query = query.where(col(LeaseEvent.seq) > pages.number(after))
    return pages.page(session.exec(query).all(), limit, wire=records.event_to_wire, key=lambda found: str(found.seq))


def to_wires(session: Session, rows: Sequence[Lease]) -> list[wire.Lease]:
    """The leases as people see them, with their placements, GPUs and decisions."""
    ids = [found.id for found in rows]
    placed = placements(session, ids)
    held: dict[str, list[Allocation]] = {}
    query = select(Allocation).where(col(Allocation.lease).in_(ids)).order_by(col(Allocation.node), col(Allocation.gpu))
    for allocation in session.exec(query):
        held.setdefault(allocation.lease, []).append(allocation)
    wanted = select(Decision).where(col(Decision.id).in_([found.decision for found in rows]))
    decisions = {found.id: found for found in session.exec(wanted)}
    return [_wire(found, placed.get(found.id, ()), held.get(found.id, []), decisions) for found in rows]


def _wire(
    found: Lease, placement: model.Placement, held: Sequence[Allocation], decisions: Mapping[str, Decision]
) -> wire.Lease:
    late = None
    if found.started_at is not None and found.promised_start is not None:
        late = max(0, found.started_at - found.promised_start)
    return wire.Lease(
        id=found.id,
        company=found.company,
        pool=found.pool,
        name=found.name,
        shape=wire.Shape(nodes=found.nodes, gpus_per_node=found.gpus_per_node, gpus=found.gpus),
        duration_s=found.duration_s,
        tier="reserved",
        purpose="inference" if found.purpose == "inference" else "training",
        state=wire.LeaseState(found.state),
        asked_at=to_wire(found.asked_at),
        start=to_wire(found.start),
        start_by=to_wire(found.start_by),
        promised_start=to_wire(found.promised_start),
        starts_at=to_wire(found.starts_at),
        ends_at=to_wire(found.ends_at),
        stops_at=to_wire(found.stops_at),
        started_at=to_wire(found.started_at),
        ended_at=to_wire(found.ended_at),
        end_cause=None if found.end_cause is None else wire.EndCause(found.end_cause),
        late_start_s=late,
        late_cause=found.late_cause,
        placement=[wire.NodeShare(node=node, gpus=gpus) for node, gpus in placement],
        gpus=[
            wire.HeldGpu(uuid=allocation.gpu, node=allocation.node, proved_empty_at=to_wire(allocation.closed_at))
            for allocation in held
        ],
        decision=records.decision_to_wire(decisions[found.decision]),
    )


def _instant(value: int | None) -> model.Instant | None:
    return None if value is None else model.Instant(value)
