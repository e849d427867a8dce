"""The forms everything is shown in."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from dure.render.view import View, facts, table, timed
from tests.unit.dure.answers import NOW
from tests.unit.dure.screen import SEOUL, text


def test_a_time_is_shown_with_its_zone_utc_and_distance() -> None:
    assert SEOUL.full(NOW + timedelta(hours=2)) == "Tue 2026-11-24 11:48:44 KST (02:48:44 UTC), in 2h"


def test_what_has_happened_is_never_ahead_though_the_command_began_before_it() -> None:
    assert SEOUL.past(NOW + timedelta(seconds=2)) == "Tue 2026-11-24 09:48:46 KST (00:48:46 UTC), now"
    assert SEOUL.past(NOW - timedelta(hours=2)) == SEOUL.full(NOW - timedelta(hours=2))


@pytest.mark.parametrize(
    ("zone", "want"),
    [
        ("Asia/Seoul", "times in Asia/Seoul; it is Tue 2026-11-24 09:48 KST (00:48 UTC)"),
        ("UTC", "times in UTC; it is Tue 2026-11-24 00:48 UTC"),
        ("Europe/London", "times in UTC; it is Tue 2026-11-24 00:48 GMT"),
    ],
)
def test_a_table_of_times_names_its_zone(zone: str, want: str) -> None:
    view = View(now=NOW, zone=ZoneInfo(zone))
    assert text(timed(table("A", rows=lambda _: [["x"]], view=view), view), view).splitlines()[-1] == want


def test_what_looks_like_markup_is_shown_as_it_is() -> None:
    assert text(facts([("name", "[red]:smile:[/red]")])) == "name  [red]:smile:[/red]"


def _shown(width: int) -> list[str]:
    view = View(now=NOW, zone=SEOUL.zone, width=width)
    made = table(
        *("LEASE", "AT", "WHERE", "NAME"),
        rows=lambda view: [["l" * 24, view.short(NOW), "gpu-01 (8)", "one two three"]],
        view=view,
        loose=("NAME",),
        drop=("WHERE", "AT"),
    )
    return text(made, view).splitlines()


@pytest.mark.parametrize(
    ("width", "want"),
    [
        pytest.param(160, [f"{'l' * 24}  24 Nov 09:48:44  gpu-01 (8)  one two three"], id="all of it"),
        pytest.param(
            60, [f"{'l' * 24}  24 Nov 09:48:44  gpu-01 (8)  one", f"{'':55}two", f"{'':55}three"], id="between words"
        ),
        pytest.param(
            57, [f"{'l' * 24}  24 Nov 09:48  gpu-01 (8)  one", f"{'':52}two", f"{'':52}three"], id="without seconds"
        ),
        pytest.param(48, [f"{'l' * 24}  24 Nov 09:48  one two", f"{'':40}three"], id="without a column"),
        pytest.param(36, [f"{'l' * 24}  one two", f"{'':26}three"], id="without two"),
        pytest.param(10, [f"{'l' * 24}  one two", f"{'':26}three"], id="ids are whole on any screen"),
    ],
)
def test_what_does_not_fit_goes_and_nothing_is_broken(width: int, want: list[str]) -> None:
    assert _shown(width)[1:] == want
