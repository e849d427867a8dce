"""What FastAPI would let pass."""

from typing import Any

import httpx
import pytest

ASK = {"pool": "h100", "shape": {"gpus": 1}, "duration_s": 60}


def code(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        pytest.param("/list?size=1", ["size"], id="an unknown parameter"),
        pytest.param("/list?limit=1&limit=2", ["limit"], id="one given twice"),
        pytest.param("/list?Limit=1&x=&y", ["Limit", "x", "y"], id="several unknown, one of another case"),
        pytest.param("/list?limit=0", ["limit"], id="too small"),
        pytest.param("/list?limit=201", ["limit"], id="too large"),
        pytest.param("/list?limit=ten", ["limit"], id="no number"),
        pytest.param("/list?limit=", ["limit"], id="an empty number"),
        pytest.param("/list?since=yesterday", ["since"], id="no time"),
        pytest.param("/list?since=1800000000", ["since"], id="a number for a time"),
        pytest.param("/list?since=2026-11-24T09:00:00", ["since"], id="a time without its offset"),
        pytest.param("/list?since=2026-11-24T09:00:00+09:00", ["since"], id="a plus that an address reads as a blank"),
        pytest.param("/list?since=9999-12-31T23:59:59-14:00", ["since"], id="a time that no calendar has"),
        pytest.param("/list?%00=1", ["\0"], id="a NUL for a name"),
        pytest.param("/list?%ff=1", ["\ufffd"], id="a name that is no UTF-8"),
    ],
)
def test_a_query_that_is_wrong_is_named(http: httpx.Client, path: str, fields: list[str]) -> None:
    answer = http.get(path)
    assert code(answer) == (422, "invalid_request")
    assert [found["field"] for found in answer.json()["errors"]] == fields


def test_a_query_that_is_right_is_taken(http: httpx.Client) -> None:
    assert http.get("/list?limit=7&since=2026-11-24T09:00:00%2B09:00").json()["gpus"] == 7


def test_the_hint_for_a_time_says_how_a_plus_is_written(http: httpx.Client) -> None:
    assert "%2B" in http.get("/list?since=2026-11-24T09:00:00+09:00").json()["detail"]


@pytest.mark.parametrize(
    ("content_type", "want"),
    [
        pytest.param("application/json", 200, id="JSON"),
        pytest.param("Application/JSON; charset=utf-8", 200, id="JSON with a charset"),
        pytest.param(None, 415, id="none"),
        pytest.param("text/plain", 415, id="text"),
        pytest.param("application/x-www-form-urlencoded", 415, id="a form"),
        pytest.param("application/jsonp", 415, id="something that only begins alike"),
    ],
)
def test_a_body_says_that_it_is_json(http: httpx.Client, content_type: str | None, want: int) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    answer = http.post("/asks", content=b'{"pool":"h100","shape":{"gpus":1},"duration_s":60}', headers=headers)
    assert answer.status_code == want
    if want == 415:
        assert code(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize("body", [b"", b"{}", b" {} "], ids=["nothing", "an empty object", "one with blanks"])
def test_where_no_body_is_taken_an_empty_one_is_let_pass(http: httpx.Client, body: bytes) -> None:
    assert http.post("/bare", content=body).status_code == 200


def test_where_no_body_is_taken_one_is_refused_so_that_nobody_believes_it_was_read(http: httpx.Client) -> None:
    answer = http.post("/bare", json={"dry_run": True})
    assert code(answer) == (422, "invalid_request")
    assert "query" in answer.json()["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"params": {"bogus": "1"}, "json": ASK}, id="an unknown parameter"),
        pytest.param({"json": {}}, id="missing fields"),
        pytest.param({"content": b"{", "headers": {"content-type": "application/json"}}, id="malformed JSON"),
        pytest.param({"content": b"{}"}, id="no content type"),
        pytest.param({"content": b" " * 70_000, "headers": {"content-type": "application/json"}}, id="too large"),
    ],
)
def test_who_may_not_ask_hears_that_before_what_else_is_wrong(stranger: httpx.Client, wrong: dict[str, Any]) -> None:
    assert code(stranger.post("/v1/leases", **wrong)) == (401, "token_missing")
