"""One request: when it is sent again, and what its failures become."""

from typing import Any

import httpx
import pytest

from dure import errors
from dure.http import Connection
from dure.patience import Patience
from tests.unit.dure.answers import SERVER, Api, a_decision, problem

PATH = "/v1/things"
DONE = httpx.Response(200, json={"done": True})


def a_connection(api: Api, retries: int = 3) -> Connection:
    return Connection(SERVER, "t", timeout_s=10, retries=retries, transport=api, sleep=api.slept.append)


def send(api: Api, *, repeatable: bool = True, retries: int = 3) -> bytes:
    with a_connection(api, retries) as connection:
        return connection.send("POST", PATH, json=b"{}", repeatable=repeatable)


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(httpx.ConnectError("refused"), id="nobody listens"),
        pytest.param(httpx.ReadTimeout("slow"), id="no answer in time"),
        pytest.param(httpx.RemoteProtocolError("gone"), id="the server dies while it answers"),
        pytest.param(httpx.Response(502, text="bad gateway"), id="502 of a proxy"),
        pytest.param(problem("unavailable", 503), id="503 of ours"),
        pytest.param(httpx.Response(504), id="504"),
        pytest.param(httpx.Response(429), id="429"),
    ],
)
def test_what_passes_is_waited_out(api: Api, failure: httpx.Response | Exception) -> None:
    api.on("POST", PATH, failure, failure, DONE)
    assert send(api) == b'{"done":true}'
    assert (len(api.seen), len(api.slept)) == (3, 2)


def test_what_is_not_repeatable_is_sent_once(api: Api) -> None:
    api.on("POST", PATH, httpx.ConnectError("refused"), DONE)
    with pytest.raises(errors.Unreachable):
        send(api, repeatable=False)
    assert len(api.seen) == 1


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500])
def test_what_does_not_pass_is_not_sent_again(api: Api, status: int) -> None:
    api.on("POST", PATH, problem("internal", status), DONE)
    with pytest.raises(errors.DureError):
        send(api)
    assert len(api.seen) == 1


def test_all_requests_together_wait_no_longer_than_the_patience_that_is_left(api: Api) -> None:
    at, waited = [0.0], list[float]()

    def slow(request: httpx.Request) -> httpx.Response:
        waited.append(request.extensions["timeout"]["read"])
        at[0] += 6
        return DONE

    api.on("GET", PATH, slow)
    patience = Patience(10, monotonic=lambda: at[0])
    settings: dict[str, Any] = {"timeout_s": 9, "retries": 0, "transport": api, "sleep": api.slept.append}
    with Connection(SERVER, "t", **settings, patience=patience) as connection:
        connection.send("GET", PATH, repeatable=True)
        at[0] += 60
        connection.send("GET", PATH, repeatable=True)
        with pytest.raises(errors.Unreachable, match="no answer within 10 s in all"):
            connection.send("GET", PATH, repeatable=True)
    assert waited == [9, 4], "what passed between two requests does not count"


def test_each_wait_is_longer_and_spread(api: Api) -> None:
    api.on("POST", PATH, httpx.ConnectError("refused"))
    with pytest.raises(errors.Unreachable):
        send(api, retries=8)
    assert len(api.slept) == 8
    for attempt, slept in enumerate(api.slept):
        most = min(5.0, 0.2 * 2**attempt)
        assert most / 2 <= slept <= most


@pytest.mark.parametrize(
    ("headers", "want"),
    [
        pytest.param({"retry-after": "7"}, 7, id="in seconds"),
        pytest.param(
            {"retry-after": "Tue, 24 Nov 2026 00:00:09 GMT", "date": "Tue, 24 Nov 2026 00:00:00 GMT"},
            9,
            id="as a date, by the server's own clock",
        ),
    ],
)
def test_retry_after_is_kept(api: Api, headers: dict[str, str], want: int) -> None:
    api.on("POST", PATH, problem("unavailable", 503, headers=headers), DONE)
    send(api)
    assert api.slept == [want]


@pytest.mark.parametrize("said", ["soon", "-1", "Tue, 24 Nov 2026 00:00:09 GMT", "²"])
def test_a_retry_after_that_says_nothing_is_passed_over(api: Api, said: str) -> None:
    headers = [(b"retry-after", said.encode())]
    api.on("POST", PATH, httpx.Response(503, headers=headers), DONE)
    send(api)
    assert api.slept[0] <= 0.2


def test_a_server_that_wants_too_long_is_not_waited_for(api: Api) -> None:
    api.on("POST", PATH, problem("unavailable", 503, headers={"retry-after": "3600"}), DONE)
    with pytest.raises(errors.Unavailable) as caught:
        send(api)
    assert (caught.value.retry_after_s, api.slept) == (3600, [])


def test_an_unreachable_server_is_named_with_what_to_check(api: Api) -> None:
    api.on("POST", PATH, httpx.ConnectError("Connection refused"))
    with pytest.raises(errors.Unreachable) as caught:
        send(api, retries=0)
    for part in (SERVER, "Connection refused", "/healthz", "check the address"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        pytest.param(httpx.Response(200, html="<h1>It works!</h1>"), "HTTP 200, text/html", id="a web page"),
        pytest.param(httpx.Response(204), "HTTP 204, no content type", id="nothing"),
        pytest.param(httpx.Response(404, html="nope"), "HTTP 404, text/html", id="a web page that is not there"),
        pytest.param(httpx.Response(401, json={"detail": "who?"}), "HTTP 401, application/json", id="another API"),
        pytest.param(httpx.Response(307, headers={"location": "https://x/"}), "to https://x/", id="a redirect"),
    ],
)
def test_a_server_that_is_not_ours_is_told_apart(api: Api, answer: httpx.Response, part: str) -> None:
    api.on("POST", PATH, answer)
    with pytest.raises(errors.Unreachable, match="not as a Dure API does") as caught:
        send(api)
    assert part in str(caught.value)
    assert len(api.seen) == 1


def test_a_problem_becomes_its_class_with_all_it_says(api: Api) -> None:
    found = problem(
        "quota_exceeded",
        409,
        "16 GPUs are more than 8.",
        request_id="req_1",
        lease="lea_1",
        numbers={"limit_gpus": 8},
        decision=a_decision("quota_exceeded", "refused"),
    )
    api.on("POST", PATH, found)
    with pytest.raises(errors.QuotaExceeded) as caught:
        send(api)
    error = caught.value
    assert (error.detail, error.request_id, error.lease) == ("16 GPUs are more than 8.", "req_1", "lea_1")
    assert error.decision is not None
    assert error.numbers == {"limit_gpus": 8}


def test_a_problem_of_a_newer_server_keeps_its_sentence(api: Api) -> None:
    api.on("POST", PATH, problem("moon_phase", 409, "Not at full moon.", since="2031"))
    with pytest.raises(errors.DureError, match="Not at full moon"):
        send(api)


@pytest.mark.parametrize(
    ("server", "want"),
    [(SERVER, True), ("http://127.0.0.1:8470", False), ("http://[::1]:8470", False), ("http://localhost", False)],
)
def test_a_proxy_of_the_environment_is_for_other_machines_alone(api: Api, server: str, want: bool) -> None:
    with Connection(server, "t", timeout_s=1, retries=0, transport=api, sleep=api.slept.append) as connection:
        assert connection._http.trust_env is want
