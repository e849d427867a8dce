"""dure status."""

import json

from tests.unit.dure.answers import Api, a_calendar, a_pool, page
from tests.unit.dure.conftest import Run


def test_the_screen_has_every_pool_and_its_next_starts_and_ends(api: Api, run: Run) -> None:
    api.on("GET", "/v1/pools", page(a_pool(), a_pool("a100"))).on("GET", "/v1/calendar", a_calendar())
    shown = run("status").stdout
    for part in ("a100", "starts next", "ends next", "lea_1"):
        assert part in shown
    assert [request.url.params.get("pool") for request in api.seen] == [None, "h100-80gb", "a100"]


def test_json_has_pools_and_calendars(api: Api, run: Run) -> None:
    api.on("GET", "/v1/pools", page(a_pool())).on("GET", "/v1/calendar", a_calendar())
    found = json.loads(run("status", "--json").stdout)
    assert found["pools"] == [json.loads(a_pool().model_dump_json())]
    assert found["calendars"] == [json.loads(a_calendar().model_dump_json())]
