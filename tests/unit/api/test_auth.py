"""Reading the bearer token; what it admits to is tested against a real database."""

import pytest
from starlette.requests import Request

from api import auth
from dure.errors import Forbidden, TokenMissing
from dure.wire import Role
from scheduler.actor import Actor


def a_request(authorization: str | None) -> Request:
    headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("authorization", "want"),
    [
        pytest.param("Bearer dure_x", "dure_x", id="as it is written"),
        pytest.param("bearer   dure_x ", "dure_x", id="as it is also taken"),
        pytest.param("BEARER dure_é", "dure_é", id="not ASCII, so unknown later"),
    ],
)
def test_a_bearer_token_is_read(authorization: str, want: str) -> None:
    assert auth.secret(a_request(authorization)) == want


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "dure_x", "Basic ZHVyZTp4", "Bearerdure_x"],
    ids=["none", "empty", "no token", "a blank token", "no scheme", "another scheme", "no blank between"],
)
def test_anything_else_is_no_token(authorization: str | None) -> None:
    with pytest.raises(TokenMissing):
        auth.secret(a_request(authorization))


@pytest.mark.parametrize(
    ("roles", "want"),
    [
        ((Role.ADMIN,), "your token's role is company, and only admin tokens may do this"),
        ((Role.OPERATOR, Role.ADMIN), "your token's role is company, and only admin and operator tokens may do this"),
        (
            (Role.OPERATOR, Role.ADMIN, Role.AUDITOR),
            "your token's role is company, and only admin, auditor and operator tokens may do this",
        ),
    ],
)
def test_a_role_that_may_not_is_told_its_own_and_those_that_may(roles: tuple[Role, ...], want: str) -> None:
    mine = Actor(role=Role.COMPANY, token="tok_1", company="acme")
    with pytest.raises(Forbidden) as refused:
        auth.allowed(mine, a_request(None), roles)
    assert refused.value.detail == want
