from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from scheduler.core.ledger import Period
from scheduler.core.model import Instant
from scheduler.periods import Budget, periods, share

DAY = 86_400
MONTH = Budget(gpu_seconds=100, kind="month", zone="Asia/Seoul")


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def begins(budget: Budget, since: str, until: str) -> list[str]:
    found = periods(budget, at(since), at(until))
    return [datetime.fromtimestamp(one.begins_at, ZoneInfo(budget.zone)).isoformat() for one in found]


def test_months_begin_at_midnight_in_the_programme_s_zone():
    assert begins(MONTH, "2026-11-30T20:00:00", "2027-01-31T14:00:00") == [
        "2026-12-01T00:00:00+09:00",
        "2027-01-01T00:00:00+09:00",
    ]


def test_weeks_begin_on_monday():
    assert begins(replace(MONTH, kind="week"), "2026-11-24T12:00:00", "2026-12-07T00:00:00") == [
        "2026-11-23T00:00:00+09:00",
        "2026-11-30T00:00:00+09:00",
        "2026-12-07T00:00:00+09:00",
    ]


def test_a_week_in_which_the_clocks_change_is_an_hour_shorter_or_longer():
    berlin = replace(MONTH, kind="week", zone="Europe/Berlin")
    for inside, hours in (("2026-03-25T00:00:00", 167), ("2026-10-20T00:00:00", 169), ("2026-11-24T00:00:00", 168)):
        [week] = periods(berlin, at(inside), at(inside) + 1)
        assert week.ends_at - week.begins_at == hours * 3600


@pytest.mark.parametrize("kind", ["week", "month"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Seoul", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"])
def test_there_is_no_hole_between_periods(kind: str, zone: str):
    since = at("2026-01-01T00:00:00")
    found = list(periods(replace(MONTH, kind=kind, zone=zone), since, since + 400 * DAY))
    assert found[0].begins_at <= since < found[0].ends_at
    assert found[-1].ends_at >= since + 400 * DAY
    assert all(earlier.ends_at == later.begins_at for earlier, later in pairwise(found))


def test_a_term_is_one_period_until_it_is_over():
    term = Budget(gpu_seconds=7, kind="term", begins_at=Instant(100), ends_at=Instant(200))
    only = Period(begins_at=Instant(100), ends_at=Instant(200))
    assert list(periods(term, 50, 300)) == list(periods(term, 199, 300)) == [only]
    assert list(periods(term, 200, 300)) == []


def test_a_part_of_a_period_has_its_part_of_the_budget():
    [whole] = periods(MONTH, at("2026-12-10T00:00:00"), at("2026-12-10T00:00:01"))
    half = Period(begins_at=Instant((whole.begins_at + whole.ends_at) // 2), ends_at=whole.ends_at)
    assert (share(MONTH, whole), share(MONTH, half)) == (100, 50)
