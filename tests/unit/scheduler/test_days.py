from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from scheduler import days

BERLIN, SEOUL = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Seoul")
HOUR = 3600


def _at(said: str) -> int:
    return int(datetime.fromisoformat(said).timestamp())


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        pytest.param("Asia/Seoul", date(2027, 3, 28), 24, id="where clocks never change"),
        pytest.param("Europe/Berlin", date(2027, 3, 28), 23, id="the clocks go forward"),
        pytest.param("Europe/Berlin", date(2027, 10, 31), 25, id="the clocks go back"),
        pytest.param("Australia/Lord_Howe", date(2027, 4, 4), 24.5, id="by half an hour"),
        pytest.param("America/Santiago", date(2027, 9, 5), 23, id="midnight itself is skipped"),
        pytest.param("Pacific/Apia", date(2011, 12, 30), 0, id="a day that was not"),
    ],
)
def test_a_day_is_as_long_as_it_is_there(zone: str, day: date, hours: float) -> None:
    found = next(days.days(day, date.max, ZoneInfo(zone)))
    assert (found.day, found.ends_at - found.begins_at) == (day, hours * HOUR)


def test_days_follow_each_other_without_a_hole_over_a_year() -> None:
    found = list(days.days(date(2027, 1, 1), date(2028, 1, 1), BERLIN))
    assert len(found) == 365
    assert all(one.ends_at == other.begins_at for one, other in pairwise(found))
    assert all(days.of(one.begins_at, BERLIN) == days.of(one.ends_at - 1, BERLIN) == one.day for one in found)


def test_those_that_a_stretch_meets_are_whole() -> None:
    found = days.meeting(_at("2027-01-15T14:59:59Z"), _at("2027-01-15T15:00:01Z"), SEOUL)
    assert [str(one.day) for one in found] == ["2027-01-15", "2027-01-16"]
    assert days.meeting(5, 5, SEOUL) == []


def test_agents_are_told_of_yesterday_today_and_a_week_ahead() -> None:
    found = days.midnights(_at("2027-03-28T12:00:00Z"), BERLIN)
    assert [datetime.fromtimestamp(at, BERLIN).isoformat()[:16] for at in found] == [
        f"2027-{day}T00:00" for day in ["03-27", "03-28", "03-29", "03-30", "03-31", "04-01", "04-02", "04-03", "04-04"]
    ]


@pytest.mark.parametrize("late_h", [-1, 0, 1, 11])
def test_a_day_that_an_agent_reckoned_by_24_hours_is_the_day_that_most_of_it_is_of(late_h: int) -> None:
    midnight = datetime(2027, 3, 29, tzinfo=BERLIN).timestamp()
    assert days.begun(datetime.fromtimestamp(midnight + late_h * HOUR, UTC), BERLIN) == date(2027, 3, 29)
