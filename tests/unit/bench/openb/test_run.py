import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.openb.choice import BEST_FIT, FGD, OURS, RANDOM, Nodes, fits
from bench.openb.run import Run, place_all, run
from bench.openb.stranding import HEADROOM, Mix, mix_of
from bench.openb.trace import CPU, GPUS, MEMORY, MILLI, MODELS, WHOLE, Cluster, Table
from scheduler.core import fragmentation
from scheduler.core.fragmentation import GRAIN

POLICIES = (RANDOM, BEST_FIT, FGD, OURS)
GRAINS = {FGD: 1_000_000}
SEED = 42


def nodes_of(cpu: list[int], left: list[list[int]], *, memory: int = 1 << 30, model: int = 0) -> Nodes:
    size, most = len(cpu), max(len(row) for row in left)
    padded = [row + [0] * (most - len(row)) for row in left]
    return Nodes(
        np.array(cpu, np.int64),
        np.full(size, memory, np.int64),
        np.array([len(row) for row in left], np.int64),
        np.full(size, model, np.int64),
        np.array(padded, np.int64),
        np.arange(size, dtype=np.int64),
    )


def places(nodes: Nodes, asks: list[tuple[int, ...]], policy: int, mix: Mix | None = None) -> list[int]:
    tasks = np.array(asks, np.int64)
    kind = np.unique(tasks, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    mix = mix or mix_of(tasks, kept=100, headroom=HEADROOM, grain=GRAINS.get(policy, GRAIN))
    return place_all(nodes, tasks, kind, mix, policy, SEED).tolist()


def whole(gpus: int, *, cpu: int = 0) -> tuple[int, ...]:
    return cpu, 0, gpus, WHOLE, 1


def shared(milli: int, *, cpu: int = 0) -> tuple[int, ...]:
    return cpu, 0, 1, milli, 1


tasks_of_any_size = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 4), st.just(WHOLE), st.integers(1, 3)),
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.just(1), st.integers(1, 999), st.integers(1, 3)),
    ),
    min_size=1,
    max_size=30,
)


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=60, deadline=None)
@given(asks=tasks_of_any_size, sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_nothing_is_given_twice_and_none_that_fits_is_turned_away(
    policy: int, asks: list[tuple[int, ...]], sizes: list[int]
):
    tasks = np.array(asks, np.int64)
    nodes = nodes_of([20] * len(sizes), [[WHOLE] * gpus for gpus in sizes], memory=20)
    where = np.array(places(nodes, asks, policy))
    for node, gpus in enumerate(sizes):
        here = tasks[where == node]
        assert nodes.cpu[node] == 20 - here[:, CPU].sum() >= 0
        assert nodes.memory[node] == 20 - here[:, MEMORY].sum() >= 0
        assert nodes.left[node].sum() == gpus * WHOLE - (here[:, GPUS] * here[:, MILLI]).sum()
        assert (nodes.left[node] >= 0).all()
        assert (here[here[:, GPUS] > 0, MODELS] & 1).all()
    assert not any(fits(nodes, node, task) for task in tasks[where < 0] for node in range(len(sizes)))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 8), min_size=2, max_size=8),
    st.integers(1, 8),
    st.dictionaries(st.integers(1, 8), st.integers(1, 1000), min_size=1),
)
def test_whole_gpus_go_where_the_product_puts_them(free: list[int], gpus: int, asked: dict[int, int]):
    weights = tuple(sorted(asked.items()))
    kinds = np.array([whole(each) for each, _ in weights], np.int64)
    mix = Mix(kinds, np.array([count for _, count in weights], np.int64), HEADROOM, GRAIN)
    nodes = nodes_of([0] * len(free), [[WHOLE] * has + [0] * (8 - has) for has in free])
    table = fragmentation.stranded(fragmentation.Mix(weights=weights), 8).tolist()
    fitting = [node for node, has in enumerate(free) if has >= gpus]
    want = min(fitting, key=lambda node: (table[free[node] - gpus] - table[free[node]], free[node], node), default=-1)
    assert places(nodes, [whole(gpus)], OURS, mix) == [want]


