"""Nodes and GPUs as they stand, and who is on them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from dure.wire import GpuState, NodeState
from scheduler.store import clusters, gpus, violation_counts
from scheduler.store.drains import DRAINED_NOW
from scheduler.store.tables import Node
from scheduler.store.violation_counts import Counts

DRAINING = "draining"
GPU_STATES = (*(state.value for state in GpuState if state is not GpuState.UNPOOLED), DRAINING)
NODE_STATES = (*(state.value for state in NodeState), DRAINING)

ByPool = dict[tuple[str, str], int]
"""Counts by pool, which is empty where there is none, and something else."""

_NODES = text(
    f"""
    SELECT coalesce(g.pool, '') AS pool,
        CASE WHEN n.name IN ({DRAINED_NOW}) THEN 'draining' ELSE n.state END AS state,
        count(*) AS nodes
    FROM node n LEFT JOIN (SELECT DISTINCT node, pool FROM gpu WHERE present) g ON g.node = n.name
    GROUP BY 1, 2
    """
)
"""A node that gives GPUs to two pools is one of each. Who is out of service on purpose is that first."""

_UNPROVED = text(
    """
    SELECT g.pool, count(*) AS gpus FROM gpu g
    WHERE g.present AND g.quarantined AND g.pool IS NOT NULL AND EXISTS (
        SELECT FROM allocation a WHERE a.gpu = g.uuid AND a.closed_at IS NULL AND a.ended_at IS NOT NULL)
    GROUP BY g.pool
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Counts by (pool, state); `unproved` are GPUs that were not proved empty by the end of their gap, by pool."""

    gpus: ByPool
    nodes: ByPool
    unproved: dict[str, int]
    heard: dict[str, float]
    """When each node last reported; one that never did counts from its enrolment."""
    unserved: list[tuple[str, str]]
    """Pools whose cluster no scheduler is told of, and what they call it."""
    violations: Counts
    """Those that there are."""
    violated: Counts
    """All that there ever were."""


def read(session: Session, pools: Sequence[str], *, now: float) -> Fleet:
    """As of the session's snapshot."""
    present, ever = violation_counts.counts(session, pools)
    return Fleet(
        gpus=_gpus(session, pools, now),
        nodes=_nodes(session, pools, now),
        unproved=dict.fromkeys(pools, 0) | {row.pool: row.gpus for row in session.connection().execute(_UNPROVED)},
        heard=_heard(session),
        unserved=clusters.unserved(session),
        violations=present,
        violated=ever,
    )


def _gpus(session: Session, pools: Sequence[str], now: float) -> ByPool:
    """Free is what a lease could start on."""
    found = Counter[tuple[str, str]]()
    for pool, state, draining, count in gpus.counts(session, now=now):
        found[pool or "", DRAINING if draining and state is GpuState.FREE else state.value] += count
    return {(pool, state): 0 for pool in pools for state in GPU_STATES} | found


def _nodes(session: Session, pools: Sequence[str], now: float) -> ByPool:
    found = session.connection().execute(_NODES, {"now": int(now)})
    return {(pool, state): 0 for pool in pools for state in NODE_STATES} | {
        (row.pool, row.state): row.nodes for row in found
    }


def _heard(session: Session) -> dict[str, float]:
    """Without the readings, which are most of a node's row."""
    last = func.extract("epoch", func.coalesce(col(Node.last_report_at), col(Node.enrolled_at)))
    return {name: float(at) for name, at in session.connection().execute(select(col(Node.name), last))}
