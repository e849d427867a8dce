"""Pods and clusters as people see them; the reconciler writes the rows."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from dure import kube, wire
from scheduler.actor import Actor
from scheduler.store import companies, leases, pages
from scheduler.store.tables import Cluster, Pod, Pool
from scheduler.store.times import to_wire

W = TypeVar("W", wire.Pod, wire.PodLog)


def of_lease(session: Session, lease_id: str, *, actor: Actor, after: str | None, limit: int) -> wire.Page[wire.Pod]:
    """Those that run or ran on it, by uid. Raises UnknownLease."""
    leases.row(session, lease_id, actor=actor)
    return _page(session, [col(Pod.lease) == lease_id], after, limit, _pod)


def of_company(session: Session, company: str, *, after: str | None, limit: int) -> wire.Page[wire.Pod]:
    """Those that wait and those that run, by uid. Raises UnknownCompany."""
    companies.row(session, company)
    return _page(session, [col(Pod.company) == company, col(Pod.ended_at).is_(None)], after, limit, _pod)


def logs(session: Session, lease_id: str, *, actor: Actor, after: str | None, limit: int) -> wire.Page[wire.PodLog]:
    """What is kept of those that are over, by uid. Raises UnknownLease."""
    leases.row(session, lease_id, actor=actor)
    return _page(session, [col(Pod.lease) == lease_id, col(Pod.ended_at).is_not(None)], after, limit, _log)


def _page(
    session: Session, which: Sequence[ColumnElement[bool]], after: str | None, limit: int, shown: Callable[[Pod], W]
) -> wire.Page[W]:
    query = select(Pod).where(*which, col(Pod.uid) > (after or "")).order_by(col(Pod.uid)).limit(limit + 1)
    return pages.page(session.exec(query).all(), limit, wire=shown, key=lambda found: found.uid)


def clusters(session: Session, *, after: str | None, limit: int) -> wire.Page[wire.Cluster]:
    """By name."""
    query = select(Cluster).where(col(Cluster.name) > (after or "")).order_by(col(Cluster.name)).limit(limit + 1)
    rows = session.exec(query).all()
    pools: dict[str, list[str]] = {}
    wanted = select(Pool.cluster, Pool.name).where(col(Pool.cluster).is_not(None)).order_by(col(Pool.name))
    for cluster, pool in session.exec(wanted):
        pools.setdefault(str(cluster), []).append(pool)
    return pages.page(
        rows, limit, wire=lambda found: _cluster(found, pools.get(found.name, [])), key=lambda found: found.name
    )


def _pod(found: Pod) -> wire.Pod:
    return wire.Pod(
        uid=found.uid,
        cluster=found.cluster,
        company=found.company,
        namespace=kube.namespace(found.company),
        name=found.name,
        lease=found.lease,
        gpus=found.gpus,
        node=found.node,
        phase=found.phase,
        waits=found.waits,
        detail=found.detail,
        seen_at=to_wire(found.seen_at),
        ended_at=to_wire(found.ended_at),
        exit_code=found.exit_code,
        reason=found.reason,
    )


def _log(found: Pod) -> wire.PodLog:
    assert found.ended_at is not None
    return wire.PodLog(
        pod=found.name,
        node=found.node,
        ended_at=to_wire(found.ended_at),
        exit_code=found.exit_code,
        reason=found.reason,
        log=found.log,
    )


def _cluster(found: Cluster, pools: list[str]) -> wire.Cluster:
    return wire.Cluster(
        name=found.name,
        version=found.version,
        heard_at=None if found.heard_at is None else to_wire(int(found.heard_at)),
        trouble=found.trouble,
        pools=pools,
    )
