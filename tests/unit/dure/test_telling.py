"""Following events: what breaks is taken up after the last one, and what cannot be mended is told."""

from datetime import timedelta
from itertools import islice

import httpx
import pytest

from dure import errors, wire
from dure.client import Client
from tests.unit.dure.answers import NOW, SERVER, Api, a_stream, an_event_told, page, problem

ONE, TWO, THREE = (an_event_told(number) for number in (1, 2, 3))


def follow(api: Api, count: int, **more: object) -> list[wire.Event]:
    def now():
        return NOW + timedelta(seconds=sum(api.slept))

    client = Client(SERVER, "dure_secret", transport=api, sleep=api.slept.append)
    with client:
        return list(islice(client.follow_events(now=now, **more), count))  # type: ignore[arg-type]


def lasts(api: Api) -> list[str | None]:
    return [request.headers.get("last-event-id") for request in api.seen]


def test_a_stream_that_ends_is_taken_up_after_its_last_event(api: Api) -> None:
    api.on("GET", "/v1/events", a_stream(ONE, TWO), a_stream(THREE))
    assert follow(api, 3, company="acme", since=NOW) == [ONE, TWO, THREE]
    assert lasts(api) == [None, "evt_2"]
    assert api.slept == [2]
    assert dict(api.seen[0].url.params) == {"company": "acme", "since": "2026-11-24T00:48:44Z"}
    assert api.seen[0].headers["accept"] == "text/event-stream"


def test_a_stream_that_breaks_before_its_first_event_goes_on_where_it_began(api: Api) -> None:
    api.on("GET", "/v1/events", a_stream(last="evt_0"), httpx.ReadError("reset"), a_stream(ONE))
    assert follow(api, 1) == [ONE]
    assert lasts(api) == [None, "evt_0", "evt_0"]


def test_a_server_that_is_away_for_a_while_is_waited_for_and_that_is_told(api: Api) -> None:
    told: list[errors.DureError] = []
    api.on(
        "GET", "/v1/events", a_stream(ONE), httpx.ConnectError("refused"), problem("unavailable", 503), a_stream(TWO)
    )
    assert follow(api, 2, broken=told.append) == [ONE, TWO]
    assert [type(error) for error in told] == [errors.Unreachable], "once, not at every try"


def test_a_server_that_stays_away_is_given_up_after_five_minutes(api: Api) -> None:
    api.on("GET", "/v1/events", a_stream(ONE), httpx.ConnectError("refused"))
    with pytest.raises(errors.Unreachable):
        follow(api, 2)
    assert 300 <= sum(api.slept) <= 304


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (problem("token_revoked", 401), errors.TokenRevoked),
        (problem("unknown_company", 404), errors.UnknownCompany),
        (page(), errors.Unreachable),
    ],
    ids=["a token that is none", "nobody of that name", "a server that knows no streams"],
)
def test_what_waiting_does_not_mend_is_raised(api: Api, reply: httpx.Response, error: type[Exception]) -> None:
    api.on("GET", "/v1/events", reply)
    with pytest.raises(error):
        follow(api, 1)
