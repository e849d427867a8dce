"""The GPUs that leases lost while they ran: written down as it is heard of, told to their companies, and refunded.

What becomes known after a lease was settled changes nothing of it.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Row, text
from sqlmodel import Session, col, select

from dure import wire
from scheduler.core.charge import Stretch
from scheduler.core.lost import Lost, Wrong, judge
from scheduler.core.model import Instant, LeaseId, NodeId
from scheduler.store import records
from scheduler.store.tables import Allocation, AllocationLoss, Lease
from scheduler.store.times import to_wire

_LOST = """
    lost AS MATERIALIZED (
        SELECT a.lease, a.id AS allocation, x.since, coalesce(x.until, 'infinity') AS until, false AS whole
        FROM {of} allocation_loss x ON x.allocation = a.id JOIN lease l ON l.id = a.lease WHERE l.nodes IS NULL
        UNION ALL
        SELECT g.lease, NULL, lower(u.together), coalesce(upper(u.together), 'infinity'), true
        FROM (
            SELECT a.lease, range_agg(tstzrange(x.since, x.until)) AS lost
            FROM {of} allocation_loss x ON x.allocation = a.id JOIN lease l ON l.id = a.lease
            WHERE l.nodes IS NOT NULL GROUP BY a.lease
        ) g CROSS JOIN LATERAL unnest(g.lost) AS u (together)
    )
"""

LOST = _LOST.format(of="allocation a JOIN")
"""For queries: a lease was without one GPU, that of its `allocation`, or, as a gang, without the whole of it, over
`[since, until)`.
"""

LOST_TO_BOXES = _LOST.format(of="box JOIN allocation a ON a.lease = box.id JOIN")
"""The same of the leases that `box` has by `id`, which the query says before."""

NOT_LOST = """
    NOT EXISTS (SELECT FROM allocation_loss x WHERE x.allocation = a.id AND x.until IS NULL AND x.wrong <> 'node_unknown')
"""
"""For queries: allocation `a` is not known to be lost. What is only presumed so is unknown."""

_WRONG = """
    CASE WHEN g.node <> a.node OR NOT g.present THEN 'gpu_gone' WHEN g.health = 'unhealthy' THEN 'gpu_unhealthy'
         WHEN n.state = 'unknown' THEN 'node_unknown' END
"""
"""What is wrong with the GPU `g` that allocation `a` is of, on node `n`; null where nothing is."""

_HELD = text(
    f"""
    SELECT a.id, a.lease, a.node,
        extract(epoch FROM greatest(a.opened_at, (SELECT max(until) FROM allocation_loss WHERE allocation = a.id)))::bigint AS first,
        {_WRONG} AS wrong,
        extract(epoch FROM x.since)::bigint AS since, x.wrong AS was
    FROM allocation a JOIN gpu g ON g.uuid = a.gpu JOIN node n ON n.name = a.node
    LEFT JOIN allocation_loss x ON x.allocation = a.id AND x.until IS NULL
    WHERE a.ended_at IS NULL AND a.node = ANY(:nodes)
    ORDER BY a.lease, a.id
    """
)
"""`first` is the first second that could be lost now: it was held, and what was lost before is over."""

_WRITE = text(
    """
    INSERT INTO allocation_loss (allocation, since, until, wrong)
    VALUES (:allocation, to_timestamp(:since), to_timestamp(:until), :wrong)
    ON CONFLICT (allocation, since) DO UPDATE SET until = excluded.until, wrong = excluded.wrong
    """
)
_FORGET = text("DELETE FROM allocation_loss WHERE allocation = :allocation AND until IS NULL")

_OVER = """
    USING allocation a WHERE a.id = x.allocation AND a.lease = ANY(:leases) AND coalesce(x.until, 'infinity') > a.ended_at
"""
_NOT_BEGUN = text(f"DELETE FROM allocation_loss x {_OVER} AND x.since >= a.ended_at")
_END = text(f"UPDATE allocation_loss x SET until = a.ended_at {_OVER.replace('USING', 'FROM')}")

_BACK = """
    allocation a JOIN gpu g ON g.uuid = a.gpu JOIN node n ON n.name = a.node JOIN lease l ON l.id = a.lease
    WHERE a.id = x.allocation AND a.given_back AND a.node = ANY(:nodes) AND n.state = 'ok' AND x.wrong = 'node_unknown'
        AND l.state IN ('active', 'ending')