@pytest.mark.parametrize("policy", [BEST_FIT, OURS])
def test_a_share_joins_a_broken_gpu_rather_than_a_whole_one(policy: int):
    nodes = nodes_of([0, 0], [[WHOLE, WHOLE], [WHOLE, 500]])
    mix = mix_of(np.array([shared(500), whole(2)], np.int64), kept=100, headroom=HEADROOM, grain=GRAIN)
    assert places(nodes, [shared(500)], policy, mix) == [1]
    assert nodes.left.tolist() == [[WHOLE, WHOLE], [WHOLE, 0]]


def test_fgd_takes_the_first_gpu_where_its_score_is_equal():
    nodes = nodes_of([0, 0], [[WHOLE, WHOLE], [WHOLE, 500]])
    mix = mix_of(np.array([shared(500), whole(2)], np.int64), kept=100, headroom=0, grain=GRAINS[FGD])
    assert places(nodes, [shared(500)], FGD, mix) == [1]
    assert nodes.left.tolist() == [[WHOLE, WHOLE], [500, 500]]


def test_best_fit_leaves_least_of_cpu_and_gpus_together():
    assert places(nodes_of([64_000, 16_000], [[WHOLE] * 2, [WHOLE] * 4]), [whole(1)], BEST_FIT) == [1]
    assert places(nodes_of([64_000, 48_000], [[WHOLE] * 2, [WHOLE] * 4]), [whole(1)], BEST_FIT) == [0]


def test_ours_keeps_the_cpu_that_other_asks_need_where_they_can_use_it():
    """Best fit takes the node with less CPU, which then has a GPU that no ask can use."""
    cpu, left = [12_000, 40_000], [[WHOLE, WHOLE], [WHOLE, WHOLE]]
    mix = mix_of(np.array([whole(1, cpu=6_000)], np.int64), kept=100, headroom=HEADROOM, grain=GRAIN)
    assert places(nodes_of(cpu, left), [(8_000, 0, 0, 0, 1)], BEST_FIT, mix) == [0]
    assert places(nodes_of(cpu, left), [(8_000, 0, 0, 0, 1)], OURS, mix) == [1]


def test_random_takes_any_node_that_fits():
    asks = [whole(1)] * 30
    taken = set(places(nodes_of([0] * 40, [[WHOLE]] * 40), asks, RANDOM))
    assert len(taken) == 30
    assert taken != set(range(30))


CLUSTER = Cluster(
    cpu=np.array([32_000] * 4, np.int64),
    memory=np.array([1 << 30] * 4, np.int64),
    gpus=np.array([8] * 4, np.int64),
    model=np.zeros(4, np.int64),
    models=("G2",),
)
LIST: Table = np.array([shared(400, cpu=1000), whole(1, cpu=2000), whole(2, cpu=4000)], np.int64)


def test_a_run_counts_what_came_and_what_was_allocated():
    mix = mix_of(LIST, kept=100, headroom=HEADROOM, grain=GRAIN)
    found = run(CLUSTER, LIST, mix, OURS, 130, SEED)
    assert found.capacity == 32_000
    assert (found.allocated <= np.minimum(found.arrived, found.capacity)).all()
    assert found.arrived[-1] > 1.25 * found.capacity
    assert 0 <= found.unallocated(130) <= found.unallocated(100) <= found.unallocated(50) <= 55
    assert found.allocated.tolist() == run(CLUSTER, LIST, mix, OURS, 130, SEED).allocated.tolist()


def a_run(arrived: list[int], allocated: list[int]) -> Run:
    return Run(
        capacity=1000,
        arrived=np.array(arrived, np.int64),
        allocated=np.array(allocated, np.int64),
        placed=len(arrived),
        wall_s=1.0,
    )


@pytest.mark.parametrize(
    ("arrived", "allocated", "want"),
    [
        pytest.param([500, 996, 1004, 1010], [500, 900, 910, 920], 9.5, id="the mean of what rounds to it"),
        pytest.param([500, 1300], [500, 900], 50.0, id="else the last before it"),
        pytest.param([1300], [900], 100.0, id="nothing before it"),
    ],
)
def test_the_gpus_that_are_free_at_a_share_of_arrivals(arrived: list[int], allocated: list[int], want: float):
    assert a_run(arrived, allocated).unallocated(100) == pytest.approx(want)
