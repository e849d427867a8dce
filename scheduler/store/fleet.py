"""What nodes can give to pools. Every change of capacity goes through here, under the locks of the pools it touches."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, func, select

from dure.errors import GpuClaimed
from dure.wire import GpuReading
from scheduler.core.codec import Item
from scheduler.store import adding, books, changes, drains, edges, generation, lost_gpus, violations
from scheduler.store.tables import Gpu, Node, Pool, PoolNode


def adopt(session: Session, pool: Pool, *, now: float) -> None:
    """Takes GPUs of the pool's product that belong to no pool yet into the new pool."""
    mine = col(Gpu.product) == pool.product
    session.connection().execute(
        update(Gpu)
        .where(mine, col(Gpu.pool).is_(None))
        .values(pool=pool.name)
        .execution_options(synchronize_session=False)
    )
    nodes = session.exec(select(Gpu.node).where(col(Gpu.pool) == pool.name).distinct()).all()
    recount(session, pools=[pool.name], nodes=nodes, now=now)


def report_gpus(
    session: Session,
    node: str,
    readings: Sequence[GpuReading],
    *,
    heard_at: float | None = None,
    restarted: bool = False,
    now: float,
) -> None:
    """Writes which GPUs the node has and how they are; their pools follow from their products. `heard_at` is when it was heard
    before, and `restarted` says that its machine was since then.

    Alone with `adopt` and itself: what belongs where is read after the lock was had. Raises GpuClaimed.
    """
    adding.alone(session, "pool")
    left = _left(session, node, [reading.uuid for reading in readings])
    products = {reading.product for reading in readings}
    by_product = dict(session.exec(select(Pool.product, Pool.name).where(col(Pool.product).in_(products))).all())
    before = session.exec(
        select(Gpu.pool).where(col(Gpu.node).in_([node, *left]), col(Gpu.pool).is_not(None)).distinct()
    ).all()
    touched = sorted({*by_product.values(), *(pool for pool in before if pool is not None)})
    generation.lock_all(session, touched)
    _write(session, node, readings, by_product)
    violations.close(session, node, but_present=True, now=now)
    _set_state(session, node, "ok")
    recount(session, pools=touched, nodes=[node, *left], now=now)
    lost_gpus.review(session, [node], heard_at=heard_at, restarted=restarted, now=now)
    lost_gpus.review(session, left, now=now)


def hold_pools_for(session: Session, nodes: Sequence[str], products: Iterable[str]) -> None:
    """Locks every pool that reports of these nodes, with GPUs of these products, may change: for who takes several of them in one
    transaction, and would lock them in an order of his own.
    """
    adding.alone(session, "pool")
    named = session.exec(select(Pool.name).where(col(Pool.product).in_(products))).all()
    given = session.exec(select(PoolNode.pool).where(col(PoolNode.node).in_(nodes)).distinct()).all()
    generation.lock_all(session, {*named, *given})


def _left(session: Session, node: str, uuids: Sequence[str]) -> list[str]:
    """The nodes that had one of these GPUs before. One that reports it still keeps it; a silent one does not."""
    query = (
        select(Gpu.uuid, Gpu.node, Gpu.present, Node.state)
        .join(Node, col(Node.name) == col(Gpu.node))
        .where(col(Gpu.uuid).in_(uuids), col(Gpu.node) != node)
    )
    found = session.exec(query).all()
    for uuid, owner, present, state in found:
        if present and state == "ok":
            raise GpuClaimed(
                f"GPU {uuid} is reported by node {owner}; one GPU is on one node. If it was moved, have {owner} report "
                "without it, or be silent, first"
            )
    return sorted({owner for _, owner, _, _ in found})


def lock_pools_of(session: Session, node: str) -> list[str]:
    """Locks the pools that the node gives GPUs to; their names."""
    touched = pools_of(session, node)
    generation.lock_all(session, touched)
    return touched


def hold_pools_of(session: Session, node: str) -> list[str]:
    """The same for who changes what each of them must know of the node: it joins no other until the transaction ends."""
    adding.alone(session, "pool")
    return lock_pools_of(session, node)


def pools_of(session: Session, node: str) -> list[str]:
    """The pools that the node gives GPUs to, by name."""
    query = select(PoolNode.pool).where(col(PoolNode.node) == node).order_by(col(PoolNode.pool))
    return list(session.exec(query).all())


def set_silent(session: Session, node: str, *, now: float) -> None:
    """Marks a node `unknown`: it gives nothing to its pools, and what is held of it is presumed lost."""
    touched = lock_pools_of(session, node)
    _set_state(session, node, "unknown")
    recount(session, pools=touched, nodes=[node], now=now)
    heard_at = session.exec(select(Node.last_report_at).where(col(Node.name) == node)).one()
    lost_gpus.review(session, [node], heard_at=heard_at, now=now)
    violations.close(session, node, but_present=False, now=now)


