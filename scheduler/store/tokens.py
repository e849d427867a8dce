"""Bearer tokens. Only a hash is kept: 256 bits of chance need no slow hash, and a look-up is one index probe."""

import hashlib
import secrets
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import Session, col, select

from dure import wire
from dure.errors import DureError, TokenExpired, TokenInvalid, TokenRevoked, UnknownNode, UnknownToken
from scheduler.actor import Actor
from scheduler.ids import new_id
from scheduler.store import audit, companies, pages
from scheduler.store.db import Database
from scheduler.store.tables import Node, Token
from scheduler.store.times import from_wire, to_wire


def issue(session: Session, body: wire.TokenIssue, *, actor: object, now: float) -> wire.IssuedToken:
    """Makes a token; the secret is in this answer and nowhere else. Raises UnknownCompany, UnknownNode."""
    if body.company is not None:
        companies.row(session, body.company)
    if body.node is not None and session.get(Node, body.node) is None:
        raise UnknownNode(f"there is no node {body.node}; an admin adds it with `dure node enroll {body.node}`")
    secret = f"dure_{secrets.token_urlsafe(32)}"
    row = Token(
        id=new_id("tok", now),
        secret_sha256=_hash(secret),
        role=body.role,
        company=body.company,
        node=body.node,
        label=body.label,
        created_at=int(now),
        expires_at=from_wire(body.expires_at),
    )
    session.add(row)
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.TOKEN_ISSUE,
        subject=row.id,
        at=now,
        after=body.model_dump(mode="json"),
    )
    return wire.IssuedToken(token=_wire(row), secret=secret)


def authenticate(session: Session, secret: str, now: float) -> Actor:
    """Who holds this secret. Raises TokenInvalid, TokenRevoked, TokenExpired."""
    found = session.connection().execute(_HOLDER, {"secret": _hash(secret)}).one_or_none()
    return _holder(None if found is None else _Seen(*found), now)


def authenticate_all(session: Session, secrets: Collection[str], now: float) -> dict[str, Actor | DureError]:
    """Who holds each of these secrets, or what `authenticate` would raise."""
    found = select(Token).where(col(Token.secret_sha256).in_([_hash(secret) for secret in secrets]))
    rows = {row.secret_sha256: row for row in session.exec(found)}
    return {secret: _holder_or_error(rows.get(_hash(secret)), now) for secret in secrets}


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


_COLUMNS = """
    t.id, t.role, t.company, t.node, CAST(extract(epoch FROM t.expires_at) AS bigint),
    CAST(extract(epoch FROM t.revoked_at) AS bigint)
    """
"""As `_Seen` has them."""

_HOLDER = text(f"SELECT {_COLUMNS} FROM token t WHERE t.secret_sha256 = :secret")
"""All that is asked of the API begins with it."""

_GLANCE = f"""
    SELECT {_COLUMNS}, CASE WHEN c.closed_at IS NULL THEN p.generation END
    FROM token t LEFT JOIN pool p ON p.name = %s LEFT JOIN company c ON c.name = t.company WHERE t.secret_sha256 = %s
    """


def _holder_or_error(row: Token | None, now: float) -> Actor | DureError:
    try:
        return _holder(row, now)
    except DureError as error:
        return error


def _holder(row: Token | _Seen | None, now: float) -> Actor:
    if row is None:
        raise TokenInvalid("this token is not known here; ask an admin for one: `dure token issue`")
    if row.revoked_at is not None:
        raise TokenRevoked(f"token {row.id} was revoked; ask an admin for another: `dure token issue`")
    if row.expires_at is not None and row.expires_at <= now:
        raise TokenExpired(f"token {row.id} expired at {to_wire(row.expires_at).isoformat()}; ask an admin for another")
    return Actor(role=wire.Role(row.role), token=row.id, company=row.company, node=row.node)


def revoke(session: Session, token_id: str, *, actor: Actor, now: float) -> wire.Token:
    """Ends a token at once; revoking it again changes nothing. Raises UnknownToken."""
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
    return _wire(row)


def revoke_of_node(session: Session, node: str, *, actor: Actor, now: float) -> list[str]:
    """Ends every token of a node; their ids."""
    query = select(Token.id).where(col(Token.node) == node, col(Token.revoked_at).is_(None)).order_by(col(Token.id))
    found = list(session.exec(query).all())
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
    )