"""
_LOST_AFTER_ALL = text(
    f"""
    UPDATE allocation_loss x SET wrong = coalesce({_WRONG}, 'node_restarted')
    FROM {_BACK} AND (:restarted OR {_WRONG} IS NOT NULL)
    """
)
_NOT_LOST = text(f"DELETE FROM allocation_loss x USING {_BACK}")
"""What was given back while its node was silent is judged too when the node is heard, as long as its lease is not settled."""

_STRETCHES = text(
    """
    SELECT a.lease, extract(epoch FROM x.since)::bigint AS since, extract(epoch FROM x.until)::bigint AS until, x.wrong
    FROM allocation_loss x JOIN allocation a ON a.id = x.allocation WHERE a.lease = ANY(:leases)
    """
)

_STILL = text(
    """
    SELECT a.lease, count(*) AS gpus FROM allocation_loss x JOIN allocation a ON a.id = x.allocation
    WHERE a.lease = ANY(:leases) AND x.until IS NULL GROUP BY a.lease
    """
)


_KNOWN = text(
    """
    SELECT l.pool, a.lease, a.node, count(*) AS gpus
    FROM allocation_loss x JOIN allocation a ON a.id = x.allocation JOIN lease l ON l.id = a.lease JOIN node n ON n.name = a.node
    WHERE x.until IS NULL AND x.wrong IN ('gpu_gone', 'gpu_unhealthy') AND a.ended_at IS NULL AND l.state = 'active' AND n.state = 'ok'
        AND (l.nodes IS NULL OR NOT EXISTS (
            SELECT FROM allocation_loss y JOIN allocation b ON b.id = y.allocation
            WHERE b.lease = l.id AND y.until IS NULL AND y.wrong = 'node_unknown'
        ))
    GROUP BY l.pool, l.tier, a.lease, a.node ORDER BY l.pool, l.tier = 'spot', a.lease, a.node
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """What changed of one lease on one node: how many GPUs more it is without, and why."""

    more: int
    node: str
    wrong: Wrong


def review(
    session: Session, nodes: Collection[str], *, heard_at: float | None = None, restarted: bool = False, now: float
) -> None:
    """Judges every held GPU of these nodes again and tells whose lease is without some, or has them back. The caller holds
    the locks of their pools; `heard_at` and `restarted` as for `judge`.
    """
    news: dict[str, _News] = {}
    changes = Counter[str]()
    for row in session.connection().execute(_HELD, {"nodes": sorted(nodes)}):
        if (found := _judged(session, row, heard_at, restarted, now)) is not None:
            changes[row.lease] += found.more
            news.setdefault(row.lease, found)
    session.connection().execute(_LOST_AFTER_ALL, {"nodes": sorted(nodes), "restarted": restarted})
    session.connection().execute(_NOT_LOST, {"nodes": sorted(nodes)})
    if news:
        _tell(session, news, changes, now)


def end(session: Session, of: Sequence[str]) -> None:
    """Of GPUs that these leases do not hold any more, nothing more is lost to them."""
    for statement in (_NOT_BEGUN, _END):
        session.connection().execute(statement, {"leases": list(of)})


def lacking(session: Session) -> dict[str, dict[LeaseId, dict[NodeId, int]]]:
    """How many GPUs of each node running leases are without, by pool and lease, what is reserved first: not those of a node that
    is silent, on which their pods may go on, nor of a gang that waits for one.
    """
    found: dict[str, dict[LeaseId, dict[NodeId, int]]] = {}
    for row in session.connection().execute(_KNOWN):
        found.setdefault(row.pool, {}).setdefault(LeaseId(row.lease), {})[NodeId(row.node)] = row.gpus
    return found


def stretches(session: Session, found: Collection[str]) -> Mapping[str, list[Stretch]]:
    """When each GPU that these leases held was lost to them, as `scheduler.core.charge` wants it; what lasts has no end."""
    lost: dict[str, list[Stretch]] = {}
    for row in session.connection().execute(_STRETCHES, {"leases": list(found)}):
        lost.setdefault(row.lease, []).append(_stretch(row))
    return lost


