"""The asks that both sides are given."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.gangs import GPUS_PER_NODE, LONGEST_MIN, SHARES, SHORTEST_MIN, gangs, load
from bench.sizes import QUICK, WHOLE, Size

SEEDS = st.integers(0, 2**32)


def test_the_shares_are_a_whole() -> None:
    assert sum(SHARES.values()) == pytest.approx(1)


@given(seed=SEEDS, count=st.integers(0, 200))
def test_a_seed_always_gives_the_same_asks_and_more_of_them_begin_alike(seed: int, count: int) -> None:
    assert gangs(count, seed=seed) == gangs(count + 50, seed=seed)[:count]


@given(seed=SEEDS, largest=st.sampled_from(sorted(SHARES)), longest=st.integers(SHORTEST_MIN, LONGEST_MIN))
def test_every_ask_has_a_known_size_and_a_box_within_its_bounds(seed: int, largest: int, longest: int) -> None:
    for gang in gangs(100, seed=seed, largest_gpus=largest, longest_min=longest):
        assert gang.gpus in SHARES
        assert gang.gpus <= largest
        assert gang.nodes == 1 or gang.gpus_per_node == GPUS_PER_NODE
        assert SHORTEST_MIN <= gang.minutes <= longest
        assert gang.duration_s == gang.minutes * 60


def test_sizes_come_as_often_as_their_shares_say() -> None:
    found = Counter(gang.gpus for gang in gangs(50_000))
    assert {size: found[size] / 50_000 for size in SHARES} == pytest.approx(SHARES, abs=0.01)


def test_half_of_the_boxes_are_under_three_hours() -> None:
    ordered = sorted(gang.minutes for gang in gangs(10_000))
    assert ordered[5_000] == pytest.approx(181, rel=0.05)


@pytest.mark.parametrize("size", [WHOLE, QUICK], ids=["whole", "quick"])
def test_what_is_held_takes_every_gpu_and_so_many_wait(size: Size) -> None:
    found = load(gpus=size.nodes * GPUS_PER_NODE, waiting=size.pending)
    assert sum(gang.gpus for gang in found.held) == size.nodes * GPUS_PER_NODE
    assert len(found.waiting) == size.pending


@given(seed=SEEDS, nodes=st.integers(1, 60), chance=st.randoms(use_true_random=False))
def test_what_is_held_finds_room_whatever_nodes_are_chosen(seed: int, nodes: int, chance: Random) -> None:
    free = [GPUS_PER_NODE] * nodes
    for gang in load(gpus=nodes * GPUS_PER_NODE, waiting=3, seed=seed).held:
        there = [node for node, left in enumerate(free) if left >= gang.gpus_per_node]
        for node in chance.sample(there, gang.nodes):
            free[node] -= gang.gpus_per_node
    assert free == [0] * nodes


def test_what_waits_are_the_first_that_did_not_fit() -> None:
    found = load(gpus=8, waiting=2)
    drawn = gangs(100)
    rest = [gang for gang in drawn if gang not in found.held]
    assert found.waiting[0] == rest[0]
    assert [gang.gpus for gang in found.held] == sorted((gang.gpus for gang in found.held), reverse=True)
