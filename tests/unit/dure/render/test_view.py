"""The forms everything is shown in."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from dure.render.view import View, facts, table, timed
from tests.unit.dure.answers import NOW
from tests.unit.dure.screen import SEOUL, text


def test_a_time_is_shown_with_its_zone_utc_and_distance() -> None:
    assert SEOUL.full(NOW + timedelta(hours=2)) == "Tue 2026-11-24 11:48:44 KST (02:48:44 UTC), in 2h"


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
    assert text(timed(table("A", rows=[["x"]]), view), view).splitlines()[-1] == want


def test_what_looks_like_markup_is_shown_as_it_is() -> None:
    assert text(facts([("name", "[red]:smile:[/red]")])) == "name  [red]:smile:[/red]"


def test_the_first_column_is_never_broken() -> None:
    shown = text(table("LEASE", "WHERE", rows=[["l" * 24, "gpu-01 " * 9]]), View(now=NOW, zone=SEOUL.zone, width=40))
    assert shown.splitlines()[1].startswith("l" * 24)
