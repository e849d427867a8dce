"""dure status."""

import json

import httpx
import pytest

from dure.cli import exits
from tests.unit.dure.answers import Api, a_calendar, a_checkup, a_pool, page, problem
from tests.unit.dure.conftest import Run


def test_the_screen_has_every_pool_and_its_next_starts_and_ends(api: Api, run: Run) -> None:
    api.on("GET", "/v1/pools", page(a_pool(), a_pool("a100"))).on("GET", "/v1/calendar", a_calendar())
    shown = run("status").stdout
    for part in ("a100", "starts next", "ends next", "lea_1"):
        assert part in shown
    assert [request.url.params.get("pool") for request in api.seen] == [None, None, "h100-80gb", "a100"]


def test_json_has_pools_and_calendars(api: Api, run: Run) -> None:
    api.on("GET", "/v1/pools", page(a_pool())).on("GET", "/v1/calendar", a_calendar())
    found = json.loads(run("status", "--json").stdout)
    assert found["pools"] == [json.loads(a_pool().model_dump_json())]
    assert found["checkup"] is None
    assert found["calendars"] == [json.loads(a_calendar().model_dump_json())]


def test_admins_and_operators_see_how_the_house_is_and_others_do_not(api: Api, run: Run) -> None:
    api.on("GET", "/v1/pools", page(a_pool())).on("GET", "/v1/calendar", a_calendar()).on(
        "GET", "/v1/checkup", a_checkup()
    )
    assert "sched-0:7, which turned 0s ago, 1 more stands by" in run("status").stdout
    api.on("GET", "/v1/checkup", problem("forbidden", 403))
    result = run("status")
    assert (result.exit_code, "sched-0" in result.stdout) == (0, False)


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_while_the_database_is_away_that_is_shown(api: Api, run: Run, json_too: tuple[str, ...]) -> None:
    gone = a_checkup(database=None, processes=[], agents=None, ledger=None)
    api.on("GET", "/v1/checkup", gone).on("GET", "/v1/pools", problem("unavailable", 503))
    result = run("status", *json_too)
    assert result.exit_code == 6
    assert [request.url.path for request in api.seen] == ["/v1/checkup"], "nothing else can be answered"
    assert ("until the database is there" in result.stdout) == (not json_too)
    api.on("GET", "/v1/checkup", a_checkup())
    result = run("status", *json_too)
    assert (result.exit_code, "sched-0" in result.stdout) == (6, False)


def test_an_api_that_gives_no_answer_is_asked_once(api: Api, run: Run) -> None:
    api.on("GET", "/v1/checkup", httpx.ReadTimeout("slow"))
    assert run("status").exit_code == exits.UNAVAILABLE
    assert (len(api.seen), api.slept) == (1, [])
