"""Every error is an RFC 9457 problem, whoever raised it."""

import httpx
import pytest
from fastapi import FastAPI

from api import problems
from dure import errors, wire
from dure.errors import DureError
from tests.served import client


@pytest.mark.parametrize("kind", errors.CODES.values(), ids=lambda kind: kind.code)
def test_every_code_is_rendered_with_its_own_status(kind: type[DureError]) -> None:
    answer = problems.response(kind("a sentence", numbers={"limit": 4}), "req_1")
    problem = wire.Problem.model_validate_json(bytes(answer.body))
    assert answer.status_code == kind.status == problem.status
    assert answer.media_type == "application/problem+json"
    assert (problem.code, problem.detail, problem.request_id) == (kind.code, "a sentence", "req_1")
    again = errors.from_problem(problem)
    assert (type(again), again.numbers) == (kind, {"limit": 4})


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        pytest.param(errors.TokenMissing(), "www-authenticate", "Bearer", id="without a token"),
        pytest.param(errors.TokenRevoked(), "www-authenticate", 'Bearer error="invalid_token"', id="with a dead one"),
        pytest.param(errors.Unavailable(), "retry-after", "2", id="the database away"),
        pytest.param(errors.Unavailable(retry_after_s=7), "retry-after", "7", id="away for longer"),
        pytest.param(errors.Forbidden(), "www-authenticate", None, id="a role that may not"),
        pytest.param(errors.NeverFits(), "retry-after", None, id="what no time changes"),
    ],
)
def test_a_status_comes_with_its_headers(error: DureError, name: str, value: str | None) -> None:
    assert problems.response(error, None).headers.get(name) == value


def test_what_there_is_nothing_to_say_of_is_left_out() -> None:
    body = bytes(problems.response(errors.NotFound(), None).body)
    assert b"decision" not in body
    assert b"null" not in body


@pytest.mark.parametrize(
    ("method", "path", "want"),
    [
        pytest.param("GET", "/v1/nothing", (404, "not_found"), id="an unknown address"),
        pytest.param("GET", "/v1/pools/", (404, "not_found"), id="a slash too many"),
        pytest.param("GET", "/v1/problems/nonsense", (404, "not_found"), id="an unknown code"),
        pytest.param("GET", "/v1/problems/%00%ff", (404, "not_found"), id="a code that is no text"),
        pytest.param("PATCH", "/v1/pools", (405, "method_not_allowed"), id="a method that is not taken"),
        pytest.param("PROPFIND", "/v1/pools", (405, "method_not_allowed"), id="a method of another protocol"),
        pytest.param("GET", "/v1/pools", (401, "token_missing"), id="no token"),
        pytest.param("GET", "/readyz", (503, "unavailable"), id="the database away"),
    ],
)
def test_an_error_of_any_layer_is_a_problem(
    stranger: httpx.Client, method: str, path: str, want: tuple[int, str]
) -> None:
    answer = stranger.request(method, path)
    problem = wire.Problem.model_validate(answer.json())
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem.code) == want
    assert problem.request_id == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        pytest.param("/v1/pools", "GET, POST", id="two routes on one address"),
        pytest.param("/v1/tokens/tok_1", "DELETE", id="one"),
        pytest.param("/healthz", "GET", id="a probe"),
    ],
)
def test_a_method_that_is_not_taken_is_told_all_that_are(stranger: httpx.Client, path: str, allowed: str) -> None:
    assert stranger.patch(path).headers["allow"] == allowed


def test_with_the_database_away_a_request_is_told_to_come_again(away: FastAPI) -> None:
    with client(away, "some-token") as http:
        answer = http.get("/v1/pools")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "2")
