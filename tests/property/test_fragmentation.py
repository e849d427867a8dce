from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.fragmentation import ASK, FULL, GRAIN, UNSEEN, Mix, expected, forecast, seen, stranded
from tests.effort import examples

LARGEST = 16
sizes = st.integers(1, LARGEST)
mixes = st.dictionaries(sizes, st.integers(1, 10_000), min_size=1, max_size=LARGEST).map(
    lambda found: Mix(weights=tuple(sorted(found.items())))
)
nodes = st.lists(st.integers(0, LARGEST), min_size=1, max_size=8)


def order(table: list[int], gpus: int, free: int) -> tuple[int, int]:
    return table[free - gpus] - table[free], free


@settings(max_examples=examples(200), deadline=None)
@given(mixes)
def test_the_table_is_the_expectation_rounded_up(mix: Mix):
    asks = sum(weight for _, weight in mix.weights)
    for free, got in enumerate(stranded(mix, LARGEST).tolist()):
        exact = sum(Fraction(weight * free, asks) for gpus, weight in mix.weights if gpus > free) * GRAIN
        assert exact <= got < exact + 1


@settings(max_examples=examples(200), deadline=None)
@given(mixes)
def test_no_more_is_stranded_than_is_free_and_nothing_on_a_node_that_holds_every_ask(mix: Mix):
    table = stranded(mix, LARGEST).tolist()
    largest = mix.weights[-1][0]
    assert all(0 <= strands <= GRAIN * free for free, strands in enumerate(table))
    assert not any(table[largest:])


@settings(max_examples=examples(200), deadline=None)
@given(mixes)
def test_two_nodes_strand_at_least_what_one_with_both_their_gpus_strands(mix: Mix):
    table = stranded(mix, LARGEST).tolist()
    assert all(
        table[one + other] <= table[one] + table[other]
        for one in range(LARGEST + 1)
        for other in range(LARGEST + 1 - one)
    )


@settings(max_examples=examples(200), deadline=None)
@given(mixes, sizes, nodes)
def test_a_node_that_the_share_fills_is_never_passed_over(mix: Mix, gpus: int, free: list[int]):
    """So an ask for a whole node takes an empty node of just that size, and no larger one is broken while a share fills another."""
    table = stranded(mix, LARGEST).tolist()
    fitting = [has for has in [*free, gpus] if has >= gpus]
    assert min(fitting, key=lambda has: order(table, gpus, has)) == gpus


@settings(max_examples=examples(200), deadline=None)
@given(st.integers(1, 10_000), st.integers(1, 10_000), st.lists(st.integers(1, LARGEST - 1), min_size=1))
def test_single_gpus_never_break_a_whole_node_while_another_has_one_free(ones: int, wholes: int, broken: list[int]):
    table = stranded(Mix(weights=((1, ones), (LARGEST, wholes))), LARGEST).tolist()
    assert min([LARGEST, *broken], key=lambda has: order(table, 1, has)) < LARGEST


@settings(max_examples=examples(200), deadline=None)
@given(mixes, st.integers(2, 50))
def test_only_how_often_sizes_come_beside_each_other_counts(mix: Mix, times: int):
    more = Mix(weights=tuple((gpus, weight * times) for gpus, weight in mix.weights))
    assert stranded(more, LARGEST).tolist() == stranded(mix, LARGEST).tolist()


histories = st.lists(st.dictionaries(sizes, st.integers(1, 3000), max_size=4), max_size=20)


@settings(max_examples=examples(50), deadline=None)
@given(histories)
def test_no_size_ever_leaves_the_mix_and_the_mix_stays_bounded(history: list[dict[int, int]]):
    mix = UNSEEN
    for asked in history:
        mix = seen(mix, asked)
    assert {size for size, _ in mix.weights} == {size for asked in history for size in asked}
    assert all(weight >= 1 for _, weight in mix.weights)
    assert sum(weight for _, weight in mix.weights) <= FULL + LARGEST


@settings(max_examples=examples(100), deadline=None)
@given(st.dictionaries(sizes, st.integers(1, 200)), st.dictionaries(sizes, st.integers(1, 200)))
def test_while_nothing_is_halved_the_mix_is_the_same_however_the_history_is_cut(
    earlier: dict[int, int], later: dict[int, int]
):
    both = {size: earlier.get(size, 0) + later.get(size, 0) for size in earlier.keys() | later.keys()}
    if ASK * sum(both.values()) <= FULL:
        assert seen(seen(UNSEEN, earlier), later) == seen(UNSEEN, both)


@settings(max_examples=examples(100), deadline=None)
@given(mixes, st.integers(1, LARGEST))
def test_every_size_that_is_expected_is_planned_for_and_nothing_larger_than_a_node(mix: Mix, largest: int):
    found = dict(forecast(mix, largest).weights)
    assert found.keys() == {size for size, _ in expected(largest).weights} | {
        size for size, _ in mix.weights if size <= largest
    }
