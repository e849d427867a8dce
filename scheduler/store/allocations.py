"""Allocations: the concrete GPUs that leases hold, one row a GPU, live until the GPU is proved empty."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import update
from sqlmodel import col, func, select

from scheduler.core.lost import Wrong
from scheduler.core.model import Cause, NodeId, Placement
from scheduler.ids import new_id
from scheduler.store import lost_gpus
from scheduler.store.db import Session
from scheduler.store.tables import Allocation, AllocationLoss, Gpu, Lease, Node, NodeHolders


def start(session: Session, lease: str, gpus: Iterable[tuple[str, str]], *, now: float) -> None:
    """Gives GPUs, as (node, uuid), to a lease. The database refuses one that another live allocation holds."""
    for node, gpu in gpus:
        session.add(Allocation(id=new_id("alo", now), lease=lease, gpu=gpu, node=node, opened_at=int(now)))


def end(session: Session, leases: Sequence[str], *, now: float) -> None:
    """Marks what the leases held as over: their agents are told so, and show the GPUs empty."""
    if not leases:
        return
    session.connection().execute(
        update(Allocation)
        .where(col(Allocation.lease).in_(leases), col(Allocation.ended_at).is_(None))
        .values(ended_at=int(now))
        .execution_options(synchronize_session=False)
    )
    lost_gpus.end(session, leases)


def give_back(session: Session, lease: str, placement: Placement, *, at: int) -> None:
    """Takes so many GPUs of each node from a running lease: those that are known to be lost to it, those that are presumed so,
    those that no pod was given, and those on which the newest report shows nobody, before others.
    """
    for node, gpus in placement:
        query = (
            select(Allocation, Node.reading, NodeHolders.holders, AllocationLoss.wrong)
            .join(Node, col(Node.name) == col(Allocation.node))
            .join(Gpu, col(Gpu.uuid) == col(Allocation.gpu))
            .outerjoin(NodeHolders, col(NodeHolders.node) == col(Allocation.node))
            .outerjoin(
                AllocationLoss,
                (col(AllocationLoss.allocation) == col(Allocation.id)) & col(AllocationLoss.until).is_(None),
            )
            .where(col(Allocation.lease) == lease, col(Allocation.node) == node, col(Allocation.ended_at).is_(None))
            .order_by(col(Gpu.index).desc())
        )
        held = [
            (
                _KEPT.get(wrong, 0),
                _has_pod(holders, allocation.gpu),
                processes(reading or [], allocation.gpu),
                allocation,
            )
            for allocation, reading, holders, wrong in session.exec(query)
        ]
        for *_, allocation in sorted(held, key=lambda one: one[:3])[:gpus]:
            allocation.ended_at, allocation.given_back = at, True
            session.add(allocation)
    session.flush()
    lost_gpus.end(session, [lease])


_KEPT: Mapping[str | None, int] = {None: 2, Wrong.NODE_UNKNOWN: 1}
"""What is given back last, by what is wrong with it."""


def _has_pod(holders: Sequence[Mapping[str, Any]] | None, gpu: str) -> bool:
    return any(one["gpu"] == gpu for one in holders or ())


def given_back(session: Session, pool: str, since: int) -> dict[str, dict[int, Placement]]:
    """The GPUs that leases of the pool gave back after `since` while they ran: by lease, when, and how many of which node."""
    query = (
        select(Allocation.lease, Allocation.ended_at, Allocation.node, func.count())
        .join(Lease, col(Lease.id) == col(Allocation.lease))
        .where(col(Lease.pool) == pool, col(Allocation.given_back), col(Allocation.ended_at) > since)
        .group_by(col(Allocation.lease), col(Allocation.ended_at), col(Allocation.node))
        .order_by(col(Allocation.lease), col(Allocation.ended_at), col(Allocation.node))
    )
    found: dict[str, dict[int, Placement]] = {}
    for lease, ended_at, node, count in session.exec(query):
        at = int(ended_at or 0)
        parts = found.setdefault(lease, {})
        parts[at] = (*parts.get(at, ()), (NodeId(node), count))
    return found


def processes(readings: Sequence[dict[str, Any]], gpu: str) -> int:
    """How many processes a report saw on a GPU; 0 where it does not say."""
    reading = next((found for found in readings if found["uuid"] == gpu), {})
    return reading.get("processes") or 0


def why_short(session: Session, node: str, *, now: float) -> Cause:
    """Why a node has fewer GPUs to give than were promised on it."""
    if session.exec(select(Node.state).where(col(Node.name) == node)).one() != "ok":
        return Cause.NODE_UNKNOWN
    live = select(Allocation.ended_at, Lease.stops_at).join(Lease, col(Lease.id) == col(Allocation.lease))
    held = session.exec(live.where(col(Allocation.node) == node, col(Allocation.closed_at).is_(None))).all()
    if any(ended_at is not None for ended_at, _ in held):
        return Cause.GPU_NOT_EMPTY
    if any(stops_at is not None and stops_at <= now for _, stops_at in held):
        return Cause.LEASE_BEFORE_NOT_ENDED
    sick = select(func.count()).select_from(Gpu).where(col(Gpu.node) == node, col(Gpu.present), col(Gpu.health) != "ok")
    return Cause.GPU_UNHEALTHY if session.exec(sick).one() else Cause.GPU_NOT_EMPTY
