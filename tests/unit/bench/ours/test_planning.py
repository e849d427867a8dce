"""Our plans of what waits."""

import pytest

from bench.gangs import Gang, Load, load
from bench.ours.planning import NotHeld, ours_plan


def some(*sizes: tuple[int, int]) -> list[Gang]:
    return [Gang(nodes=nodes, gpus_per_node=gpus, minutes=30) for nodes, gpus in sizes]


def test_what_waits_is_planned_beside_what_is_held() -> None:
    asks = Load(held=some((1, 8), (1, 6), (1, 2)), waiting=some((2, 8), (1, 4)))
    found = list(ours_plan(asks, nodes=2, runs=2))
    assert [(plan.what, plan.jobs) for plan in found] == [
        ("afresh", 2),
        ("all to the earliest", 2),
        ("after an end", 2),
    ]
    assert all(plan.seconds > 0 for plan in found)


def test_the_load_that_both_sides_are_given_is_held_whole() -> None:
    plans = list(ours_plan(load(gpus=40 * 8, waiting=30), nodes=40, runs=1))
    assert plans[0].jobs == 30


def test_what_was_to_hold_its_gpus_and_finds_no_room_is_named() -> None:
    with pytest.raises(NotHeld, match="1 nodes x 4 GPUs found no room beside the 1 before it"):
        list(ours_plan(Load(held=some((1, 6), (1, 4)), waiting=[]), nodes=1, runs=1))
