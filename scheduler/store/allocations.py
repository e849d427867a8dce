"""Allocations: the concrete GPUs that leases hold, one row a GPU, live until the GPU is proved empty."""

from collections.abc import Iterable, Sequence

from sqlalchemy import update
from sqlmodel import col, func, select

from scheduler.ids import new_id
from scheduler.store.db import Session
from scheduler.store.tables import Allocation, Node


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


def why_short(session: Session, node: str) -> str:
    """Why a node has fewer GPUs to give than were promised on it."""
    if session.exec(select(Node.state).where(col(Node.name) == node)).one() != "ok":
        return "node_unknown"
    unproved = session.exec(
        select(func.count())
        .select_from(Allocation)
        .where(col(Allocation.node) == node, col(Allocation.closed_at).is_(None), col(Allocation.ended_at).is_not(None))
    ).one()
    return "gpu_not_empty" if unproved else "gpu_unhealthy"
