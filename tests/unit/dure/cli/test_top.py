"""dure top, one look at a time; how it lives in a terminal is tests/integration/dure/test_top.py's."""

import json
import threading
from datetime import timedelta

import httpx
import pytest

from dure.cli.top_looks import Looking, Source
from dure.client import Client
from dure.errors import Forbidden, Unreachable
from dure.fleet_now import Top
from tests.unit.dure.answers import NOW, SERVER, TOKEN, Api, a_calendar, a_lease, a_node, a_pool, page, problem
from tests.unit.dure.conftest import Run
from tests.unit.dure.tops import a_top


@pytest.fixture
def fleet(api: Api) -> Api:
    api.on("GET", "/v1/pools", page(a_pool())).on("GET", "/v1/calendar", a_calendar())
    return api.on("GET", "/v1/leases", page(a_lease("queued"))).on("GET", "/v1/nodes", page(a_node()))


@pytest.mark.parametrize("words", [(), ("--once",)])
def test_where_nobody_looks_it_is_one_look(fleet: Api, run: Run, words: tuple[str, ...]) -> None:
    result = run("top", *words)
    assert result.exit_code == 0, result.output
    for part in ("pools", "next", "companies", "queue", "nodes", "gpu-01"):
        assert part in result.stdout.split()
    assert "\x1b" not in result.stdout


def test_json_is_one_look_as_it_was_answered(fleet: Api, run: Run) -> None:
    found = json.loads(run("top", "--json").stdout)
    assert sorted(found) == ["at", "calendars", "nodes", "pools", "queued"]
    assert found["nodes"] == [json.loads(a_node().model_dump_json())]


def test_of_what_there_is_each_is_asked_once(fleet: Api, run: Run) -> None:
    run("top", "--once")
    assert [request.url.path for request in fleet.seen] == ["/v1/pools", "/v1/calendar", "/v1/leases", "/v1/nodes"]


def test_who_may_not_see_nodes_sees_the_rest(fleet: Api, run: Run) -> None:
    fleet.on("GET", "/v1/nodes", problem("forbidden", 403))
    result = run("top", "--json")
    assert (result.exit_code, json.loads(result.stdout)["nodes"]) == (0, None)


def test_one_look_at_an_api_that_is_away_is_an_error(api: Api, run: Run) -> None:
    api.on("GET", "/v1/pools", httpx.ConnectError("refused"))
    assert run("top", "--once").exit_code == 6


@pytest.mark.parametrize("interval", ["0s", "fast", "-1s"])
def test_an_interval_is_at_least_a_second(api: Api, run: Run, interval: str) -> None:
    result = run("top", "--interval", interval)
    assert (result.exit_code, api.seen) == (2, [])


def test_nodes_are_asked_about_now_and_then(fleet: Api) -> None:
    at = [NOW]
    with Client(SERVER, TOKEN, transport=fleet) as client:
        source = Source(client, lambda: at[0])
        for seconds in (0, 5, 5, 5):
            at[0] += timedelta(seconds=seconds)
            assert source.look().nodes == [a_node()]
    assert sum(request.url.path == "/v1/nodes" for request in fleet.seen) == 2


class Watched:
    """Looks that a test answers, and a wait for each that was told."""

    def __init__(self, *answers: Top | Exception) -> None:
        self._answers, self._told = list(answers), threading.Semaphore(0)
        self.looking = Looking(self._look, lambda: NOW, interval_s=3600, told=self._told.release)

    def _look(self) -> Top:
        found = self._answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def told(self) -> None:
        assert self._told.acquire(timeout=60)


def test_an_api_that_is_away_is_asked_again_and_the_last_look_stays() -> None:
    watched = Watched(a_top(), Unreachable("refused"), a_top(nodes=None))
    watched.told()
    assert (watched.looking.seen.top, watched.looking.seen.away) == (a_top(), None)
    watched.looking.again()
    watched.told()
    assert (watched.looking.seen.top, watched.looking.seen.away) == (a_top(), "refused")
    assert watched.looking.seen.heard == NOW
    watched.looking.again()
    watched.told()
    assert (watched.looking.seen.top, watched.looking.seen.away) == (a_top(nodes=None), None)
    watched.looking.stop()


def test_a_token_that_is_not_taken_ends_it() -> None:
    watched = Watched(Forbidden("not yours"))
    watched.told()
    assert isinstance(watched.looking.failed, Forbidden)
