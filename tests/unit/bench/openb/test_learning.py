from dataclasses import replace

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bench.openb.choice import OURS, Nodes
from bench.openb.learning import Learning
from bench.openb.run import placed
from bench.openb.stranding import HEADROOM
from bench.openb.trace import WHOLE, Cluster, Table
from scheduler.core.book import Book
from scheduler.core.fragmentation import ASK, GRAIN, UNSEEN, Mix, renewed
from scheduler.core.model import Gang, Instant, NodeId, State, Total
from scheduler.core.placement import place
from tests.builders import a_lease, a_node, a_policy

LEARNING = Learning(headroom=HEADROOM, grain=GRAIN)
END = 100


def a_cluster(nodes: int, gpus: int = 8) -> Cluster:
    same = np.ones(nodes, np.int64)
    return Cluster(cpu=0 * same, memory=0 * same, gpus=gpus * same, model=0 * same, models=("G2",))


def whole(gpus: int) -> tuple[int, ...]:
    return 0, 0, gpus, WHOLE, 1


def by_the_bench(nodes: int, asks: list[int]) -> list[int]:
    cluster = a_cluster(nodes)
    empty = Nodes(
        cluster.cpu.copy(),
        cluster.memory.copy(),
        cluster.gpus,
        cluster.model,
        np.full((nodes, 8), WHOLE, np.int64),
        np.arange(nodes, dtype=np.int64),
    )
    return placed(empty, cluster, np.array([whole(gpus) for gpus in asks], np.int64), LEARNING, OURS, 42).tolist()


def by_the_product(nodes: int, asks: list[int]) -> list[int]:
    """Each ask placed in a book, whose mix is renewed as the pool's is."""
    names = [NodeId(f"n{row:02}") for row in range(nodes)]
    book = Book.of(a_policy(gap_s=0), [a_node(name, 8) for name in names])
    found, mix, came = list[int](), UNSEEN, dict[int, int]()
    for k, gpus in enumerate(asks):
        try:
            [(node, _)] = place(book, Gang(nodes=1, gpus_per_node=gpus), 0, END)
            taken = a_lease(f"lea_{k}", state=State.ACTIVE, starts_at=0, duration_s=END)
            book = book.put_lease(replace(taken, shape=Total(gpus=gpus), placement=((node, gpus),)))
            found.append(names.index(node))
        except ValueError:
            found.append(-1)
        came[gpus] = came.get(gpus, 0) + 1
        if (newer := renewed(mix, came, Instant(0))) is not None:
            mix, came = newer, {}
            book = book.changed([mix])
    return found


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 6),
    st.lists(st.integers(1, 8), min_size=1, max_size=40),
    st.lists(st.sampled_from([1, 1, 1, 3, 5]), max_size=30),
)
def test_whole_gpus_alone_are_placed_one_after_the_other_as_the_product_places_them(
    nodes: int, mixed: list[int], small: list[int]
):
    """The whole way, not the measure alone: what is expected, learnt and renewed, what it strands, how nodes compare."""
    asks = small + mixed
    want = by_the_product(nodes, asks)
    event("some were turned away" if -1 in want else "all were placed")
    assert by_the_bench(nodes, asks) == want


def stretches(kinds: list[tuple[int, ...]], kind: list[int]) -> list[tuple[int, dict[tuple[int, ...], int]]]:
    """Where each ends, and the weight of each row of its mix."""
    rows: Table = np.array(kinds, np.int64)
    found = LEARNING.stretches(a_cluster(1), rows, np.array(kind, np.int64))
    return [
        (after, {tuple(row): count for row, count in zip(mix.kinds.tolist(), mix.counts.tolist(), strict=True)})
        for after, mix in found
    ]


def test_before_the_first_task_what_any_pool_expects_is_all_that_is_known():
    [(_, first), *_] = stretches([(1, 1, 1, 500, 1)], [0])
    assert first == {whole(gpus): 1 for gpus in (1, 2, 4, 8)}


def test_tasks_are_learnt_as_they_come_and_those_without_gpus_are_none():
    kinds = [(1, 1, 0, 0, 1), (1, 1, 1, 500, 1)]
    found = stretches(kinds, [0, 1, 0, 1, 1, 1, 1, 1])
    assert [after for after, _ in found] == [2, 4, 5, 6, 7, 8]
    assert [known.get(kinds[1], 0) for _, known in found] == [0, ASK, 2 * ASK, 3 * ASK, 4 * ASK, 5 * ASK]
    assert all(kinds[0] not in known for _, known in found)


def test_the_more_is_known_the_longer_a_mix_stays():
    mix = Mix(weights=((0, 100 * ASK),))
    assert renewed(mix, {0: 24}, Instant(0)) is None
    found = stretches([whole(1)], [0] * 500)
    lengths = np.diff([after for after, _ in found])
    assert lengths[-2] > 60
    assert len(found) < 40
