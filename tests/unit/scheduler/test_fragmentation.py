import numpy as np
import pytest

from scheduler.core import fragmentation
from scheduler.core.fragmentation import (
    ASK,
    FULL,
    GRAIN,
    RENEWED_AFTER_S,
    UNSEEN,
    Mix,
    expected,
    forecast,
    renewed,
    rounded,
    seen,
    shares,
    stranded,
)
from scheduler.core.model import Gang, Instant, Purpose, Shape, Total


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
    assert forecast(seen(UNSEEN, {4: 1}), 8).weights == ((1, 1), (2, 1), (4, 1 + ASK), (8, 1))


def test_a_size_nobody_expected_joins_the_mix():
    assert dict(seen(UNSEEN, {3: 1}).weights)[3] == ASK


def test_what_is_larger_than_every_node_is_not_planned_for():
    assert forecast(seen(UNSEEN, {16: 500, 2: 1}), 8) == forecast(seen(UNSEEN, {2: 1}), 8)


def test_what_is_asked_for_now_outweighs_what_was_asked_for_long_ago():
    mix = UNSEEN
    for size in [4] * 10 + [2] * 10:
        mix = seen(mix, {size: 500})
    weights = dict(mix.weights)
    assert weights[2] > 2 * weights[4]
    assert sum(weights.values()) <= FULL + len(weights)


def test_whole_nodes_are_expected_for_ever_however_small_the_asks_are():
    table = stranded(forecast(seen(UNSEEN, {1: 100_000}), 8), 8).tolist()
    assert best(table, 1, [8, 3]) == 1


@pytest.mark.parametrize(
    ("shape", "purpose", "want"),
    [
        pytest.param(
            Gang(nodes=3, gpus_per_node=8), Purpose.TRAINING, {8: 3}, id="the nodes of a gang are as many asks"
        ),
        pytest.param(Total(gpus=5), Purpose.TRAINING, {5: 1}, id="a total that one node holds is one"),
        pytest.param(Total(gpus=8), Purpose.TRAINING, {8: 1}, id="a total of a node"),
        pytest.param(Total(gpus=19), Purpose.TRAINING, {8: 2, 3: 1}, id="a larger one takes whole nodes and a rest"),
        pytest.param(Total(gpus=5), Purpose.INFERENCE, {1: 5}, id="a total for inference is spread GPU by GPU"),
        pytest.param(Gang(nodes=2, gpus_per_node=4), Purpose.INFERENCE, {4: 2}, id="a gang for inference is a gang"),
    ],
)
def test_the_sizes_that_an_ask_wants_on_nodes_of_eight(shape: Shape, purpose: Purpose, want: dict[int, int]):
    assert shares(shape, purpose, 8) == want


def test_a_total_in_a_pool_without_nodes_is_counted_too():
    assert shares(Total(gpus=5), Purpose.TRAINING, 0) == {1: 5}


def test_a_young_mix_is_renewed_by_one_ask_and_an_old_one_by_a_quarter_of_what_it_knows():
    first = renewed(UNSEEN, {8: 1}, Instant(10))
    assert first == Mix(weights=((8, ASK),), until=Instant(10))
    known = Mix(weights=((2, 100 * ASK),), until=Instant(10))
    assert renewed(known, {8: 24}, Instant(20)) is None
    assert renewed(known, {8: 25}, Instant(20)) == Mix(weights=((2, 100 * ASK), (8, 25 * ASK)), until=Instant(20))


def test_a_mix_is_renewed_after_a_day_by_whatever_came_and_never_by_nothing():
    known = Mix(weights=((2, 100 * ASK),), until=Instant(10))
    later = Instant(10 + RENEWED_AFTER_S)
    assert renewed(known, {8: 1}, Instant(later - 1)) is None
    assert renewed(known, {8: 1}, later) == Mix(weights=((2, 100 * ASK), (8, ASK)), until=later)
    assert renewed(known, {}, later) is None


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
