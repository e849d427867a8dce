"""Around every request: its id, its line in the log, its metrics, and what happens when something breaks."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest
import structlog
from fastapi import FastAPI

from api.metrics import Metrics
from tests.served import served


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param("req_06fexh", True, id="one of ours"),
        pytest.param("0b5a6f0e-6f0e-4b5a-8b5a-0b5a6f0e6f0e", True, id="a UUID"),
        pytest.param("x" * 64, True, id="the longest"),
        pytest.param("x" * 65, False, id="too long"),
        pytest.param("a b", False, id="with a blank"),
        pytest.param('"}{', False, id="what would spoil a log"),
        pytest.param("", False, id="empty"),
        pytest.param(None, False, id="none"),
    ],
)
def test_a_sane_request_id_is_kept_and_any_other_is_made_anew(http: httpx.Client, sent: str | None, kept: bool) -> None:
    found = http.get("/list", headers={} if sent is None else {"x-request-id": sent}).headers["x-request-id"]
    assert (found == sent) if kept else found.startswith("req_")


def test_answers_are_not_cached(http: httpx.Client) -> None:
    assert http.get("/list").headers["cache-control"] == "no-store"


def test_what_nobody_expected_is_a_500_with_the_request_id_and_a_logged_traceback(http: httpx.Client) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = http.get("/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    failed = next(line for line in lines if line["action"] == "request_failed")
    assert failed["exc_info"]
    assert failed["request_id"] == answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_request_is_one_line_in_the_log(http: httpx.Client) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = http.post("/asks?x=1", json={})
        http.get("/list")  # by then the first one's line is written
    # An earlier test's line may still be on its way.
    line = next(line for line in lines if (line["action"], line["path"]) == ("request", "/asks"))
    assert line["duration_ms"] > 0
    assert {name: line[name] for name in ("request_id", "method", "route", "path", "status", "actor")} == {
        "request_id": answer.headers["x-request-id"],
        "method": "POST",
        "route": "/asks",
        "path": "/asks",
        "status": 422,
        "actor": None,
    }
    assert (line["company"], line["lease"]) == (None, None)


def test_requests_are_counted_by_route_and_never_by_address(http: httpx.Client, metrics: Metrics) -> None:
    for path in ("/nothing/1", "/nothing/2", "/list?limit=3"):
        http.get(path)
    http.request("PROPFIND", "/list")
    http.get("/list")
    text = metrics.render("")[0].decode()
    assert 'dure_api_requests_total{method="GET",route="unmatched",status="404"} 2.0' in text
    assert 'dure_api_requests_total{method="other",route="/list",status="405"} 1.0' in text
    assert 'dure_api_request_duration_seconds_count{method="GET",route="unmatched"} 2.0' in text
    assert "nothing" not in text


def test_a_client_that_leaves_while_it_sends_is_no_failure(plain: FastAPI) -> None:
    with (
        served(plain) as url,
        structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines,
    ):
        address = urlsplit(url)
        assert address.hostname
        assert address.port
        with socket.create_connection((address.hostname, address.port)) as connection:
            head = "POST /asks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
            connection.sendall(head.encode())
            connection.shutdown(socket.SHUT_RDWR)
        for _ in range(2):  # by the second one, everything about what came before is written
            httpx.get(f"{url}/list", trust_env=False, timeout=120, verify=False)
    assert 499 in [line["status"] for line in lines if line["action"] == "request"]
    assert not [line for line in lines if line["action"] == "request_failed"]
