"""The whole house on one screen."""

from dataclasses import replace

import pytest
from rich.console import Console

from dure import wire
from dure.render.status import Status, status
from dure.render.view import View
from tests.unit.dure.answers import (
    a_booking,
    a_calendar,
    a_checkup,
    a_finding,
    a_node_calendar,
    a_pool,
    a_process,
    in_s,
)
from tests.unit.dure.screen import SEOUL, text
from tests.unit.dure.tops import a_drain


def screen(pools: list[wire.Pool], calendars: list[wire.Calendar], view: View = SEOUL, **more: wire.Checkup) -> str:
    return text(status(Status(pools=pools, calendars=calendars, **more), "http://api.test", view), view)


def test_the_screen_says_what_is_free_and_what_starts_and_ends_next() -> None:
    later = a_calendar(pool="a100", bookings=[a_booking("ending", 0, 60), a_booking("scheduled", 120, 180)])
    shown = screen([a_pool(), a_pool("a100")], [a_calendar(), later]).splitlines()
    starts, ends = shown.index("starts next"), shown.index("ends next")
    assert [line.split()[0] for line in shown[starts + 2 : starts + 4]] == ["a100", "h100-80gb"]
    assert [line.split()[0] for line in shown[ends + 2 : ends + 4]] == ["a100", "h100-80gb"]
    assert len(shown) <= 24


def test_of_many_the_next_few_are_shown() -> None:
    many = a_calendar(bookings=[a_booking("active", 0, 60 * n, lease=f"lea_{n}") for n in range(1, 10)])
    shown = screen([a_pool()], [many])
    assert "ends next (of 9 in 24h)" in shown
    assert "lea_5" in shown
    assert "lea_6" not in shown


def test_nodes_that_are_out_of_service_or_will_be_are_named_once() -> None:
    steps = [wire.FreeStep(at=in_s(0), free=0)]
    planned = a_drain().model_copy(update={"id": "drn_2", "starts_at": in_s(7200), "ends_at": in_s(9000)})
    node = a_node_calendar("gpu-02", steps).model_copy(update={"drains": [planned, a_drain()]})
    both = [a_calendar(nodes=[node]), a_calendar(pool="a100", nodes=[node])]
    shown = screen([a_pool(), a_pool("a100")], both).splitlines()
    at = shown.index("out of service")
    assert [line.split()[:2] for line in shown[at + 1 : at + 4]] == [["gpu-02", "drained"], ["gpu-02", "drains"], []]
    assert "out of service" not in screen([a_pool()], [a_calendar()])


def test_a_narrow_screen_keeps_ids_whole() -> None:
    view = replace(SEOUL, width=80)
    lease = "lea_06eqz8n1hg7k2m9v4r3t"
    booked = [a_booking("active", 0, 60, lease=lease, company="globex-research"), a_booking("scheduled", 9, 99)]
    lines = screen([a_pool()], [a_calendar(bookings=booked)], view).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.endswith(f"  {lease}")]


def test_a_quiet_house_says_so() -> None:
    shown = screen([], [])
    for sentence in ("dure pool add", "nothing starts in the next 24h", "nothing ends in the next 24h"):
        assert sentence in shown


def test_who_leads_the_database_and_what_needs_somebody_come_first() -> None:
    wrong = [a_finding(f"check{n}", ok=False) for n in range(8)]
    aside = a_finding("archiving", ok=False, essential=False)
    shown = screen([a_pool()], [a_calendar()], checkup=a_checkup(*wrong, aside)).splitlines()
    assert shown[0].endswith("at http://api.test")
    assert shown[1].split(None, 1)[1] == "sched-0:7, which turned 0s ago, 1 more stands by"
    assert shown[2].split(None, 1)[1].startswith("PostgreSQL 18.1, 1.0 GiB, 12 of 100 connections")
    assert shown[3].split(None, 1)[1] == "2 of 2 nodes report"
    at = shown.index("needs somebody")
    assert [line.split()[:2] for line in shown[at + 1 : at + 3]] == [["wrong", "check0:"], ["wrong", "check1:"]]
    assert "and 2 more: dure doctor" in shown
    assert not [line for line in shown if "archiving" in line]


def test_a_house_without_a_leader_says_so() -> None:
    assert "nobody: no scheduler is there" in screen([], [], checkup=a_checkup(processes=[]))
    one = a_process("s:1", leads=False)
    assert "nobody, 1 more stands by" in screen([], [], checkup=a_checkup(processes=[one]))
    gone = one.model_copy(update={"leads": True, "seen_at": in_s(-60)})
    assert "nobody: no scheduler is there" in screen([], [], checkup=a_checkup(processes=[gone]))


@pytest.mark.parametrize(
    ("seen_s", "turned_s", "want", "style"),
    [
        pytest.param(5, 6, "s:1, which turned 6s ago", "", id="its word is as old as any"),
        pytest.param(1, 7, "s:1, which turned 7s ago", "yellow", id="its loop stands still"),
        pytest.param(9, 10, "s:1, which turned 10s ago", "yellow", id="it is silent"),
        pytest.param(16, 17, "s:1, which is not heard of and last turned 17s ago", "red", id="it is gone"),
        pytest.param(0, None, "s:1, whose loop has not turned yet", "yellow", id="it has just begun to lead"),
    ],
)
def test_the_leader_is_told_with_when_it_turned(seen_s: int, turned_s: int | None, want: str, style: str) -> None:
    told = {"seen_at": in_s(-seen_s), "turned_at": None if turned_s is None else in_s(-turned_s)}
    found = a_checkup(processes=[a_process("s:1", leads=True).model_copy(update=told)])
    assert f"leads     {want}, and nobody stands by" in screen([], [], checkup=found)
    coloured = Console(width=200, force_terminal=True, color_system="standard")
    with coloured.capture() as captured:
        coloured.print(status(Status(pools=[], calendars=[], checkup=found), "http://api.test", SEOUL))
    code = {"": "", "yellow": "\x1b[33m", "red": "\x1b[31m"}[style]
    assert f"{code}{want}" in captured.get()
    assert ("\x1b[33m" in captured.get(), "\x1b[31m" in captured.get()) == (style == "yellow", style == "red")


def test_without_the_database_that_is_what_is_shown() -> None:
    gone = a_checkup(a_finding("database", ok=False), database=None, agents=None, ledger=None, processes=[])
    shown = text(status(Status(pools=None, calendars=[], checkup=gone), "http://api.test", SEOUL)).splitlines()
    assert [line.split()[:2] for line in shown if line.startswith("wrong")] == [["wrong", "database:"]]
    assert shown[-1] == "pools, leases and nodes cannot be shown until the database is there"
