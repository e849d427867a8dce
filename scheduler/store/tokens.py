"""Bearer tokens. Only a hash is kept: 256 bits of chance need no slow hash, and a look-up is one index probe."""

import hashlib
import secrets
from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import or_, text
from sqlmodel import Session, col, select

from dure import wire
from dure.errors import DureError, TokenExpired, TokenInvalid, TokenReplaced, TokenRevoked, UnknownNode, UnknownToken
from scheduler.actor import Actor
from scheduler.ids import new_id
from scheduler.store import audit, companies, pages
from scheduler.store.db import Database
from scheduler.store.tables import Node, Token
from scheduler.store.times import from_wire, to_wire

OVERLAP_S = 300
"""So long a node's credential is still taken once the next one was used: what was sent with it may be under way."""


def issue(session: Session, body: wire.TokenIssue, *, actor: object, now: float) -> wire.IssuedToken:
    """Makes a token; the secret is in this answer and nowhere else. Raises UnknownCompany, UnknownNode."""
    if body.company is not None:
        companies.row(session, body.company)
    if body.node is not None and session.get(Node, body.node) is None:
        raise UnknownNode(f"there is no node {body.node}; an admin adds it with `dure node enroll {body.node}`")
    row = Token(
        id=new_id("tok", now),
        secret_sha256="",
        role=body.role,
        company=body.company,
        node=body.node,
        label=body.label,
        created_at=int(now),
        expires_at=from_wire(body.expires_at),
    )
    return keep(session, row, actor=actor, now=now, said=body.model_dump(mode="json"))


def keep(session: Session, row: Token, *, actor: object, now: float, said: dict[str, Any]) -> wire.IssuedToken:
    """A token that is all but made: it is given its secret and its line in the audit log."""
    secret = f"dure_{secrets.token_urlsafe(32)}"
    row.secret_sha256 = _hash(secret)
    session.add(row)
    audit.record(session, actor=actor, action=wire.AuditAction.TOKEN_ISSUE, subject=row.id, at=now, after=said)
    return wire.IssuedToken(token=_wire(row), secret=secret)


def authenticate(session: Session, secret: str, now: float) -> Actor:
    """Who holds this secret. Raises TokenInvalid, TokenRevoked, TokenExpired, TokenReplaced."""
    found = session.connection().execute(_HOLDER, {"secret": _hash(secret)}).one_or_none()
    return _holder(None if found is None else _Seen(*found), now)


def authenticate_all(session: Session, secrets: Collection[str], now: float) -> dict[str, Actor | DureError]:
    """Who holds each of these secrets, or what `authenticate` would raise."""
    hashes = {secret: _hash(secret) for secret in secrets}
    found = session.connection().execute(_HOLDERS, {"hashes": list(hashes.values())}).all()
    rows = {of: _Seen(*seen) for of, *seen in found}
    return {secret: _holder_or_error(rows.get(of), now) for secret, of in hashes.items()}


def glance(db: Database, secret: str, pool: str, now: float) -> tuple[Actor, int | None]:
    """Who holds this secret, and the pool's generation, if there is one and they may ask, in one round trip and no transaction.

    Raises TokenInvalid, TokenRevoked, TokenExpired, Unavailable.
    """
    with db.look() as connection:
        found = connection.execute(_GLANCE, (pool, _hash(secret))).fetchone()
    if found is None:
        return _holder(None, now), None
    *seen, generation = found
    return _holder(_Seen(*seen), now), generation


class _Seen(NamedTuple):
    """What a token's row says of who holds it."""

    id: str
    role: str
    company: str | None
    node: str | None
    expires_at: int | None
    revoked_at: int | None
    made_with: str | None
    used_at: int | None
    replaced_at: int | None


_COLUMNS = """
    t.id, t.role, t.company, t.node, CAST(extract(epoch FROM t.expires_at) AS bigint),
    CAST(extract(epoch FROM t.revoked_at) AS bigint), t.made_with, CAST(extract(epoch FROM t.used_at) AS bigint),
    CAST(extract(epoch FROM t.replaced_at) AS bigint)
    """
"""As `_Seen` has them."""

_HOLDER = text(f"SELECT {_COLUMNS} FROM token t WHERE t.secret_sha256 = :secret")
"""All that is asked of the API begins with it."""

_HOLDERS = text(f"SELECT t.secret_sha256, {_COLUMNS} FROM token t WHERE t.secret_sha256 = ANY(:hashes)")

