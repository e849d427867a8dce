"""Pools: interchangeable GPUs of one product."""

from collections import Counter
from typing import Any

from pydantic import TypeAdapter
from sqlmodel import Session, col, func, select

from dure import wire
from dure.errors import AlreadyExists
from scheduler.actor import Actor
from scheduler.store import adding, audit, books, changes, fleet, generation, gpus, pages
from scheduler.store.tables import Lease, Pool, PoolNode
from scheduler.store.times import to_wire


def add(session: Session, body: wire.PoolCreate, *, actor: Actor, now: float) -> wire.Pool:
    """GPUs of the product that are already reported join at once. Raises AlreadyExists."""
    adding.alone(session, "pool")
    if session.get(Pool, body.name) is not None:
        raise AlreadyExists(f"pool {body.name} exists already; choose another name, or go on with it")
    taken = session.exec(select(Pool).where(col(Pool.product) == body.product)).first()
    if taken is not None:
        raise AlreadyExists(f"product {body.product!r} is pool {taken.name} already; a product belongs to one pool")
    row = Pool(**body.model_dump(), created_at=int(now))
    session.add(row)
    session.flush()
    changes.write(session, row.name, row.generation, [books.policy(row)], at=now)
    fleet.adopt(session, row, now=now)
    audit.record(
        session, actor=actor, action=wire.AuditAction.POOL_ADD, subject=body.name, at=now, after=body.model_dump()
    )
    return _wire(session, row)


def change_policy(session: Session, name: str, body: wire.PolicyChange) -> tuple[Pool, dict[str, Any]]:
    """The locked pool with what is said changed, and what that was before. Raises UnknownPool."""
    found = generation.lock(session, name)
    said = body.said()
    before = {field: getattr(found, field) for field in said}
    for field, value in said.items():
        setattr(found, field, value)
    session.add(found)
    session.flush()
    return found, before


def names(session: Session, limit: int) -> list[str]:
    """The names of the first pools, in order."""
    return list(session.exec(select(Pool.name).order_by(col(Pool.name)).limit(limit)))


def row(session: Session, name: str) -> Pool:
    """Raises UnknownPool."""
    found = session.get(Pool, name)
    if found is None:
        raise generation.unknown(name)
    return found


def get(session: Session, name: str) -> wire.Pool:
    """Raises UnknownPool."""
    return _wire(session, row(session, name))


def page(session: Session, *, after: str | None, limit: int) -> wire.Page[wire.Pool]:
    """By name."""
    query = select(Pool).where(col(Pool.name) > (after or "")).order_by(col(Pool.name)).limit(limit + 1)
    rows = session.exec(query).all()
    return pages.page(rows, limit, wire=lambda found: _wire(session, found), key=lambda found: found.name)


def _wire(session: Session, found: Pool) -> wire.Pool:
    states = Counter(state for _, state, _ in gpus.states(session, pool=found.name))
    nodes = session.exec(
        select(func.count()).select_from(PoolNode).where(col(PoolNode.pool) == found.name, col(PoolNode.nominal) > 0)
    ).one()
    queued = session.exec(
        select(func.count()).select_from(Lease).where(col(Lease.pool) == found.name, col(Lease.state) == "queued")
    ).one()
    return wire.Pool(
        name=found.name,
        product=found.product,
        gap_s=found.gap_s,
        grace_s=found.grace_s,
        extension_closes_s=found.extension_closes_s,
        renews_before_s=found.renews_before_s,
        empty_memory_bytes=found.empty_memory_bytes,
        rule=_rule(found.rule),
        slack_ppm=found.slack_ppm,
        reserve_ppm=found.reserve_ppm,
        reserve_over_s=found.reserve_over_s,
        seniority_s=found.seniority_s,
        contended=contended(found.contended),
        contended_ppm=found.contended_ppm,
        half_life_s=found.half_life_s,
        entry_s=found.entry_s,
        created_at=to_wire(found.created_at),
        generation=found.generation,
        nodes=nodes,
        gpus={state: states[state] for state in wire.GpuState if state is not wire.GpuState.UNPOOLED},
        queued=queued,
    )


def contended(name: str) -> wire.Contended:
    """The name of a rule as the wire has it."""
    return TypeAdapter(wire.Contended).validate_python(name)


def _rule(name: str) -> wire.Rule:
    return TypeAdapter(wire.Rule).validate_python(name)
