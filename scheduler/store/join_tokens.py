"""Join tokens: each is for one node and is used once, for the first credential of the agent there."""

from sqlmodel import Session, col, select

from dure import wire
from dure.errors import JoinTokenUsed, TokenRevoked
from scheduler.actor import Actor
from scheduler.ids import new_id
from scheduler.store import adding, audit, credentials, tokens
from scheduler.store.tables import Node, Token


def issue(session: Session, node: str, body: wire.JoinTokenIssue, *, actor: Actor, now: float) -> wire.IssuedToken:
    """Makes the node if there is none, and its join token; one that was not used yet ends. What the node reports with stays."""
    adding.alone(session, "node")
    if session.get(Node, node) is None:
        session.add(Node(name=node, enrolled_at=int(now)))
        session.flush()
        audit.record(session, actor=actor, action=wire.AuditAction.NODE_ENROLL, subject=node, at=now)
    for before in _open(session, node):
        tokens.revoke(session, before, actor=actor, now=now)
    row = Token(
        id=new_id("tok", now),
        secret_sha256="",
        role=wire.Role.JOIN,
        node=node,
        created_at=int(now),
        expires_at=int(now) + body.lasts_s,
    )
    said = {"role": row.role, "node": node, **body.model_dump(mode="json")}
    return tokens.keep(session, row, actor=actor, now=now, said=said)


def use(session: Session, node: str, body: wire.CredentialProposal, *, actor: Actor, now: float) -> wire.NodeCredential:
    """The proposed secret becomes the node's credential, and every other token of the node ends.

    The same again is answered as before. Raises JoinTokenUsed, TokenRevoked, AlreadyExists.
    """
    adding.alone(session, "node")
    row = session.exec(select(Token).where(col(Token.id) == actor.token).with_for_update()).one()
    if row.revoked_at is not None:
        raise TokenRevoked(f"token {row.id} was revoked; ask an admin for another: `dure node join-token {node}`")
    if row.used_at is not None:
        return _again(session, row, body, now)
    credential = credentials.make(session, row, body, now=now)
    row.used_at = int(now)
    session.add(row)
    session.flush()
    ended = tokens.revoke_of_node(session, node, but=credential.id, actor=actor, now=now)
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.NODE_JOIN,
        subject=node,
        at=now,
        before={"tokens": ended} if ended else None,
        after={"tokens": [credential.id]},
    )
    return credentials.told(credential, now)


def _again(session: Session, row: Token, body: wire.CredentialProposal, now: float) -> wire.NodeCredential:
    """What was answered is answered again to who proposed it, as long as nothing followed."""
    made = credentials.made_with(session, row.id, body.secret_sha256)
    if made is None or made.revoked_at is not None or made.replaced_at is not None:
        raise JoinTokenUsed(
            f"join token {row.id} of node {row.node} was used already, by another agent than this or by an earlier one; "
            f"`dure node join-token {row.node}` makes another, and with it the credential of whoever used this one ends",
            numbers={"token": row.id},
        )
    return credentials.told(made, now)


def _open(session: Session, node: str) -> list[str]:
    query = select(Token.id).where(
        col(Token.node) == node,
        col(Token.role) == wire.Role.JOIN,
        col(Token.used_at).is_(None),
        col(Token.revoked_at).is_(None),
    )
    return list(session.exec(query).all())
