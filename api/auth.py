"""Who asks, and whether they may: a bearer token becomes an actor inside the transaction that serves the request.

So a token that is revoked serves nothing afterwards, and knowing who asks costs no transaction of its own.
"""

from collections.abc import Collection

from starlette.requests import Request

from dure.errors import Forbidden, TokenMissing, WrongNode
from dure.wire import Role
from scheduler.actor import Actor
from scheduler.store import tokens
from scheduler.store.db import Session


def secret(request: Request) -> str:
    """The bearer token. Raises TokenMissing."""
    scheme, _, found = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not found.strip():
        raise TokenMissing("send a token: `Authorization: Bearer <token>`; an admin makes one with `dure token issue`")
    return found.strip()


def admit(session: Session, request: Request, roles: Collection[Role], *, now: float) -> Actor:
    """Who asks, if their role may, and for their own alone.

    Raises TokenMissing, TokenInvalid, TokenRevoked, TokenExpired, Forbidden, WrongNode.
    """
    return allowed(tokens.authenticate(session, secret(request), now), request, roles)


def allowed(actor: Actor, request: Request, roles: Collection[Role]) -> Actor:
    """The actor, if the role may do this, and for their own alone. Raises Forbidden, WrongNode."""
    if actor.company is not None:
        request.state.company = actor.company
    if actor.role not in roles:
        *others, last = sorted(roles)
        may = f"{', '.join(others)} and {last} tokens" if others else f"{last} tokens"
        raise Forbidden(f"your token's role is {actor.role}, and only {may} may do this")
    _own_alone(actor, request)
    return actor


def _own_alone(actor: Actor, request: Request) -> None:
    """Whatever an address names, in its path or its query, a company and a node name themselves alone."""
    company = request.path_params.get("company") or request.query_params.get("company")
    if actor.company is not None and company not in (None, actor.company):
        raise Forbidden(f"this token sees company {actor.company} alone")
    node = request.path_params.get("node")
    if actor.node is not None and node not in (None, actor.node):
        raise WrongNode(f"this token reports for node {actor.node} alone")
