"""Leases as people see them: with their placements, GPUs, decisions, and what became of them since."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from dure import wire
from scheduler.actor import Actor
from scheduler.core import model
from scheduler.core.extend import closes_at, is_extendable
from scheduler.store import companies, drains, leases, lost_gpus, pages, preemptions, records, slips
from scheduler.store.tables import Allocation, Decision, Lease, LeaseEvent
from scheduler.store.times import to_wire

Expected = Callable[[str], Mapping[model.LeaseId, model.Instant | None]]
"""When a pool's waiting leases are expected to start."""


def get(session: Session, lease_id: str, *, actor: Actor, expected: Expected | None = None) -> wire.Lease:
    """Raises UnknownLease. Without `expected` what is scheduled is expected at its slot."""
    return to_wires(session, [leases.row(session, lease_id, actor=actor)], expected)[0]


def page(  # noqa: PLR0913 (one parameter a filter)
    session: Session,
    *,
    actor: Actor,
    company: str | None = None,
    pool: str | None = None,
    name: str | None = None,
    states: Sequence[str] = (),
    after: str | None,
    limit: int,
    expected: Expected | None = None,
) -> wire.Page[wire.Lease]:
    """Newest first; a company sees its own alone. Raises UnknownCompany."""
    if company is not None:
        companies.row(session, company)
    query = select(Lease).order_by(col(Lease.id).desc()).limit(limit + 1)
    wanted = ((Lease.company, actor.company), (Lease.company, company), (Lease.pool, pool), (Lease.name, name))
    for column, value in wanted:
        if value is not None:
            query = query.where(col(column) == value)
    if states:
        query = query.where(col(Lease.state).in_(states))
    if after is not None:
        query = query.where(col(Lease.id) < after)
    rows = session.exec(query).all()
    shown = {lease.id: lease for lease in to_wires(session, rows, expected)}
    return pages.page(rows, limit, wire=lambda found: shown[found.id], key=lambda found: found.id)


def events(
    session: Session, lease_id: str, *, actor: Actor, after: str | None, limit: int
) -> wire.Page[wire.LeaseEvent]:
    """What happened to a lease, oldest first. Raises UnknownLease, BadCursor."""
    leases.row(session, lease_id, actor=actor)
    query = select(LeaseEvent).where(col(LeaseEvent.lease) == lease_id).order_by(col(LeaseEvent.seq)).limit(limit + 1)
    if after is not None:
        query = query.where(col(LeaseEvent.seq) > pages.number(after))
    return pages.page(session.exec(query).all(), limit, wire=records.event_to_wire, key=lambda found: str(found.seq))


def to_wires(session: Session, rows: Sequence[Lease], expected: Expected | None = None) -> list[wire.Lease]:
    """The leases as people see them, with their placements, GPUs and decisions."""
    ids = [found.id for found in rows]
    cores = {lease.id: lease for _, lease in leases.with_core(session, rows)}
    at_end = leases.edges(session, [found.pool for found in rows])
    held: dict[str, list[Allocation]] = {}
    query = select(Allocation).where(col(Allocation.lease).in_(ids)).order_by(col(Allocation.node), col(Allocation.gpu))
    for allocation in session.exec(query):
        held.setdefault(allocation.lease, []).append(allocation)
    wanted = select(Decision).where(col(Decision.id).in_([found.decision for found in rows]))
    decisions = {found.id: records.decision_to_wire(found) for found in session.exec(wanted)}
    # What slipped has the cause of it; so a list without any looks up nothing.
    slipped = slips.of(session, [found.id for found in rows if found.late_cause is not None])
    lost = lost_gpus.shown(session, [found.id for found in rows if found.started_at is not None])
    preempted = preemptions.of(session, cores.values())
    ahead = drains.ahead_of(session, cores.values(), {pool: found.gap_s for pool, found in at_end.items()})
    return [
        to_wire_lease(
            cores[model.LeaseId(found.id)],
            decisions.get(found.decision) or records.forgotten(found),
            terms=Terms.of(found, at_end[found.pool].closes_s),
            estimate=_estimate(cores[model.LeaseId(found.id)], expected),
            since=Since(
                late_cause=found.late_cause,
                held=held.get(found.id, ()),
                slips=slipped.get(found.id, ()),
                lost=lost.get(found.id, ()),
                drain_ahead=ahead.get(model.LeaseId(found.id)),
                preemption=preempted.get(model.LeaseId(found.id)),
            ),
        )
        for found in rows
    ]


