"""The whole house on one screen."""

from dataclasses import replace

from dure.render.status import status
from tests.unit.dure.answers import a_booking, a_calendar, a_pool
from tests.unit.dure.screen import SEOUL, text


def test_the_screen_says_what_is_free_and_what_starts_and_ends_next() -> None:
    later = a_calendar(pool="a100", bookings=[a_booking("ending", 0, 60), a_booking("scheduled", 120, 180)])
    shown = text(status([a_pool(), a_pool("a100")], [a_calendar(), later], SEOUL)).splitlines()
    starts, ends = shown.index("starts next"), shown.index("ends next")
    assert [line.split()[0] for line in shown[starts + 2 : starts + 4]] == ["a100", "h100-80gb"]
    assert [line.split()[0] for line in shown[ends + 2 : ends + 4]] == ["a100", "h100-80gb"]
    assert len(shown) <= 24


def test_of_many_the_next_few_are_shown() -> None:
    many = a_calendar(bookings=[a_booking("active", 0, 60 * n, lease=f"lea_{n}") for n in range(1, 10)])
    shown = text(status([a_pool()], [many], SEOUL))
    assert "ends next (of 9 in 24h)" in shown
    assert "lea_5" in shown
    assert "lea_6" not in shown


def test_a_narrow_screen_keeps_ids_whole() -> None:
    view = replace(SEOUL, width=80)
    lease = "lea_06eqz8n1hg7k2m9v4r3t"
    booked = [a_booking("active", 0, 60, lease=lease, company="globex-research"), a_booking("scheduled", 9, 99)]
    lines = text(status([a_pool()], [a_calendar(bookings=booked)], view), view).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.endswith(f"  {lease}")]


def test_a_quiet_house_says_so() -> None:
    shown = text(status([], [], SEOUL))
    for sentence in ("dure pool add", "nothing starts in the next 24h", "nothing ends in the next 24h"):
        assert sentence in shown
