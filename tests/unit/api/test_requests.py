"""Two requests that ask for the same are the same, however they are written."""

import json
from typing import Any

import pytest
from starlette.types import Message

from api.requests import ReadRequest


async def nothing() -> Message:
    return {"type": "http.disconnect"}


def fingerprint(method: str = "POST", path: str = "/v1/nodes", query: str = "", body: str = '{"a": 1, "b": 2}') -> str:
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"host", b"x")],
    }
    return ReadRequest(scope, nothing, raw=body.encode(), value=json.loads(body)).fingerprint()


@pytest.mark.parametrize(
    "same",
    [{"body": '{"b":2,  "a":1}'}, {"query": ""}],
    ids=["fields in another order", "no query at all"],
)
def test_writing_does_not_matter(same: dict[str, str]) -> None:
    assert fingerprint(**same) == fingerprint()


def test_the_order_of_a_query_does_not_matter() -> None:
    assert fingerprint(query="a=1&b=2") == fingerprint(query="b=2&a=1")


def test_why_it_is_done_is_no_part_of_what_is_asked_for() -> None:
    assert (
        fingerprint(query="a=1&reason=first+try") == fingerprint(query="a=1&reason=again") == fingerprint(query="a=1")
    )


@pytest.mark.parametrize(
    "other",
    [
        {"method": "PUT"},
        {"path": "/v1/pools"},
        {"query": "renew=true"},
        {"body": '{"a": 1}'},
        {"body": '{"a": 1, "b": "2"}'},
    ],
    ids=["another method", "another address", "another query", "a field less", "another type"],
)
def test_what_is_asked_for_matters(other: dict[str, str]) -> None:
    assert fingerprint(**other) != fingerprint()
