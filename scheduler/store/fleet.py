"""What nodes can give to pools. Every change of capacity goes through here, under the locks of the pools it touches."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text, update
from sqlmodel import Session, col, select

from dure.errors import GpuClaimed
from dure.wire import GpuReading
from scheduler.core import model
from scheduler.core.codec import Item
from scheduler.store import adding, changes, drains, edges, generation, lost_gpus
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
    before, and `restarted` says that its machine was since then. The caller has held their pools by `hold_pools_for`.

    Raises GpuClaimed.
    """
    left = _left(session, node, [reading.uuid for reading in readings])
    products = {reading.product for reading in readings}
    by_product = dict(session.exec(select(Pool.product, Pool.name).where(col(Pool.product).in_(products))).all())
    before = session.exec(
        select(Gpu.pool).where(col(Gpu.node).in_([node, *left]), col(Gpu.pool).is_not(None)).distinct()
    ).all()
    touched = sorted({*by_product.values(), *(pool for pool in before if pool is not None)})
    _write(session, node, readings, by_product)
    _set_state(session, node, "ok")
    recount(session, pools=touched, nodes=[node, *left], now=now)
    lost_gpus.review(session, [node], heard_at=heard_at, restarted=restarted, now=now)
    if left:
        lost_gpus.review(session, left, now=now)


_HEALTH = text(
    """
    UPDATE gpu SET health = h.health FROM unnest(CAST(:uuids AS text[]), CAST(:healths AS text[])) AS h (uuid, health)
    WHERE gpu.uuid = h.uuid AND gpu.node = :node RETURNING gpu.pool
    """
)


def report_health(session: Session, node: str, changed: Mapping[str, str], *, now: float) -> None:
    """The same where nothing changed but how some GPUs are, by UUID. What leases lost of them is the caller's to review."""
    values = {"node": node, "uuids": list(changed), "healths": list(changed.values())}
    pools = {pool for pool in session.connection().execute(_HEALTH, values).scalars() if pool is not None}
    recount(session, pools=sorted(pools), nodes=[node], now=now)


_HOLD = text(
    """
    SELECT name FROM pool WHERE product = ANY(:products) OR name IN (
        SELECT pool FROM pool_node WHERE node = ANY(:nodes) OR node IN (SELECT node FROM gpu WHERE uuid = ANY(:uuids))
    ) ORDER BY name FOR UPDATE
    """
)


def hold_pools_for(session: Session, nodes: Sequence[str], *, uuids: Iterable[str], products: Iterable[str]) -> None:
    """Locks every pool that reports of these nodes, with such GPUs, may change, in the order of their names: also those of nodes
    that had one of the GPUs before. Before any node's row is locked.

    Alone with `adopt` and itself: what belongs where is read after the lock was had.
    """
    adding.alone(session, "pool")
    values = {"nodes": list(nodes), "uuids": list(set(uuids)), "products": list(set(products))}
    session.connection().execute(_HOLD, values)


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


_COUNT = text(
    """
    WITH touched AS (
        UPDATE pool SET generation = generation + 1 WHERE name = ANY(:pools) RETURNING name, generation
    ), counted AS (
        SELECT t.name AS pool, t.generation, n.name AS node, n.rack, n.island, n.state = 'ok' AS open, count(g.uuid) AS nominal,
            count(g.uuid) FILTER (WHERE g.present AND g.health = 'ok' AND NOT g.quarantined) AS capacity
        FROM touched t CROSS JOIN node n LEFT JOIN gpu g ON g.pool = t.name AND g.node = n.name
        WHERE n.name = ANY(:nodes) GROUP BY t.name, t.generation, n.name
    ), found AS (
        SELECT c.*, b.node IS NULL AS fresh, CASE WHEN c.capacity >= c.nominal AND c.open THEN NULL
            WHEN b.open = c.open THEN coalesce(b.lost_at, to_timestamp(:now)) ELSE to_timestamp(:now) END AS lost_at
        FROM counted c LEFT JOIN pool_node b ON b.pool = c.pool AND b.node = c.node
    ), written AS (
        INSERT INTO pool_node (pool, node, capacity, nominal, open, generation, lost_at)
        SELECT pool, node, capacity, nominal, open, generation, lost_at FROM found
        ON CONFLICT (pool, node) DO UPDATE SET capacity = excluded.capacity, nominal = excluded.nominal,
            open = excluded.open, generation = excluded.generation, lost_at = excluded.lost_at
    )
    SELECT pool, generation, node, rack, island, capacity, nominal, open, fresh, CAST(extract(epoch FROM lost_at) AS bigint) AS lost_at
    FROM found ORDER BY pool, node
    """
)
"""What is missing counts from when it began to be, and anew from when the node fell silent or was back."""


def recount(session: Session, *, pools: Sequence[str], nodes: Sequence[str], now: float) -> None:
    """Counts again what `nodes` can give to `pools` (locked by the caller) and tells the loop."""
    session.flush()
    values = {"pools": list(pools), "nodes": list(nodes), "now": int(now)}
    rows = session.connection().execute(_COUNT, values).all()
    for pool in pools:
        counted = [row for row in rows if row.pool == pool]
        if counted:
            changes.write(session, pool, counted[0].generation, _items(session, counted, now), at=now)
        edges.notify(session, pool)


def _items(session: Session, counted: Sequence[Row[Any]], now: float) -> list[Item]:
    """What the pool's book has to hear. It has heard of no drain of a node that it had no GPU of."""
    fresh = [row.node for row in counted if row.fresh]
    planned = drains.open_of(session, fresh, now=now) if fresh else []
    return [*(_node(row) for row in counted), *(drains.to_core(row) for row in planned)]


def _node(row: Row[Any]) -> model.Node:
    return model.Node(
        id=model.NodeId(row.node),
        capacity=row.capacity,
        nominal=row.nominal,
        open=row.open,
        lost_at=None if row.lost_at is None else model.Instant(row.lost_at),
        rack=row.rack,
        island=row.island,
    )


def _set_state(session: Session, node: str, state: str) -> None:
    session.connection().execute(
        update(Node).where(col(Node.name) == node).values(state=state).execution_options(synchronize_session=False)
    )


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
