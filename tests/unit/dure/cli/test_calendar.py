"""dure calendar."""

import pytest

from tests.unit.dure.answers import Api, a_calendar
from tests.unit.dure.conftest import Run


@pytest.mark.parametrize(
    ("words", "since", "until"),
    [
        pytest.param([], "2026-11-24T00:48:44Z", "2026-11-25T00:48:44Z", id="the next day"),
        pytest.param(["--for", "90m"], "2026-11-24T00:48:44Z", "2026-11-24T02:18:44Z", id="a while"),
        pytest.param(["--since", "today", "--for", "1d"], "2026-11-23T15:00:00Z", "2026-11-24T15:00:00Z", id="today"),
        pytest.param(
            ["--since", "-1d", "--for", "63d"], "2026-11-23T00:48:44Z", "2027-01-25T00:48:44Z", id="as much as there is"
        ),
        pytest.param(["--since", "-1h"], "2026-11-23T23:48:44Z", "2026-11-24T23:48:44Z", id="from a while ago"),
    ],
)
def test_the_time_shown_is_the_one_asked_for(api: Api, run: Run, words: list[str], since: str, until: str) -> None:
    api.on("GET", "/v1/calendar", a_calendar())
    result = run("calendar", "h100-80gb", *words)
    assert result.exit_code == 0
    assert "gpu-01" in result.stdout
    assert dict(api.seen[0].url.params) == {"pool": "h100-80gb", "since": since, "until": until}


@pytest.mark.parametrize("words", [["--for", "soon"], ["--since", "18:00"]], ids=" ".join)
def test_a_time_that_is_none_names_its_option(api: Api, run: Run, words: list[str]) -> None:
    result = run("calendar", "p", *words)
    assert (result.exit_code, api.seen) == (2, [])
    assert result.stderr.startswith(f"error: {words[0]}: ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["--since", "-24h"], "would be over by now", id="what is past"),
        pytest.param(["--for", "63d"], "at most 62d", id="too much"),
    ],
)
def test_a_time_that_the_calendar_does_not_have_names_the_option_that_says_it(
    api: Api, run: Run, words: list[str], says: str
) -> None:
    result = run("calendar", "p", *words)
    assert (result.exit_code, api.seen) == (2, [])
    assert result.stderr.startswith("error: --for: ")
    assert says in result.stderr
