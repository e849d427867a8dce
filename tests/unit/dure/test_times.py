"""People's times and durations."""

import contextlib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dure import times
from tests.unit.dure.answers import NOW

SEOUL, BERLIN = ZoneInfo("Asia/Seoul"), ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("now", "2026-11-24T00:48:44", id="now"),
        pytest.param("+1h", "2026-11-24T01:48:44", id="an hour from now"),
        pytest.param("+90m", "2026-11-24T02:18:44", id="90 minutes from now"),
        pytest.param("-24h", "2026-11-23T00:48:44", id="a day ago"),
        pytest.param("today 18:00", "2026-11-24T09:00:00", id="today at a time is read in the zone"),
        pytest.param("today", "2026-11-23T15:00:00", id="a day without a time is its first second"),
        pytest.param("tomorrow 09:00", "2026-11-25T00:00:00", id="tomorrow"),
        pytest.param("Tomorrow at 9:00", "2026-11-25T00:00:00", id="as people write it"),
        pytest.param("yesterday 10:00:30", "2026-11-23T01:00:30", id="yesterday, to the second"),
        pytest.param("fri 09:00", "2026-11-27T00:00:00", id="a weekday is the next one"),
        pytest.param("friday 09:00", "2026-11-27T00:00:00", id="a weekday written out"),
        pytest.param("tue 10:00", "2026-11-24T01:00:00", id="today's weekday, later today"),
        pytest.param("tue 09:00", "2026-12-01T00:00:00", id="today's weekday, too late today, is next week's"),
        pytest.param("2026-11-24 09:00", "2026-11-24T00:00:00", id="a date and time"),
        pytest.param("2026-11-24T09:00:00", "2026-11-24T00:00:00", id="ISO 8601 without offset is read in the zone"),
        pytest.param("2026-11-01", "2026-10-31T15:00:00", id="a date"),
        pytest.param("2026-11-24T09:00:00+02:00", "2026-11-24T07:00:00", id="ISO 8601 with offset"),
        pytest.param("2026-11-24 09:00Z", "2026-11-24T09:00:00", id="ISO 8601 in UTC"),
        pytest.param("2026-11-24T09:00:00-0530", "2026-11-24T14:30:00", id="an offset without a colon"),
    ],
)
def test_a_time_is_read(text: str, want: str) -> None:
    assert times.parse_instant(text, now=NOW, zone=SEOUL) == datetime.fromisoformat(want).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("", "write for example now, +1h30m", id="nothing"),
        pytest.param("soon", "'soon' is no time", id="a word"),
        pytest.param("18:00", "write today 18:00 or tomorrow 18:00", id="a time without its day"),
        pytest.param("25:00", "'25:00' is no time: hour must be in 0..23", id="no such hour, without its day"),
        pytest.param("18:60", "'18:60' is no time: minute must be in 0..59", id="no such minute, without its day"),
        pytest.param("today 25:00", "hour must be in 0..23", id="no such hour"),
        pytest.param("2026-02-30", "day is out of range", id="no such day"),
        pytest.param("2026-02-30T10:00:00Z", "'2026-02-30T10:00:00Z' is no time", id="no such day, absolute"),
        pytest.param("+5", "write 5m or 5h", id="a number without its unit"),
        pytest.param("+²h", "is no duration", id="a digit that is none"),
        pytest.param("2026-11-24T09:00:00.5Z", "is no time", id="parts of a second"),
        pytest.param("9999-12-31T23:59:59-23:00", "is no time", id="after the last year there is"),
        pytest.param("+999999999d", "longer than anything", id="a duration without end"),
        pytest.param("fri09:00", "is no time", id="no space"),
    ],
)
def test_what_is_no_time_is_refused_with_what_would_be(text: str, want: str) -> None:
    with pytest.raises(times.TimeError, match=want.replace("+", r"\+").replace("²", ".")):
        times.parse_instant(text, now=NOW, zone=SEOUL)


def test_a_local_time_that_the_clocks_skip_is_refused_with_those_beside_it() -> None:
    with pytest.raises(times.TimeError, match="does not exist in Europe/Berlin") as caught:
        times.parse_instant("2027-03-28 02:30", now=NOW, zone=BERLIN)
    assert 'write "2027-03-28 01:30" or "2027-03-28 03:30"' in str(caught.value)


def test_a_local_time_that_comes_twice_is_refused_with_both_written_out() -> None:
    with pytest.raises(times.TimeError, match="happens twice in Europe/Berlin") as caught:
        times.parse_instant("2027-10-31 02:30", now=NOW, zone=BERLIN)
    for offset in ("+02:00", "+01:00"):
        written = f"2027-10-31T02:30:00{offset}"
        assert written in str(caught.value)
        assert times.parse_instant(written, now=NOW, zone=BERLIN) == datetime.fromisoformat(written)


