"""Pools: interchangeable GPUs of one product."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from pydantic import TypeAdapter
from sqlmodel import Session, col, func, select

from dure import wire
from dure.errors import AlreadyExists, TooMany, WrongState
from dure.wire.policies import MAX_POOLS, differences
from scheduler.actor import Actor
from scheduler.store import audit, books, changes, clusters, fleet, floors, generation, gpus, pages, policies
from scheduler.store.leases import BOOKED
from scheduler.store.tables import Lease, Pool, PoolNode
from scheduler.store.times import to_wire


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gpus:
    """A pool's GPUs by state, and in `draining` those of them that are on nodes out of service."""

    states: Counter[wire.GpuState] = field(default_factory=Counter)
    draining: Counter[wire.GpuState] = field(default_factory=Counter)


def add(session: Session, body: wire.PoolCreate, *, actor: Actor, now: float) -> wire.Pool:
    """GPUs of the product that are already reported join at once. Raises AlreadyExists, TooMany."""
    live = policies.alone(session)
    if session.get(Pool, body.name) is not None:
        raise AlreadyExists(f"pool {body.name} exists already; choose another name, or go on with it")
    taken = session.exec(select(Pool).where(col(Pool.product) == body.product)).first()
    if taken is not None:
        raise AlreadyExists(f"product {body.product!r} is pool {taken.name} already; a product belongs to one pool")
    if len(live.pools) >= MAX_POOLS:
        raise TooMany(f"there are {MAX_POOLS} pools, and no policy says more")
    wanted = _joined(live, body)
    number = policies.write(session, wanted, differences(live, wanted), actor=actor, now=now)
    row = Pool(**body.model_dump(), created_at=int(now), policy_number=number)
    session.add(row)
    session.flush()
    changes.write(session, row.name, row.generation, [books.policy(row)], at=now)
    fleet.adopt(session, row, now=now)
    audit.record(
        session, actor=actor, action=wire.AuditAction.POOL_ADD, subject=body.name, at=now, after=body.model_dump()
    )
    return _shown(session, row, now)


def _joined(live: wire.Policy, body: wire.PoolCreate) -> wire.PolicyPut:
    """The policy with the new pool's."""
    mine = wire.PoolPolicy.model_validate(body.model_dump(exclude={"name", "product", "cluster", "resource"}))
    return wire.PolicyPut(version=live.version, programme=live.programme, pools={**live.pools, body.name: mine})


def change(session: Session, name: str, body: wire.PoolChange, *, actor: Actor, now: float) -> wire.Pool:
    """Says where its leases are enforced from now on. Raises UnknownPool, and WrongState while some are booked
    where they are enforced: what runs would be ended at once as explained by nothing, or left running with nobody to end it.
    Where that is a cluster that was never heard nothing runs, and a name that somebody mistyped is corrected.
    """
    found = generation.lock(session, name)
    if found.cluster is not None and clusters.was_heard(session, found.cluster):
        _nothing_is_booked(session, name, found.cluster)
    before = {"cluster": found.cluster, "resource": found.resource}
    if "cluster" in body.model_fields_set:
        found.cluster = body.cluster
    if body.resource is not None:
        found.resource = body.resource
    after = {"cluster": found.cluster, "resource": found.resource}
    session.add(found)
    session.flush()
    generation.bump(session, name)  # whoever enforces its leases looks again
    session.refresh(found)
    audit.record(
        session, actor=actor, action=wire.AuditAction.POOL_CHANGE, subject=name, at=now, before=before, after=after
    )
    return _shown(session, found, now)


def _nothing_is_booked(session: Session, name: str, cluster: str) -> None:
    query = select(func.count()).select_from(Lease)
    booked = session.exec(query.where(col(Lease.pool) == name, col(Lease.state).in_(BOOKED))).one()
    if booked:
        raise WrongState(
            f"pool {name} has {booked} leases that run or are scheduled, and pods of theirs may be in cluster {cluster}, which a "
            "scheduler has heard: say it again once they are over",
            numbers={"leases": booked},
        )