_GLANCE = f"""
    SELECT {_COLUMNS}, CASE WHEN c.closed_at IS NULL THEN p.generation END
    FROM token t LEFT JOIN pool p ON p.name = %s LEFT JOIN company c ON c.name = t.company WHERE t.secret_sha256 = %s
    """


def _holder_or_error(row: _Seen | None, now: float) -> Actor | DureError:
    try:
        return _holder(row, now)
    except DureError as error:
        return error


def _holder(row: _Seen | None, now: float) -> Actor:
    if row is None:
        raise TokenInvalid("this token is not known here; ask an admin for one: `dure token issue`")
    another = "`dure token issue`" if row.node is None else f"`dure node join-token {row.node}`"
    if row.revoked_at is not None:
        raise TokenRevoked(f"token {row.id} was revoked; ask an admin for another: {another}")
    # Whether a join token that was used may still be answered is said where it is used.
    is_spent = row.role == wire.Role.JOIN and row.used_at is not None
    if row.expires_at is not None and row.expires_at <= now and not is_spent:
        said = to_wire(row.expires_at).isoformat()
        raise TokenExpired(f"token {row.id} expired at {said}; ask an admin for another: {another}")
    if row.replaced_at is not None and row.replaced_at + OVERLAP_S <= now:
        raise replaced(row.id, row.node)
    return Actor(
        role=wire.Role(row.role),
        token=row.id,
        company=row.company,
        node=row.node,
        first_use=row.role == wire.Role.NODE and row.made_with is not None and row.used_at is None,
    )


def replaced(token_id: str, node: str | None) -> TokenReplaced:
    """What is told to whoever comes with a credential of a node of which the next one is in use."""
    return TokenReplaced(
        f"credential {token_id} of node {node} was replaced by the next one, which is in use: a second agent runs as this "
        f"node, its state folder was put back from a copy, or somebody has a copy; if no other agent should be it, let this one in "
        f"with `dure node join-token {node}`, which ends the other",
        numbers={"token": token_id},
    )


def revoke(session: Session, token_id: str, *, actor: Actor, now: float) -> wire.Token:
    """Ends a token at once, and credentials that were made with it and not used yet: whoever had it may have proposed them.

    Revoking it again changes nothing. Raises UnknownToken.
    """
    row = session.exec(select(Token).where(col(Token.id) == token_id).with_for_update()).one_or_none()
    if row is None:
        raise UnknownToken(f"there is no token {token_id}; `dure token list` shows those there are")
    if row.revoked_at is None:
        row.revoked_at = int(now)
        session.add(row)
        after = {"revoked_at": row.revoked_at}
        audit.record(
            session,
            actor=actor,
            action=wire.AuditAction.TOKEN_REVOKE,
            subject=row.id,
            at=now,
            before={"role": row.role, "company": row.company, "node": row.node},
            after=after,
        )
        made = select(Token.id).where(
            col(Token.made_with) == row.id, col(Token.used_at).is_(None), col(Token.revoked_at).is_(None)
        )
        for child in session.exec(made).all():
            revoke(session, child, actor=actor, now=now)
    return _wire(row)


def revoke_of_node(session: Session, node: str, *, actor: Actor, now: float, but: str = "") -> list[str]:
    """Ends every token of a node, `but` one, and but those that were spent or replaced; their ids."""
    query = select(Token.id).where(
        col(Token.node) == node,
        col(Token.id) != but,
        col(Token.revoked_at).is_(None),
        or_(col(Token.replaced_at).is_(None), col(Token.replaced_at) > int(now) - OVERLAP_S),
        or_(col(Token.role) != wire.Role.JOIN, col(Token.used_at).is_(None)),
    )
    found = list(session.exec(query.order_by(col(Token.id))).all())
    for token_id in found:
        revoke(session, token_id, actor=actor, now=now)
    return found


def page(session: Session, *, after: str | None, limit: int) -> wire.Page[wire.Token]:
    """By id, so oldest first."""
    query = select(Token).where(col(Token.id) > (after or "")).order_by(col(Token.id)).limit(limit + 1)
    return pages.page(session.exec(query).all(), limit, wire=_wire, key=lambda row: row.id)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _wire(row: Token) -> wire.Token:
    return wire.Token(
        id=row.id,
        role=wire.Role(row.role),
        company=row.company,
        node=row.node,
        label=row.label,
        created_at=to_wire(row.created_at),
        expires_at=to_wire(row.expires_at),
        revoked_at=to_wire(row.revoked_at),
        used_at=to_wire(row.used_at),
        replaced_at=to_wire(row.replaced_at),
    )
