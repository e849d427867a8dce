"""The fleet on one screen."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dure.render.top import Room, Seen, frame, screen
from tests.unit.dure.answers import NOW, a_node, a_pool
from tests.unit.dure.screen import SEOUL, text
from tests.unit.dure.tops import a_top

HEARD = Seen(top=a_top(), heard=NOW)


def lines(seen: Seen, *, width: int = 100, height: int = 40) -> list[str]:
    view = replace(SEOUL, width=width)
    return text(screen(seen, view, interval_s=5, height=height), view).splitlines()


def test_every_part_is_on_the_screen_with_countdowns() -> None:
    shown = lines(HEARD)
    assert shown[0] == "dure top  09:48:44 KST  every 5s  q quits, r looks again"
    for part in ("pools", "next", "companies", "queue", "nodes"):
        assert part in shown
    assert "starts  in 30m" in "\n".join(shown)
    assert "ends    in 1h" in "\n".join(shown)
    assert any(line.split()[:4] == ["acme", "1", "2", "85"] for line in shown)


def test_before_the_first_answer_it_says_what_it_waits_for() -> None:
    assert lines(Seen())[1] == "asking the API"
    assert lines(Seen(away="refused"))[1] == "no answer yet: refused; trying again"


def test_while_the_api_is_away_the_last_look_stays_with_since_when() -> None:
    gone = replace(HEARD, heard=NOW - timedelta(seconds=90), away="refused")
    shown = lines(gone)
    assert shown[1].startswith("no answer since 09:47:14 (1m30s ago), this is from then: refused")
    assert "nodes" in shown


@pytest.mark.parametrize("width", [30, 45, 60, 80])
def test_a_narrow_screen_loses_columns_and_no_row_is_wider_than_it(width: int) -> None:
    shown = lines(HEARD, width=width)
    # The two lines of the head break between words.
    assert max(len(line) for line in shown) <= width
    assert any(line.startswith("h100-80gb") for line in shown)


def test_a_low_screen_shows_fewer_of_each_and_says_of_how_many() -> None:
    many = a_top(nodes=[a_node(f"gpu-{n:03}") for n in range(200)], pools=[a_pool(f"p{n}") for n in range(30)])
    shown = lines(Seen(top=many, heard=NOW), height=30)
    assert len(shown) <= 30
    assert any(line.startswith("nodes (") and line.endswith("of 200)") for line in shown)
    assert any(line.startswith("pools (") and line.endswith("of 30)") for line in shown)


@pytest.mark.parametrize("height", [1, 10, 24, 50])
def test_every_part_has_room_for_a_row_on_any_screen(height: int) -> None:
    room = Room.of(height, a_top())
    assert min(room.pools, room.edges, room.companies, room.queued, room.nodes) >= 1


def test_a_frame_for_a_file_has_every_node() -> None:
    many = a_top(nodes=[a_node(f"gpu-{n:03}") for n in range(200)])
    assert "gpu-199" in text(frame(many, SEOUL))


def test_an_empty_house_says_how_to_begin() -> None:
    assert "no pools: an admin adds one with dure pool add" in text(frame(a_top(pools=[], calendars=[]), SEOUL))


def test_who_sees_no_nodes_has_the_rest() -> None:
    shown = text(frame(a_top(nodes=None), SEOUL)).splitlines()
    assert "nodes" not in shown
    assert "pools" in shown
