import numpy as np
import pytest

from bench.openb import arrivals
from bench.openb.trace import GPUS, MILLI, Table

TASKS: Table = np.array([[k, 0, 1, 100 * (k + 1), 1] for k in range(5)] + [[9, 0, 8, 1000, 1]], np.int64)
ASKED = 9_500


def asked(tasks: Table) -> int:
    return int((tasks[:, GPUS] * tasks[:, MILLI]).sum())


@pytest.mark.parametrize("seed", range(5))
def test_every_task_comes_once_before_any_comes_again(seed: int):
    come = arrivals.drawn(TASKS, 40_000, seed)
    assert sorted(come[: len(TASKS), 0]) == sorted(TASKS[:, 0])
    assert {tuple(row) for row in come.tolist()} <= {tuple(row) for row in TASKS.tolist()}


@pytest.mark.parametrize("seed", range(5))
def test_tasks_come_until_one_gpu_share_of_the_next_would_be_too_much(seed: int):
    come = arrivals.drawn(TASKS, 40_000, seed)
    assert 39_000 < asked(come) <= 40_000 + 7_000


@pytest.mark.parametrize("seed", range(5))
def test_where_all_tasks_are_too_many_some_are_left_out_at_random(seed: int):
    come = arrivals.drawn(TASKS, 9_000, seed)
    assert len(come) < len(TASKS)
    assert asked(come) <= 9_000
    assert len({tuple(row) for row in come.tolist()}) == len(come)


def test_tasks_that_ask_for_no_gpu_come_once():
    """However many came, no GPU would be asked for."""
    assert sorted(arrivals.drawn(TASKS[:3] * [1, 1, 0, 0, 1], 9_000, 42)[:, 0]) == [0, 1, 2]


def test_the_order_is_the_seeds():
    first, again, other = (arrivals.drawn(TASKS, 40_000, seed).tolist() for seed in (42, 42, 43))
    assert first == again
    assert first != other


def test_equal_nodes_are_in_an_order_of_their_own_in_each_run():
    first, other = arrivals.ranks(100, 42), arrivals.ranks(100, 43)
    assert sorted(first) == sorted(other) == list(range(100))
    assert first.tolist() != other.tolist()