def set_quarantine(session: Session, uuids: Iterable[str], *, quarantined: bool, now: float) -> None:
    """Takes GPUs that are not proved empty out of their pools, or gives them back."""
    wanted = list(uuids)
    found = session.exec(select(Gpu.pool, Gpu.node).where(col(Gpu.uuid).in_(wanted)).distinct()).all()
    touched = sorted({pool for pool, _ in found if pool is not None})
    generation.lock_all(session, touched)
    session.connection().execute(
        update(Gpu)
        .where(col(Gpu.uuid).in_(wanted))
        .values(quarantined=quarantined)
        .execution_options(synchronize_session=False)
    )
    recount(session, pools=touched, nodes=sorted({node for _, node in found}), now=now)


def recount(session: Session, *, pools: Sequence[str], nodes: Sequence[str], now: float) -> None:
    """Counts again what `nodes` can give to `pools` (locked by the caller) and tells the loop."""
    for pool in pools:
        number = generation.bump(session, pool)
        known = select(PoolNode).where(col(PoolNode.pool) == pool, col(PoolNode.node).in_(nodes))
        before = {row.node: row for row in session.exec(known)}
        rows = [_counted(session, pool, node, number, before.get(node), now) for node in nodes]
        if rows:
            statement = insert(PoolNode).values(rows)
            changed = {
                name: statement.excluded[name] for name in ("capacity", "nominal", "open", "generation", "lost_at")
            }
            session.connection().execute(statement.on_conflict_do_update(index_elements=["pool", "node"], set_=changed))
            machines = {row.name: row for row in session.exec(select(Node).where(col(Node.name).in_(nodes)))}
            items: list[Item] = [books.node(PoolNode(**row), machines[row["node"]]) for row in rows]
            # The pool has heard of no drain of a node that it had no GPU of.
            fresh = [node for node in nodes if node not in before]
            items += [drains.to_core(row) for row in drains.open_of(session, fresh, now=now)]
            changes.write(session, pool, number, items, at=now)
        edges.notify(session, pool)


def _set_state(session: Session, node: str, state: str) -> None:
    session.connection().execute(
        update(Node).where(col(Node.name) == node).values(state=state).execution_options(synchronize_session=False)
    )


def _counted(
    session: Session, pool: str, node: str, number: int, before: PoolNode | None, now: float
) -> dict[str, Any]:
    """What is missing counts from when it began to be, and anew from when the node fell silent or was back."""
    sound = col(Gpu.present) & (col(Gpu.health) == "ok") & ~col(Gpu.quarantined)
    nominal, capacity = session.exec(
        select(func.count(), func.count().filter(sound)).where(col(Gpu.pool) == pool, col(Gpu.node) == node)
    ).one()
    is_open = session.exec(select(Node.state).where(col(Node.name) == node)).one() == "ok"
    since = before.lost_at if before is not None and before.open == is_open else None
    return {
        "pool": pool,
        "node": node,
        "capacity": capacity,
        "nominal": nominal,
        "open": is_open,
        "generation": number,
        "lost_at": None if capacity >= nominal and is_open else since or int(now),
    }


_WRITE = text(
    """
    INSERT INTO gpu (uuid, node, index, product, pool, health, present, quarantined)
    SELECT uuid, :node, index, product, pool, health, true, false
    FROM unnest(CAST(:uuid AS text[]), CAST(:index AS int[]), CAST(:product AS text[]), CAST(:pool AS text[]),
        CAST(:health AS text[])) AS r (uuid, index, product, pool, health)
    ON CONFLICT (uuid) DO UPDATE SET node = excluded.node, index = excluded.index, product = excluded.product,
        pool = excluded.pool, health = excluded.health, present = excluded.present
    """
)


def _write(session: Session, node: str, readings: Sequence[GpuReading], by_product: dict[str, str]) -> None:
    here = [reading.uuid for reading in readings]
    session.connection().execute(
        update(Gpu)
        .where(col(Gpu.node) == node, col(Gpu.uuid).not_in(here))
        .values(present=False)
        .execution_options(synchronize_session=False)
    )
    if not readings:
        return
    values = {
        "node": node,
        "uuid": here,
        "index": [reading.index for reading in readings],
        "product": [reading.product for reading in readings],
        "pool": [by_product.get(reading.product) for reading in readings],
        "health": [reading.health for reading in readings],
    }
    session.connection().execute(_WRITE, values)
