import numpy as np
import pytest

from scheduler.core import fragmentation
from scheduler.core.fragmentation import ASK, FULL, GRAIN, Mix, after, expected, rounded, seen, stranded


def a_mix(**counts: int) -> Mix:
    """`a_mix(g1=3, g8=1)`: three asks for one GPU on a node, one for eight."""
    return Mix(weights=tuple(sorted((int(name[1:]), count) for name, count in counts.items())))


def best(table: list[int], gpus: int, free: list[int]) -> int:
    """The place in `free` of the node that is taken: what the placement does with the table."""
    fitting = [k for k, has in enumerate(free) if has >= gpus]
    return min(fitting, key=lambda k: (table[free[k] - gpus] - table[free[k]], free[k], k))


@pytest.mark.parametrize(
    ("mix", "want"),
    [
        pytest.param(a_mix(), [0, 0, 0, 0, 0], id="nothing asked for, nothing stranded"),
        pytest.param(a_mix(g1=5), [0, 0, 0, 0, 0], id="one GPU is never stranded for asks of one GPU"),
        pytest.param(a_mix(g4=5), [0, 40, 80, 120, 0], id="all that is free is stranded for an ask that is larger"),
        pytest.param(a_mix(g1=1, g4=1), [0, 20, 40, 60, 0], id="each size counts as often as it is asked for"),
        pytest.param(a_mix(g2=1, g4=1), [0, 40, 40, 60, 0], id="a GPU is stranded for some asks and not for others"),
        pytest.param(a_mix(g1=999, g4=1), [0, 1, 1, 1, 0], id="what is rare is still more than nothing"),
    ],
)
def test_what_a_node_strands(mix: Mix, want: list[int]):
    assert stranded(mix, 4).tolist() == want


def test_the_table_is_whole_numbers_for_compiled_code():
    assert stranded(a_mix(g3=7), 8).dtype == np.int64


def test_rounding_is_up_and_in_parts_of_a_gpu():
    assert [rounded(total, 3) for total in (-3, 0, 1, 3)] == [-GRAIN, 0, 14, GRAIN]
    assert rounded(1, 3, grain=1) == 1


@pytest.mark.parametrize(
    ("largest", "want"),
    [
        pytest.param(0, (), id="no node, nothing expected"),
        pytest.param(1, ((1, 1),), id="one GPU"),
        pytest.param(8, ((1, 1), (2, 1), (4, 1), (8, 1)), id="powers of two"),
        pytest.param(6, ((1, 1), (2, 1), (4, 1), (6, 1)), id="and the whole node"),
    ],
)
def test_what_is_expected_before_the_first_ask(largest: int, want: tuple[tuple[int, int], ...]):
    assert expected(largest).weights == want


def test_the_first_small_asks_break_one_node_and_not_all():
    table = stranded(expected(8), 8).tolist()
    free = [8, 8, 8]
    for gpus in (1, 2, 1, 4):
        free[best(table, gpus, free)] -= gpus
    assert free == [0, 8, 8]


def test_an_ask_weighs_more_than_what_is_only_expected():
    assert seen(expected(8), 4).weights == ((1, 1), (2, 1), (4, 1 + ASK), (8, 1))


def test_the_nodes_of_a_gang_are_as_many_asks():
    assert seen(expected(8), 8, times=3) == after(expected(8), [8, 8, 8])


def test_a_size_nobody_expected_joins_the_mix():
    assert dict(seen(expected(8), 3).weights)[3] == ASK


def test_what_is_asked_for_now_outweighs_what_was_asked_for_long_ago():
    mix = after(expected(8), [4] * 5000 + [2] * 5000)
    weights = dict(mix.weights)
    assert weights[2] > 2 * weights[4]
    assert sum(weights.values()) <= FULL + len(weights)


def test_whole_nodes_stay_in_a_mix_of_small_asks_for_ever():
    mix = after(expected(8), [1] * 100_000)
    table = stranded(mix, 8).tolist()
    assert dict(mix.weights)[8] >= 1
    assert best(table, 1, [8, 3]) == 1


def test_a_share_leaves_together_what_is_often_asked_for_together():
    """Best fit would fill the node of five and leave two; five is what most asks want."""
    assert best(stranded(a_mix(g5=9, g8=1), 8).tolist(), 3, [5, 8]) == 1


def test_a_difference_below_the_grain_is_left_to_best_fit():
    exact = stranded(a_mix(g1=100, g6=1), 8)
    assert exact.tolist() == [0, 1, 1, 2, 2, 2, 0, 0, 0]
    assert best(exact.tolist(), 1, [3, 2]) == 0
    assert best(exact.tolist(), 1, [5, 4]) == 1


def test_the_grain_is_that_of_the_figures():
    """The figures of bench/README.md were made with it: another grain needs other figures."""
    assert fragmentation.GRAIN == 40
