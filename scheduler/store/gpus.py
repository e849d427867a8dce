"""Where each GPU stands now: free, leased, cleaning, quarantined, unhealthy, unknown or unpooled."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, select

from dure.wire import GpuState
from scheduler.store.drains import DRAINED_NOW
from scheduler.store.tables import Allocation, Gpu, Node, Pool

_COUNTS = text(
    f"""
    SELECT g.pool, g.node IN ({DRAINED_NOW}) AS draining,
        a.gpu IS NOT NULL AS held, a.ended_at IS NOT NULL AS over, g.quarantined, g.health, n.state AS node_state,
        count(*) AS gpus
    FROM gpu g JOIN node n ON n.name = g.node LEFT JOIN allocation a ON a.gpu = g.uuid AND a.closed_at IS NULL
    WHERE g.present AND (CAST(:pools AS text[]) IS NULL OR g.pool = ANY(:pools)) GROUP BY 1, 2, 3, 4, 5, 6, 7
    """
)


def states(session: Session, *, node: str) -> list[tuple[Gpu, GpuState, str | None]]:
    """Every present GPU of the node with its state and the lease that holds it, by index."""
    query = (
        select(Gpu, Node.state, Allocation.lease, Allocation.ended_at)
        .join(Node, col(Node.name) == col(Gpu.node))
        .outerjoin(Allocation, (col(Allocation.gpu) == col(Gpu.uuid)) & col(Allocation.closed_at).is_(None))
        .where(col(Gpu.present), col(Gpu.node) == node)
        .order_by(col(Gpu.index))
    )
    return [(gpu, _state(gpu, at_node, lease, ended), lease) for gpu, at_node, lease, ended in session.exec(query)]


def counts(
    session: Session, pools: Collection[str] | None = None, *, now: float
) -> list[tuple[str | None, GpuState, bool, int]]:
    """How many present GPUs of each of the pools are in a state, and whether their nodes are out of service; of all pools, and of
    none, where they are not said. One may be said in several parts.
    """
    asked = {"now": int(now), "pools": None if pools is None else list(pools)}
    return [
        (
            row.pool,
            _which(row.pool, row.held, row.over, row.quarantined, row.health, row.node_state),
            row.draining,
            row.gpus,
        )
        for row in session.connection().execute(_COUNTS, asked)
    ]


def _state(gpu: Gpu, node_state: str, lease: str | None, ended_at: int | None) -> GpuState:
    return _which(gpu.pool, lease is not None, ended_at is not None, gpu.quarantined, gpu.health, node_state)


def _which(pool: str | None, held: bool, over: bool, quarantined: bool, health: str, node_state: str) -> GpuState:
    if pool is None:
        return GpuState.UNPOOLED
    if held and not over:
        return GpuState.LEASED
    if quarantined:
        return GpuState.QUARANTINED
    if health != "ok":
        return GpuState.UNHEALTHY
    if node_state != "ok":
        return GpuState.UNKNOWN
    return GpuState.CLEANING if held else GpuState.FREE


def grantable(session: Session, pool: str, nodes: Sequence[str]) -> dict[str, list[str]]:
    """Per node, the GPUs that a lease can be given now, by index: healthy, proved empty, on a node that reports."""
    live = select(Allocation.gpu).where(col(Allocation.closed_at).is_(None))
    query = (
        select(Gpu.node, Gpu.uuid, Node.reading, Pool.empty_memory_bytes)
        .join(Node, col(Node.name) == col(Gpu.node))
        .join(Pool, col(Pool.name) == col(Gpu.pool))
        .where(
            col(Gpu.pool) == pool,
            col(Gpu.node).in_(nodes),
            col(Node.state) == "ok",
            col(Gpu.present),
            col(Gpu.health) == "ok",
            ~col(Gpu.quarantined),
            col(Gpu.uuid).not_in(live),
        )
        .order_by(col(Gpu.node), col(Gpu.index))
    )
    found: dict[str, list[str]] = {}
    for node, uuid, readings, floor in session.exec(query):
        if not _in_use(readings or [], uuid, floor):
            found.setdefault(node, []).append(uuid)
    return found


def _in_use(readings: Sequence[dict[str, Any]], uuid: str, floor: int) -> bool:
    """Whether the newest reading shows somebody on a GPU that no lease holds."""
    reading = next((found for found in readings if found["uuid"] == uuid), {})
    return (reading.get("processes") or 0) > 0 or (reading.get("memory_used_bytes") or 0) > floor