def names(session: Session, limit: int | None = None) -> list[str]:
    """The names of the first pools, or of all, in order."""
    return list(session.exec(select(Pool.name).order_by(col(Pool.name)).limit(limit)))


def row(session: Session, name: str) -> Pool:
    """Raises UnknownPool."""
    found = session.get(Pool, name)
    if found is None:
        raise generation.unknown(name)
    return found


def get(session: Session, name: str, *, now: float) -> wire.Pool:
    """Raises UnknownPool."""
    return _shown(session, row(session, name), now)


def page(session: Session, *, after: str | None, limit: int, now: float) -> wire.Page[wire.Pool]:
    """By name."""
    query = select(Pool).where(col(Pool.name) > (after or "")).order_by(col(Pool.name)).limit(limit + 1)
    rows = session.exec(query).all()
    present = _gpus(session, [found.name for found in rows[:limit]], now)
    return pages.page(
        rows, limit, wire=lambda found: _wire(session, found, present[found.name]), key=lambda found: found.name
    )


def _shown(session: Session, found: Pool, now: float) -> wire.Pool:
    return _wire(session, found, _gpus(session, [found.name], now)[found.name])


def _gpus(session: Session, asked: Collection[str], now: float) -> dict[str, _Gpus]:
    """By pool, of each of them."""
    found = {name: _Gpus() for name in asked}
    for pool, state, draining, count in gpus.counts(session, asked, now=now):
        if pool is not None:
            found[pool].states[state] += count
            found[pool].draining[state] += count if draining else 0
    return found


def _wire(session: Session, found: Pool, present: _Gpus) -> wire.Pool:
    nodes = session.exec(
        select(func.count()).select_from(PoolNode).where(col(PoolNode.pool) == found.name, col(PoolNode.nominal) > 0)
    ).one()
    queued = session.exec(
        select(func.count()).select_from(Lease).where(col(Lease.pool) == found.name, col(Lease.state) == "queued")
    ).one()
    return wire.Pool(
        name=found.name,
        product=found.product,
        cluster=found.cluster,
        cluster_state=clusters.state(session, found.cluster),
        resource=found.resource,
        gap_s=found.gap_s,
        grace_s=found.grace_s,
        extension_closes_s=found.extension_closes_s,
        renews_before_s=found.renews_before_s,
        empty_memory_bytes=found.empty_memory_bytes,
        seen_empty_bytes=floors.seen(session, found.name),
        rule=_rule(found.rule),
        slack_ppm=found.slack_ppm,
        reserve_ppm=found.reserve_ppm,
        reserve_over_s=found.reserve_over_s,
        walk_in_ppm=found.walk_in_ppm,
        walk_in_within_s=found.walk_in_within_s,
        seniority_s=found.seniority_s,
        loss_grace_s=found.loss_grace_s,
        no_show_after_s=found.no_show_after_s,
        keeps=found.keeps,
        idle_after_s=found.idle_after_s,
        idle_below_ppm=found.idle_below_ppm,
        inference_idle_after_s=found.inference_idle_after_s,
        inference_idle_below_ppm=found.inference_idle_below_ppm,
        violations=on_violation(found.violations),
        policy_number=found.policy_number,
        contended=contended(found.contended),
        contended_ppm=found.contended_ppm,
        half_life_s=found.half_life_s,
        entry_s=found.entry_s,
        spot_least_s=found.spot_least_s,
        created_at=to_wire(found.created_at),
        generation=found.generation,
        nodes=nodes,
        gpus={state: present.states[state] for state in wire.GpuState if state is not wire.GpuState.UNPOOLED},
        free_draining=present.draining[wire.GpuState.FREE],
        queued=queued,
    )


def contended(name: str) -> wire.Contended:
    """The name of a rule as the wire has it."""
    return TypeAdapter(wire.Contended).validate_python(name)


def on_violation(name: str) -> wire.OnViolation:
    """What a pool does about violations as the wire has it."""
    return TypeAdapter(wire.OnViolation).validate_python(name)


def _rule(name: str) -> wire.Rule:
    return TypeAdapter(wire.Rule).validate_python(name)
