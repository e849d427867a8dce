"""Worlds that are measured in turn, and the year that lies behind the largest."""

import random
from typing import Any, cast

import pytest

from bench import history, posted
from bench.history import DAY_S
from bench.scale import Call, compared
from bench.worlds import Size, World
from scheduler.core.model import State

NOW = 1_800_000_000
NOTHING = cast(Any, None)


def a_world(name: str) -> World:
    return World(
        size=Size(name=name, companies=1),
        db=NOTHING,
        clock=NOTHING,
        service=NOTHING,
        desk=NOTHING,
        companies=["acme"],
        took_s={},
        machine={},
    )


def a_year(leases: int) -> list[history.Lease]:
    return list(history.drawn(random.Random(1), leases=leases, running=20, companies=7, days=365, now=NOW))


def test_every_world_is_called_in_every_round_and_who_is_first_goes_round() -> None:
    order: list[str] = []
    worlds = [a_world("small"), a_world("large")]
    call = Call(what="nothing", do=lambda world, number: order.append(f"{world.size.name} {number}"))
    rows = list(compared(call, worlds, 3))
    assert order == ["small 0", "large 0", "large 1", "small 1", "small 2", "large 2"]
    assert [(row["companies"], row["calls"]) for row in rows] == [("small", 3), ("large", 3)]
    assert (rows[0]["x"], rows[0]["x p10"]) == (1, 1)


def test_what_runs_is_the_same_however_much_is_behind_it() -> None:
    few, many = ([(one.starts, one.ends) for one in a_year(count) if one.runs] for count in (0, 300))
    assert len(few) == 20
    assert few == many


@pytest.mark.parametrize("count", [0, 300])
def test_no_lease_is_older_than_the_programme_and_none_that_is_over_is_of_today(count: int) -> None:
    year = a_year(count)
    assert min(one.starts for one in year) >= history.began_at(count, 365, NOW)
    assert all(one.starts <= one.stops <= one.ends for one in year)
    assert all(one.stops < NOW - DAY_S + 1 for one in year if not one.runs)


def test_a_lease_is_told_of_as_its_states_follow_each_other() -> None:
    year = a_year(300)
    over = next(one for one in year if not one.runs and one.stops < one.ends)
    states = [(at, lease.state) for at, _, _, lease in posted.told_of(over)]
    assert states == [
        (over.starts, State.SCHEDULED),
        (over.starts, State.ACTIVE),
        (over.stops, State.ENDING),
        (over.stops, State.ENDED),
    ]
    assert [event for _, event, _, _ in posted.told_of(next(one for one in year if one.runs))] == [
        "scheduled",
        "active",
    ]
