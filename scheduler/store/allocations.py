"""Allocations: the concrete GPUs that leases hold, one row a GPU, live until the GPU is proved empty."""

from collections.abc import Iterable, Sequence

from sqlalchemy import update
from sqlmodel import col, func, select

from scheduler.ids import new_id
from scheduler.store.db import Session
from scheduler.store.tables import Allocation, Gpu, Lease, Node


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


def why_short(session: Session, node: str, *, now: float) -> str:
    """Why a node has fewer GPUs to give than were promised on it."""
    if session.exec(select(Node.state).where(col(Node.name) == node)).one() != "ok":
        return "node_unknown"
    live = select(Allocation.ended_at, Lease.stops_at).join(Lease, col(Lease.id) == col(Allocation.lease))
    held = session.exec(live.where(col(Allocation.node) == node, col(Allocation.closed_at).is_(None))).all()
    if any(ended_at is not None for ended_at, _ in held):
        return "gpu_not_empty"
    if any(stops_at is not None and stops_at <= now for _, stops_at in held):
        return "lease_before_not_ended"
    sick = select(func.count()).select_from(Gpu).where(col(Gpu.node) == node, col(Gpu.present), col(Gpu.health) != "ok")
    return "gpu_unhealthy" if session.exec(sick).one() else "gpu_not_empty"
