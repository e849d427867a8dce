"""Pods as people see them; the reconciler writes the rows."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import Session, col, select

from dure import kube, wire
from scheduler.actor import Actor
from scheduler.store import companies, leases, pages
from scheduler.store.tables import Lease, Pod, PodLog
from scheduler.store.times import to_wire


def of_lease(session: Session, lease_id: str, *, actor: Actor, after: str | None, limit: int) -> wire.Page[wire.Pod]:
    """Those that run or ran on it, and those that wait and name it, by uid. Raises UnknownLease."""
    found = leases.row(session, lease_id, actor=actor)
    rows = _rows(session, [or_(col(Pod.lease) == lease_id, _meant_for(found))], after, limit)
    return pages.page(rows, limit, wire=_pod, key=_uid)


def _meant_for(lease: Lease) -> ColumnElement[bool]:
    """Whether a pod waits for it: its maker named it by id or name, and it was let in nowhere."""
    called = [one for one in (lease.id, lease.name) if one is not None]
    waits = (col(Pod.lease).is_(None), col(Pod.ended_at).is_(None))
    return and_(col(Pod.company) == lease.company, col(Pod.wish).in_(called), *waits)


def of_company(session: Session, company: str, *, after: str | None, limit: int) -> wire.Page[wire.Pod]:
    """Those that wait and those that run, by uid. Raises UnknownCompany."""
    companies.row(session, company)
    rows = _rows(session, [col(Pod.company) == company, col(Pod.ended_at).is_(None)], after, limit)
    return pages.page(rows, limit, wire=_pod, key=_uid)


def logs(session: Session, lease_id: str, *, actor: Actor, after: str | None, limit: int) -> wire.Page[wire.PodLog]:
    """What is kept of those that are over, by uid. Raises UnknownLease."""
    leases.row(session, lease_id, actor=actor)
    rows = _rows(session, [col(Pod.lease) == lease_id, col(Pod.ended_at).is_not(None)], after, limit)
    lines = _lines(session, [found.uid for found in rows])
    return pages.page(rows, limit, wire=lambda found: _log(found, lines.get(found.uid, [])), key=_uid)


def _rows(session: Session, which: Sequence[ColumnElement[bool]], after: str | None, limit: int) -> Sequence[Pod]:
    query = select(Pod).where(*which, col(Pod.uid) > (after or "")).order_by(col(Pod.uid)).limit(limit + 1)
    return session.exec(query).all()


def _uid(found: Pod) -> str:
    return found.uid


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


def _lines(session: Session, uids: Sequence[str]) -> dict[str, list[wire.ContainerLog]]:
    """By pod; of each by container."""
    found: dict[str, list[wire.ContainerLog]] = {}
    query = select(PodLog).where(col(PodLog.uid).in_(uids)).order_by(col(PodLog.uid), col(PodLog.container))
    for one in session.exec(query):
        found.setdefault(one.uid, []).append(wire.ContainerLog(container=one.container, log=one.log))
    return found


def _log(found: Pod, lines: list[wire.ContainerLog]) -> wire.PodLog:
    assert found.ended_at is not None
    return wire.PodLog(
        pod=found.name,
        node=found.node,
        ended_at=to_wire(found.ended_at),
        exit_code=found.exit_code,
        reason=found.reason,
        containers=lines,
    )
