"""dure usage."""

from tests.unit.dure.answers import Api, a_usage
from tests.unit.dure.conftest import Run


def test_the_servers_own_time_is_shown_where_none_is_said(api: Api, run: Run) -> None:
    api.on("GET", "/v1/usage", a_usage())
    assert "from Mon 2026-11-23 09:48:44 KST" in run("usage").stdout
    assert dict(api.seen[0].url.params) == {}


def test_what_was_said_is_asked_for(api: Api, run: Run) -> None:
    api.on("GET", "/v1/usage", a_usage())
    run("usage", "--since", "2026-11-01", "--until", "now", "--company", "acme")
    assert dict(api.seen[0].url.params) == {
        "since": "2026-10-31T15:00:00Z",
        "until": "2026-11-24T00:48:44Z",
        "company": "acme",
    }
