"""Nodes: enrolled by an admin, known through their agents' reports."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlmodel import Session, col, select

from dure import wire
from dure.errors import AlreadyExists, UnknownNode
from scheduler.actor import Actor
from scheduler.store import adding, audit, drains, gpus, identities, pages, proofs, tokens
from scheduler.store.tables import Gpu, Node
from scheduler.store.times import to_wire


def enroll(
    session: Session, body: wire.NodeEnroll, *, actor: Actor, now: float, renew: bool = False
) -> wire.IssuedToken:
    """Makes the node and its token; `renew` revokes an enrolled node's tokens and makes a new one.

    Raises AlreadyExists for an enrolled node without `renew`.
    """
    adding.alone(session, "node")
    found = session.get(Node, body.name)
    if found is not None and not renew:
        raise AlreadyExists(
            f"node {body.name} is enrolled already; `dure node enroll {body.name} --renew` makes a new token"
        )
    if found is None:
        session.add(Node(name=body.name, enrolled_at=int(now)))
    else:
        found.vouched_by = None
    session.flush()
    ended = tokens.revoke_of_node(session, body.name, actor=actor, now=now)
    issued = tokens.issue(session, wire.TokenIssue(role=wire.Role.NODE, node=body.name), actor=actor, now=now)
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.NODE_ENROLL,
        subject=body.name,
        at=now,
        before={"tokens": ended} if found is not None else None,
        after={"tokens": [issued.token.id]},
    )
    return issued


def row(session: Session, name: str) -> Node:
    """Raises UnknownNode."""
    found = session.get(Node, name)
    if found is None:
        raise UnknownNode(f"there is no node {name}; an admin adds it with `dure node enroll {name}`")
    return found


def get(session: Session, name: str, *, now: float) -> wire.Node:
    """Raises UnknownNode."""
    found = row(session, name)
    planned = drains.wires(session, [name], now=now)
    shown, whys = identities.of(session, [found]), proofs.unproved(session, [name])
    return _wire(found, gpus.states(session, node=name), now, planned, shown, whys)


def page(session: Session, *, after: str | None, limit: int, now: float) -> wire.Page[wire.Node]:
    """By name."""
    query = select(Node).where(col(Node.name) > (after or "")).order_by(col(Node.name)).limit(limit + 1)
    rows = session.exec(query).all()
    names = [found.name for found in rows]
    planned, whys = drains.wires(session, names, now=now), proofs.unproved(session, names)
    shown = identities.of(session, rows)
    return pages.page(
        rows,
        limit,
        wire=lambda found: _wire(found, gpus.states(session, node=found.name), now, planned, shown, whys),
        key=lambda found: found.name,
    )


def _wire(
    found: Node,
    states: Iterable[tuple[Gpu, wire.GpuState, str | None]],
    now: float,
    planned: Mapping[str, list[wire.Drain]],
    identities_: Mapping[str, wire.NodeIdentity],
    whys: Mapping[str, str],
) -> wire.Node:
    readings = {reading["uuid"]: reading for reading in found.reading or []}
    return wire.Node(
        name=found.name,
        state=wire.NodeState(found.state),
        enrolled_at=to_wire(found.enrolled_at),
        last_report_at=None if found.last_report_at is None else to_wire(int(found.last_report_at)),
        silent_s=None if found.last_report_at is None else max(0, int(now - found.last_report_at)),
        clock_offset_s=found.clock_offset_s,
        agent_version=found.agent_version,
        driver_version=found.driver_version,
        cuda_version=found.cuda_version,
        rack=found.rack,
        island=found.island,
        drains=planned.get(found.name, []),
        identity=identities_.get(found.name),
        gpus=[_gpu(gpu, state, lease, readings.get(gpu.uuid, {}), whys.get(gpu.uuid)) for gpu, state, lease in states],
    )


def _gpu(gpu: Gpu, state: wire.GpuState, lease: str | None, reading: dict[str, Any], unproved: str | None) -> wire.Gpu:
    return wire.Gpu(
        uuid=gpu.uuid,
        index=gpu.index,
        product=gpu.product,
        pool=gpu.pool,
        state=state,
        lease=lease,
        memory_total_bytes=reading.get("memory_total_bytes"),
        memory_used_bytes=reading.get("memory_used_bytes"),
        utilization_percent=reading.get("utilization_percent"),
        power_milliwatts=reading.get("power_milliwatts"),
        temperature_celsius=reading.get("temperature_celsius"),
        processes=reading.get("processes"),
        health=gpu.health,
        unproved=unproved,
    )
