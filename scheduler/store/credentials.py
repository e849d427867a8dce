"""Nodes' own credentials: made with a join token, each renewed by the next, and what is left of those of before.

A credential is taken until the one that was made with it has arrived, which its first use shows, and `tokens.OVERLAP_S` more.
"""

from sqlalchemy import text
from sqlmodel import Session, col, select

from dure import wire
from dure.errors import AlreadyExists, JoinTokenUsed, NotRotating, TokenReplaced, TokenRevoked
from scheduler.actor import Actor
from scheduler.ids import new_id
from scheduler.store import audit, tokens
from scheduler.store.tables import Token
from scheduler.store.times import to_wire

LIFE_S = 7 * 86_400
"""An agent that was away for longer needs a join token. It asks for the next credential at half of it."""

KEPT = 10
"""So many that were replaced are kept of each node, so that who comes with one of them is told what it was."""

REUSES = (JoinTokenUsed, TokenReplaced)
"""What is told to whoever comes with what was used up; the audit log has a line of the first time."""


def rotate(
    session: Session, node: str, body: wire.CredentialProposal, *, actor: Actor, now: float
) -> wire.NodeCredential:
    """The proposed secret becomes the node's next credential; one that was proposed before and never used is gone.

    The same again is answered as before. Raises NotRotating, TokenReplaced, TokenRevoked, AlreadyExists.
    """
    row = session.exec(select(Token).where(col(Token.id) == actor.token).with_for_update()).one_or_none()
    if row is None or row.made_with is None:
        raise NotRotating(
            f"token {actor.token} of node {node} is renewed by whoever made it, not by the agent; for a credential that the "
            f"agent renews itself, let it join with `dure node join-token {node}`"
        )
    if row.revoked_at is not None:
        raise TokenRevoked(f"token {row.id} was revoked; ask an admin for another: `dure node join-token {node}`")
    made = made_with(session, row.id, body.secret_sha256)
    if made is not None and made.revoked_at is None:
        return told(made, now)
    if row.replaced_at is not None:
        raise tokens.replaced(row.id, node)
    _tidy(session, row)
    return told(make(session, row, body, now=now), now)


def make(session: Session, of: Token, body: wire.CredentialProposal, *, now: float) -> Token:
    """The row of a credential that is made with `of`. Raises AlreadyExists."""
    taken = select(Token.id).where(col(Token.secret_sha256) == body.secret_sha256)
    if session.exec(taken).one_or_none() is not None:
        raise AlreadyExists("this secret is a token's already; make up another")
    row = Token(
        id=new_id("tok", now),
        secret_sha256=body.secret_sha256,
        role=wire.Role.NODE,
        node=of.node,
        created_at=int(now),
        expires_at=int(now) + LIFE_S,
        made_with=of.id,
    )
    session.add(row)
    session.flush()
    return row


def made_with(session: Session, token_id: str, secret_sha256: str) -> Token | None:
    """The credential of this secret, if it was made with that token."""
    query = select(Token).where(col(Token.secret_sha256) == secret_sha256, col(Token.made_with) == token_id)
    return session.exec(query).one_or_none()


def told(row: Token, now: float) -> wire.NodeCredential:
    """As the agent is told of it."""
    assert row.node is not None
    assert row.expires_at is not None
    return wire.NodeCredential(
        token=row.id, node=row.node, expires_at=to_wire(row.expires_at), lasts_s=max(0, row.expires_at - int(now))
    )


def arrived(session: Session, actor: Actor, *, now: float) -> None:
    """For an actor whose credential is used for the first time: the one before it ends. Costs nothing for the others."""
    if actor.first_use:
        for statement in (_REPLACE, _USE):
            session.connection().execute(statement, {"token": actor.token, "now": now})


def reused(session: Session, error: JoinTokenUsed | TokenReplaced, *, now: float) -> None:
    """Writes down that somebody came with what was used up, the first time that it happens to a token."""
    found = session.connection().execute(_REUSE, {"token": error.numbers["token"], "now": now}).one_or_none()
    if found is not None:
        audit.record(
            session,
            actor=Actor(role=wire.Role(found.role), token=found.id, node=found.node),
            action=wire.AuditAction.TOKEN_REUSE,
            subject=found.id,
            at=now,
            after={"node": found.node, "refused": error.code},
        )


_REPLACE = text(
    """
    UPDATE token SET replaced_at = to_timestamp(:now)
    WHERE id = (SELECT made_with FROM token WHERE id = :token) AND role = 'node' AND replaced_at IS NULL
    """
)
_USE = text("UPDATE token SET used_at = to_timestamp(:now) WHERE id = :token AND used_at IS NULL")
_REUSE = text(
    """
    UPDATE token SET reused_at = to_timestamp(:now) WHERE id = :token AND reused_at IS NULL RETURNING id, role, node
    """
)
_NEVER_USED = text("DELETE FROM token WHERE node = :node AND made_with = :token AND role = 'node' AND used_at IS NULL")
_OLD = text(
    """
    DELETE FROM token WHERE id IN (
        SELECT id FROM token WHERE node = :node AND role = 'node' AND replaced_at IS NOT NULL ORDER BY id DESC OFFSET :kept
    )
    """
)


def _tidy(session: Session, row: Token) -> None:
    session.connection().execute(_NEVER_USED, {"node": row.node, "token": row.id})
    session.connection().execute(_OLD, {"node": row.node, "kept": KEPT})
