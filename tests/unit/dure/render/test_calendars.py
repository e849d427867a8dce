"""A pool over time."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from dure import wire
from dure.render import calendars
from dure.render.calendars import Grid, least_free
from dure.render.view import View
from tests.unit.dure.answers import NOW, a_booking, a_calendar, a_node_calendar, in_s
from tests.unit.dure.screen import SEOUL, text

NARROW = replace(SEOUL, width=80)


def test_a_calendar_is_read_at_a_glance() -> None:
    assert text(calendars.calendar(a_calendar(), NARROW), NARROW) == (
        "h100-80gb: 16 GPUs, from Tue 2026-11-24 09:48:44 KST (00:48:44 UTC)\n"
        "               ╷12:00      ╷18:00      ╷Wed 25     ╷06:00    free now\n"
        "gpu-01     ████████████····································  0/8\n"
        "gpu-02     ························▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒  8/8\n"
        "all nodes  ▒▒▒▒▒▒▒▒▒▒▒▒············░░░░░░░░░░░░░░░░░░░░░░░░  8/16\n"
        "           · all free  ░ to 1/4 taken  ▒ to 1/2  ▓ more  █ all taken\n"
        "           a column is 30m, at its fullest\n"
        "\n"
        "FROM             TO               GPUS  COMPANY  STATE      LEASE\n"
        "24 Nov 09:48:44  24 Nov 15:48:44     8  acme     active     lea_1\n"
        "24 Nov 21:48:44  25 Nov 15:48:44     4  another  scheduled  –\n"
        "times in Asia/Seoul; it is Tue 2026-11-24 09:48 KST (00:48 UTC)"
    )


def test_a_plain_screen_gets_ascii() -> None:
    assert text(calendars.calendar(a_calendar(), replace(NARROW, plain=True)), NARROW).isascii()


@pytest.mark.parametrize(
    ("free", "want"), [(8, "·"), (7, "░"), (6, "░"), (5, "▒"), (4, "▒"), (3, "▓"), (1, "▓"), (0, "█")]
)
def test_the_fuller_the_darker(free: int, want: str) -> None:
    node = a_node_calendar("n", [wire.FreeStep(at=NOW, free=free)])
    shown = text(calendars.calendar(a_calendar(nodes=[node], capacity=8), NARROW), NARROW)
    assert shown.splitlines()[2].split()[1] == want * 48


def test_a_moment_of_fullness_darkens_its_whole_column() -> None:
    steps = [wire.FreeStep(at=NOW, free=8), wire.FreeStep(at=in_s(60), free=0), wire.FreeStep(at=in_s(61), free=8)]
    shown = text(calendars.calendar(a_calendar(nodes=[a_node_calendar("n", steps)], capacity=8), NARROW), NARROW)
    assert shown.splitlines()[2].split()[1] == "█" + "·" * 47


def test_what_is_free_is_that_of_now_where_now_is_shown_and_else_of_the_beginning() -> None:
    steps = [wire.FreeStep(at=in_s(0), free=8), wire.FreeStep(at=in_s(60), free=2)]
    node = a_node_calendar("gpu-01", steps)
    for later_s, free in ((0, "8/8"), (90, "2/8")):
        view = replace(NARROW, now=in_s(later_s))
        shown = text(calendars.calendar(a_calendar(nodes=[node], capacity=8), view), view).splitlines()
        assert (shown[1].endswith("  free now"), shown[2].endswith(f"  {free}")) == (True, True)
    ahead = text(calendars.calendar(a_calendar(nodes=[node], capacity=8, since=in_s(3600)), NARROW), NARROW)
    assert ahead.splitlines()[1].endswith("  free then")
    assert ahead.splitlines()[2].endswith("  2/8")
    assert "free then: at 24 Nov 10:48:44" in ahead


def a_drained_node(start_s: int, end_s: int) -> wire.NodeCalendar:
    """Of 8 GPUs, out of service for a while; free else."""
    drain = wire.Drain(
        id="drn_1", node="gpu-01", starts_at=in_s(start_s), ends_at=in_s(end_s), reason="new driver", empty_from=None
    )
    steps = [wire.FreeStep(at=in_s(at), free=free) for at, free in ((0, 8), (start_s, 0), (end_s, 8))]
    return a_node_calendar("gpu-01", steps).model_copy(update={"drains": [drain]})


def test_out_of_service_is_not_taken() -> None:
    found = a_calendar(nodes=[a_drained_node(3600, 7200)], capacity=8)
    shown = text(calendars.calendar(found, NARROW), NARROW).splitlines()
    assert shown[2] == "gpu-01     ··××············································  8/8"
    assert shown[4].strip() == "× out of service for a part of it at least"
    assert shown[6].startswith("gpu-01 is out of service Tue 2026-11-24 10:48:44 KST")
    assert "×" not in text(calendars.calendar(a_calendar(), NARROW), NARROW)


def test_a_drain_that_is_not_in_what_is_shown_is_not_spoken_of() -> None:
    for since_s, until_s in ((7200, 86_400), (0, 3600)):
        found = a_calendar(nodes=[a_drained_node(3600, 7200)], since=in_s(since_s), until=in_s(until_s))
        shown = text(calendars.calendar(found, NARROW), NARROW)
        assert "×" not in shown
        assert "out of service" not in shown


def test_a_node_that_is_out_of_service_now_says_so() -> None:
    found = a_calendar(nodes=[a_drained_node(-60, 7200)], capacity=8)
    plain = replace(NARROW, plain=True)
    assert text(calendars.calendar(found, plain), plain).splitlines()[2].endswith("  0/8 drained")
    assert text(calendars.calendar(found, plain), plain).splitlines()[2].startswith("gpu-01     xxxx.")


@pytest.mark.parametrize(("limit", "free", "ends"), [(12, 4, "  4/12"), (0, 0, "  0/0")])
def test_what_may_still_be_booked_ahead_has_a_row_where_a_part_is_kept_for_walk_ins(
    limit: int, free: int, ends: str
) -> None:
    steps = [wire.FreeStep(at=NOW, free=free), wire.FreeStep(at=in_s(12 * 3600), free=limit)]
    kept = wire.WalkInCalendar(gpus=16 - limit, within_s=3600, near_until=in_s(3600), limit_gpus=limit, steps=steps)
    shown = text(calendars.calendar(a_calendar(walk_in=kept), SEOUL), SEOUL)
    [row] = [line for line in shown.splitlines() if line.startswith("ahead  ")]
    assert row.endswith(ends)
    assert (
        "ahead: what may still be booked for a start after Tue 2026-11-24 10:48:44 KST (01:48:44 UTC); "
        f"{16 - limit} GPUs are kept for starts within 1h"
    ) in shown
    assert "ahead" not in text(calendars.calendar(a_calendar(), SEOUL), SEOUL)


def test_a_silent_node_is_marked() -> None:
    node = a_node_calendar("gpu-01", [wire.FreeStep(at=NOW, free=0)], state="unknown")
    assert "0/8 unknown" in text(calendars.calendar(a_calendar(nodes=[node]), SEOUL))


def test_what_a_silent_node_has_free_is_not_counted_in_the_pool() -> None:
    """Nobody is given it, and it is not in the pool's capacity: 2 of 8 are taken, not all, and none are free of -8."""
    silent = a_node_calendar("gpu-01", [wire.FreeStep(at=NOW, free=8)], state="unknown")
    partly = [wire.FreeStep(at=NOW, free=6), wire.FreeStep(at=in_s(3600), free=8)]
    found = a_calendar(nodes=[silent, a_node_calendar("gpu-02", partly)], capacity=8)
    [line] = [line for line in text(calendars.calendar(found, NARROW), NARROW).splitlines() if "all nodes" in line]
    assert line.startswith("all nodes  ░░··")
    assert line.endswith("6/8")