_NEVER = 1 << 40


def _stretch(row: Row[tuple[object, ...]]) -> Stretch:
    return row.since, _NEVER if row.until is None else row.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """When GPUs of a lease were lost to it, of which `late` was only presumed, or not heard of, up to some time."""

    lost: Sequence[Stretch]
    late: Sequence[Stretch]


NOTHING = Known(lost=(), late=())


def known(session: Session, found: Collection[str], since: Instant) -> Mapping[str, Known]:
    """What is known by now of each of these leases, and of that what became known after `since`. No presumption is in it."""
    rows = session.connection().execute(_STRETCHES, {"leases": list(found)}).all()
    by_lease: dict[str, list[Row[tuple[object, ...]]]] = {}
    for row in rows:
        if row.until is not None or row.wrong != Wrong.NODE_UNKNOWN:
            by_lease.setdefault(row.lease, []).append(row)
    return {
        lease: Known(
            lost=[_stretch(row) for row in of],
            late=[_stretch(row) for row in of if row.wrong in _LATE and row.until > since],
        )
        for lease, of in by_lease.items()
    }


_LATE = frozenset({Wrong.NODE_UNKNOWN, Wrong.NODE_RESTARTED})
"""What is known only once it is over."""


def shown(session: Session, found: Collection[str]) -> Mapping[str, list[wire.LostGpu]]:
    """The same for people: each GPU, by lease, the first that was lost first."""
    query = (
        select(Allocation, AllocationLoss)
        .join(AllocationLoss, col(AllocationLoss.allocation) == col(Allocation.id))
        .where(col(Allocation.lease).in_(found))
        .order_by(col(AllocationLoss.since), col(Allocation.gpu))
    )
    by_lease: dict[str, list[wire.LostGpu]] = {}
    for allocation, loss in session.exec(query):
        one = wire.LostGpu(
            uuid=allocation.gpu,
            node=allocation.node,
            since=to_wire(loss.since),
            until=to_wire(loss.until),
            cause=wire.LostCause(loss.wrong),
        )
        by_lease.setdefault(allocation.lease, []).append(one)
    return by_lease


def _judged(
    session: Session, row: Row[tuple[object, ...]], heard_at: float | None, restarted: bool, now: float
) -> _News | None:
    before = None if row.was is None else Lost(since=Instant(row.since), wrong=Wrong(row.was))
    # Seconds are whole, and clocks differ and are put back: no second is lost twice, or before the GPU was held.
    at = max(row.first, math.ceil(now))
    heard = min(at, max(row.first, math.floor(now if heard_at is None else heard_at)))
    wrong = None if row.wrong is None else Wrong(row.wrong)
    found = judge(before, wrong, heard_at=Instant(heard), restarted=restarted, now=Instant(at))
    if found == before:
        return None
    if found is None or (found.until is not None and found.until <= found.since):
        session.connection().execute(_FORGET, {"allocation": row.id})
    else:
        values = {"since": found.since, "until": found.until, "wrong": found.wrong.value}
        session.connection().execute(_WRITE, {"allocation": row.id, **values})
    lasts = found is not None and found.until is None
    said = found or before
    assert said is not None
    return _News(more=lasts - (before is not None), node=row.node, wrong=said.wrong)


def _tell(session: Session, news: Mapping[str, _News], changes: Mapping[str, int], now: float) -> None:
    still = {row.lease: row.gpus for row in session.connection().execute(_STILL, {"leases": list(news)})}
    for lease_id, found in news.items():
        row, gpus = session.get_one(Lease, lease_id, populate_existing=True), still.get(lease_id, 0)
        if not gpus and not changes[lease_id] and found.wrong is not Wrong.NODE_RESTARTED:
            continue
        refunded = row.total_gpus if gpus and row.nodes is not None else gpus
        detail: records.Detail = {"node": found.node, "lost_gpus": gpus, "refunded_gpus": refunded}
        records.event(session, row, "degraded" if gpus else "healed", at=now, cause=found.wrong.value, detail=detail)