def _estimate(lease: model.Lease, expected: Expected | None) -> model.Instant | None:
    """Only what waits is expected."""
    if lease.state not in (model.State.QUEUED, model.State.SCHEDULED):
        return None
    known = {} if expected is None else expected(lease.pool)
    return known.get(lease.id, lease.starts_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was asked with a lease that deciding does not look at, and when its pool closes extending."""

    name: str | None
    asked_s: int
    renews: bool
    min_size: int | None
    max_size: int | None
    closes_s: int
    all_at_once: bool = False
    extendable: bool = True

    @classmethod
    def of(cls, row: Lease, closes_s: int) -> "Terms":
        return cls(
            name=row.name,
            asked_s=row.asked_s,
            renews=row.renew_s is not None,
            min_size=row.min_size,
            max_size=row.max_size,
            closes_s=closes_s,
            all_at_once=row.all_at_once,
            extendable=row.extendable,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What became of a lease since it was decided, that deciding does not look at."""

    late_cause: str | None = None
    held: Sequence[Allocation] = ()
    slips: Sequence[wire.Slip] = ()
    lost: Sequence[wire.LostGpu] = ()
    drain_ahead: wire.DrainAhead | None = None
    preemption: wire.Preemption | None = None


def to_wire_lease(
    lease: model.Lease,
    decision: wire.Decision,
    *,
    terms: Terms,
    estimate: model.Instant | None,
    since: Since = Since(),
) -> wire.Lease:
    """A lease as people see it."""
    late = None
    if lease.started_at is not None and lease.promised_start is not None:
        late = max(0, lease.started_at - lease.promised_start)
    return wire.Lease(
        id=lease.id,
        company=lease.company,
        pool=lease.pool,
        name=terms.name,
        shape=wire_shape(lease.shape),
        duration_s=lease.duration_s,
        tier=lease.tier.value,
        purpose=lease.purpose.value,
        notice_s=lease.notice_s,
        state=wire.LeaseState(lease.state.value),
        asked_at=to_wire(lease.asked_at),
        start=to_wire(lease.start),
        start_by=to_wire(lease.start_by),
        promised_start=to_wire(lease.promised_start),
        first_promised_start=since.slips[0].promised_start_before if since.slips else to_wire(lease.promised_start),
        slipped_s=slips.total_s(since.slips),
        slips=list(since.slips),
        starts_at=to_wire(lease.starts_at),
        estimated_start=to_wire(estimate),
        ends_at=to_wire(lease.ends_at),
        extension_closes=to_wire(closes_at(lease, terms.closes_s))
        if terms.extendable and is_extendable(lease)
        else None,
        drain_ahead=since.drain_ahead,
        all_at_once=terms.all_at_once,
        extendable=terms.extendable,
        renew=terms.renews,
        renew_s=terms.asked_s if terms.renews else None,
        min=terms.min_size,
        max=terms.max_size,
        sizes=_sizes(lease),
        stops_at=to_wire(lease.stops_at),
        preemption=since.preemption,
        started_at=to_wire(lease.started_at),
        ended_at=to_wire(lease.ended_at),
        end_cause=None if lease.end_cause is None else wire.EndCause(lease.end_cause.value),
        late_start_s=late,
        late_cause=since.late_cause,
        placement=shares(lease.placement),
        gpus=[_held(allocation) for allocation in since.held],
        degraded=any(one.until is None for one in since.lost),
        lost=list(since.lost),
        decision=decision,
    )


def _held(allocation: Allocation) -> wire.HeldGpu:
    return wire.HeldGpu(
        uuid=allocation.gpu,
        node=allocation.node,
        given_back_at=to_wire(allocation.ended_at) if allocation.given_back else None,
        proved_empty_at=to_wire(allocation.closed_at),
    )


def with_end(shown: wire.Lease, lease: model.Lease, closes_s: int, drain_ahead: wire.DrainAhead | None) -> wire.Lease:
    """A lease as it is shown, with another end, size and placement."""
    return shown.model_copy(
        update={
            "duration_s": lease.duration_s,
            "shape": wire_shape(lease.shape),
            "ends_at": to_wire(lease.ends_at),
            "stops_at": to_wire(lease.stops_at),
            "extension_closes": to_wire(closes_at(lease, closes_s)),
            "drain_ahead": drain_ahead,
            "placement": shares(lease.placement),
            "sizes": _sizes(lease),
        }
    )


def shares(placement: model.Placement) -> list[wire.NodeShare]:
    return [wire.NodeShare(node=node, gpus=gpus) for node, gpus in placement]


def _sizes(lease: model.Lease) -> list[wire.LeaseSize]:
    return [
        wire.LeaseSize(gpus=span.gpus, since=to_wire(span.starts_at), until=to_wire(span.ends_at))
        for span in lease.history
    ]


def wire_shape(shape: model.Shape) -> wire.Shape:
    if isinstance(shape, model.Gang):
        return wire.Shape(nodes=shape.nodes, gpus_per_node=shape.gpus_per_node)
    return wire.Shape(gpus=shape.gpus)