@pytest.mark.parametrize(
    ("more", "want"),
    [
        pytest.param({"nodes": [], "capacity": 0}, "no node has reported GPUs for it yet", id="a pool without nodes"),
        pytest.param({"bookings": []}, "nothing is booked in it", id="a pool without bookings"),
        pytest.param(
            {"bookings": [a_booking("active", 0, 9)] * 25}, "and 5 more; --json has them all", id="too many bookings"
        ),
    ],
)
def test_what_is_not_there_is_said(more: dict[str, list[object]], want: str) -> None:
    assert want in text(calendars.calendar(a_calendar(**more), SEOUL))


@pytest.mark.parametrize(
    ("start_s", "end_s", "want"),
    [
        pytest.param(0, 10, 8, id="before the first change"),
        pytest.param(5, 11, 2, id="into a change"),
        pytest.param(10, 11, 2, id="from a change on"),
        pytest.param(12, 30, 2, id="between changes"),
        pytest.param(20, 99, 5, id="to the end"),
    ],
)
def test_the_least_that_is_free(start_s: int, end_s: int, want: int) -> None:
    steps = [wire.FreeStep(at=in_s(at), free=free) for at, free in ((0, 8), (10, 2), (20, 5))]
    assert least_free(steps, in_s(start_s), in_s(end_s)) == want


@pytest.mark.parametrize(
    ("seconds", "columns", "want_s"),
    [(86_400, 96, 900), (86_400, 57, 1800), (20, 96, 1), (60 * 86_400, 60, 86_400), (10**9, 60, 16_666_667)],
)
def test_a_column_stands_for_a_round_stretch(seconds: int, columns: int, want_s: int) -> None:
    grid = Grid.of(NOW, NOW + timedelta(seconds=seconds), columns)
    assert grid.stretch == timedelta(seconds=want_s)
    assert len(grid.starts) <= columns
    assert grid.starts[-1] < grid.until <= grid.starts[-1] + grid.stretch


@pytest.mark.parametrize("days", [1, 3, 30, 60])
@pytest.mark.parametrize("zone", ["Asia/Seoul", "Europe/Berlin", "America/St_Johns"])
def test_the_rulers_marks_stand_at_their_columns(days: int, zone: str) -> None:
    view = View(now=NOW, zone=ZoneInfo(zone))
    grid = Grid.of(NOW, NOW + timedelta(days=days), 60)
    marks = list(grid.marks(view))
    assert marks
    for column, label in marks:
        begin = (grid.starts[column]).astimezone(view.zone)
        shown = [begin + timedelta(seconds=second) for second in range(0, int(grid.stretch.total_seconds()) + 1, 60)]
        labels = {f"{moment:%H:%M}" for moment in shown} | {f"{moment:%a} {moment.day}" for moment in shown}
        assert label in labels