def test_a_day_whose_midnight_is_skipped_begins_at_its_first_instant() -> None:
    beirut = ZoneInfo("Asia/Beirut")
    found = times.parse_instant("2026-03-29", now=NOW, zone=beirut)
    assert found == datetime(2026, 3, 28, 22, tzinfo=UTC)
    assert found.astimezone(beirut).isoformat() == "2026-03-29T01:00:00+03:00"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("2h30m", 9000),
        ("1d", 86_400),
        ("2w", 1_209_600),
        ("1 h", 3600),
        ("2H", 7200),
        ("0s", 0),
    ],
)
def test_a_duration_is_read(text: str, want: int) -> None:
    assert times.parse_duration(text) == want


@pytest.mark.parametrize("text", ["", "60", "1.5h", "1h1h", "1m2h", "-3h", "h", "1y", "٣h", "3651d", "9" * 5000 + "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(times.TimeError):
        times.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("1.5h", "1h30m"),
        ("0,5 d", "12h"),
        ("30m2h", "2h30m"),
        ("1h1h", "2h"),
        ("2hours", "2h"),
        ("1 day 90 minutes", "1d1h30m"),
    ],
)
def test_a_duration_that_is_almost_one_is_refused_with_what_it_would_be(text: str, near: str) -> None:
    with pytest.raises(times.TimeError) as caught:
        times.parse_duration(text)
    assert str(caught.value) == (
        f"{text!r} is no duration: numbers are whole, and the units w, d, h, m and s go from large to small; write {near}"
    )


@pytest.mark.parametrize("text", ["0.1s", "9999999d.5h", "1.5months", "4000.5d", "h", "-1.5h"])
def test_what_is_far_from_a_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(times.TimeError, match="write for example 90s, 30m, 2h30m or 1d"):
        times.parse_duration(text)


@given(st.integers(min_value=0, max_value=3650 * 86_400))
def test_a_duration_shown_reads_as_itself(seconds: int) -> None:
    assert times.parse_duration(times.show_duration(seconds)) == seconds


@given(
    st.integers(min_value=0, max_value=4_000_000_000),
    st.sampled_from(["Asia/Seoul", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"]),
)
def test_a_time_written_with_its_offset_reads_as_itself(seconds: int, zone: str) -> None:
    whole = datetime.fromtimestamp(seconds, UTC)
    written = whole.astimezone(ZoneInfo(zone)).isoformat()
    assert times.parse_instant(written, now=NOW, zone=SEOUL) == whole


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_a_sentence(text: str) -> None:
    with contextlib.suppress(times.TimeError):
        assert times.parse_instant(text, now=NOW, zone=BERLIN).tzinfo is UTC


@pytest.mark.parametrize(
    ("zone", "want"),
    [
        pytest.param("Asia/Seoul", "Tue 2026-11-24 09:48:44 KST (00:48:44 UTC)", id="with UTC beside it"),
        pytest.param(
            "America/New_York", "Mon 2026-11-23 19:48:44 EST (2026-11-24 00:48:44 UTC)", id="another day in UTC"
        ),
        pytest.param("UTC", "Tue 2026-11-24 00:48:44 UTC", id="UTC said once"),
        pytest.param(
            "Asia/Kathmandu", "Tue 2026-11-24 06:33:44 +0545 (00:48:44 UTC)", id="a zone without a short name"
        ),
    ],
)
def test_a_time_is_shown_in_the_zone(zone: str, want: str) -> None:
    assert times.show_instant(NOW, ZoneInfo(zone)) == want


@pytest.mark.parametrize(
    ("instant", "want"),
    [
        pytest.param(datetime(2026, 11, 24, 9, tzinfo=UTC), "24 Nov 10:00", id="this year"),
        pytest.param(datetime(2027, 1, 2, 9, tzinfo=UTC), "2 Jan 2027 10:00", id="another year"),
        pytest.param(datetime(2026, 7, 2, 9, 0, 5, tzinfo=UTC), "2 Jul 11:00:05 CEST", id="another offset is named"),
    ],
)
def test_a_time_in_a_column_is_short(instant: datetime, want: str) -> None:
    assert times.show_short(instant, BERLIN, now=NOW) == want


@pytest.mark.parametrize(
    ("seconds", "want"), [(0, "now"), (5, "in 5s"), (-90, "1m30s ago"), (7265, "in 2h1m"), (-180_000, "2d2h ago")]
)
def test_a_distance_has_two_units_at_most(seconds: int, want: str) -> None:
    assert times.show_distance(datetime.fromtimestamp(NOW.timestamp() + seconds, UTC), NOW) == want
