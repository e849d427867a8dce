"""Nodes for which a cluster vouches: the first that does so is the one that is asked about the node from then on."""

from sqlmodel import Session, col, select

from dure import wire
from dure.errors import DureError, UnknownNode, WrongNode
from scheduler.actor import Actor
from scheduler.store import adding, audit
from scheduler.store.tables import Node


def settle(session: Session, actor: Actor, *, enrols: bool, now: float) -> DureError | None:
    """Makes the node of a token that its cluster vouches for, where `enrols`; what its agent is told where it may not report."""
    found = _of(session, actor)
    if found is None or found.vouched_by is None:
        adding.alone(session, "node")
        found = _of(session, actor)
    if found is None and not enrols:
        return UnknownNode(
            f"cluster {actor.cluster} vouches for node {actor.node}, which is not enrolled; an admin adds it with `dure node "
            f"enroll {actor.node}`, or whoever runs this server sets DURE_API_ENROLL_BY_CLUSTER=true"
        )
    if found is not None and found.vouched_by not in (None, actor.cluster):
        return WrongNode(
            f"node {actor.node} is of cluster {found.vouched_by}, and cluster {actor.cluster} vouches for this agent; name nodes "
            f"differently, or if it moved, `dure node enroll {actor.node} --renew` forgets where it was"
        )
    if found is None or found.vouched_by is None:
        _enrol(session, found, actor, now)
    return None


def _of(session: Session, actor: Actor) -> Node | None:
    query = select(Node).where(col(Node.name) == actor.node).execution_options(populate_existing=True)
    return session.exec(query).one_or_none()


def _enrol(session: Session, found: Node | None, actor: Actor, now: float) -> None:
    assert actor.node is not None
    before = None if found is None else {"vouched_by": None}
    row = found or Node(name=actor.node, enrolled_at=int(now))
    row.vouched_by = actor.cluster
    session.add(row)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.NODE_ENROLL,
        subject=row.name,
        at=now,
        before=before,
        after={"vouched_by": actor.cluster},
    )
