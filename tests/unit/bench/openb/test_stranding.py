import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.openb.stranding import HEADROOM, Mix, mix_of, strands, usable
from bench.openb.trace import Table
from scheduler.core import fragmentation
from scheduler.core.fragmentation import GRAIN

T4, G2 = 0b10, 0b01
ANY = T4 | G2


def row(*values: int) -> Table:
    return np.array(values, np.int64)


def tasks(*rows: tuple[int, ...]) -> Table:
    return np.array(rows, np.int64)


@pytest.mark.parametrize(
    ("left", "kind", "want"),
    [
        pytest.param([1000, 1000], (1000, 0, 1, 1000, ANY), 2000, id="all that is free, where the ask fits"),
        pytest.param([1000, 500], (1000, 0, 1, 1000, ANY), 1000, id="not the GPUs that are too full for it"),
        pytest.param([1000, 500], (1000, 0, 1, 400, ANY), 1500, id="a share can use what is left of a GPU"),
        pytest.param([1000, 500], (1000, 0, 2, 1000, ANY), 0, id="nothing, where too few GPUs are free"),
        pytest.param([1000, 1000], (9000, 0, 1, 1000, ANY), 0, id="nothing, without the CPU"),
        pytest.param([1000, 1000], (0, 2000, 1, 1000, ANY), 0, id="nothing, without the memory"),
        pytest.param([1000, 1000], (1000, 0, 1, 1000, T4), 0, id="nothing, on another model"),
        pytest.param([1000, 1000], (1000, 0, 0, 0, ANY), 0, id="nothing, for an ask without GPUs"),
        pytest.param([1000] * 4, (4000, 0, 1, 1000, ANY), 3000, id="as far as the CPU reaches, with the headroom"),
        pytest.param([1000] * 4, (0, 500, 1, 1000, ANY), 3000, id="as far as the memory reaches, with the headroom"),
    ],
)
def test_what_of_a_node_an_ask_can_use(left: list[int], kind: tuple[int, ...], want: int):
    assert usable(row(*left), 8000, 1000, 0, row(*kind), HEADROOM) == want


def test_without_headroom_one_ask_that_fits_makes_all_usable():
    assert usable(row(1000, 1000, 1000, 1000), 8000, 0, 0, row(8000, 0, 1, 1000, ANY), 0) == 4000


whole_nodes = st.integers(0, 8)
counts = st.dictionaries(st.integers(1, 8), st.integers(1, 1000), min_size=1)


@settings(max_examples=200, deadline=None)
@given(whole_nodes, counts)
def test_for_whole_gpus_alone_it_is_the_measure_of_the_product(free: int, asked: dict[int, int]):
    weights = tuple(sorted(asked.items()))
    mix = Mix(
        tasks(*((0, 0, gpus, 1000, ANY) for gpus, _ in weights)), row(*(count for _, count in weights)), HEADROOM, GRAIN
    )
    want = fragmentation.stranded(fragmentation.Mix(weights=weights), 8)[free]
    assert strands(row(*[1000] * free, *[0] * (8 - free)), 0, 0, 0, mix) == want


ASKED = tasks(*[(1, 0, 1, 1000, ANY)] * 6, *[(2, 0, 1, 500, ANY)] * 3, (3, 0, 8, 1000, ANY))


def test_the_mix_counts_equal_asks_the_most_frequent_first():
    mix = mix_of(ASKED, kept=100, headroom=HEADROOM, grain=GRAIN)
    assert mix.counts.tolist() == [6, 3, 1]
    assert mix.kinds[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(("kept", "want"), [(60, [6]), (61, [6, 3]), (90, [6, 3]), (91, [6, 3, 1])])
def test_the_rare_kinds_can_be_left_out(kept: int, want: list[int]):
    assert mix_of(ASKED, kept=kept, headroom=HEADROOM, grain=GRAIN).counts.tolist() == want
