import pytest

from scheduler.core.calendar import Calendar
from scheduler.core.model import Gang, NodeId, Shape, Total
from scheduler.core.steps import Steps
from tests.builders import a_node, a_placement

N1, N2 = NodeId("n1"), NodeId("n2")


def two_nodes() -> Calendar:
    """n1 is free but for [100, 200), when it has 2 left; n2 has 4 free until 300 and then all."""
    nodes = [a_node("n1", 8), a_node("n2", 8)]
    return Calendar.of(nodes).book(a_placement(n1=6), 100, 200).book(a_placement(n2=4), 0, 300)


def test_a_booking_takes_its_gpus_for_its_time_and_unbooking_gives_them_back():
    empty = Calendar.of([a_node("n1", 8), a_node("n2", 8)])
    booked = empty.book(a_placement(n1=3, n2=1), 10, 20)
    assert booked.free[N1] == Steps(times=(0, 10, 20), values=(8, 5, 8))
    assert booked.free[N2] == Steps(times=(0, 10, 20), values=(8, 7, 8))
    assert booked.unbook(a_placement(n1=3, n2=1), 10, 20) == empty


@pytest.mark.parametrize(
    ("shape", "length", "want"),
    [
        pytest.param(Gang(nodes=1, gpus_per_node=8), 100, 0, id="a run that ends just in time is taken"),
        pytest.param(Gang(nodes=1, gpus_per_node=8), 101, 200, id="one second more waits for the next run"),
        pytest.param(Gang(nodes=2, gpus_per_node=4), 100, 0, id="a gang takes parts of both nodes"),
        pytest.param(Gang(nodes=2, gpus_per_node=5), 50, 300, id="a gang waits until all its nodes are free together"),
        pytest.param(Gang(nodes=2, gpus_per_node=2), 1000, 0, id="a small gang fits beside everything"),
        pytest.param(Gang(nodes=3, gpus_per_node=1), 1, None, id="a gang of more nodes than there are never starts"),
        pytest.param(Total(gpus=12), 100, 0, id="a total adds up what both nodes have left"),
        pytest.param(Total(gpus=12), 101, 200, id="a total waits for more"),
        pytest.param(Total(gpus=13), 100, 300, id="a total waits for both nodes"),
        pytest.param(Total(gpus=6), 1000, 0, id="a small total fits beside everything"),
        pytest.param(Total(gpus=17), 1, None, id="a total of more than there is never starts"),
    ],
)
def test_the_earliest_start(shape: Shape, length: int, want: int | None):
    assert two_nodes().earliest(shape, length, 0, 1000) == want


@pytest.mark.parametrize(
    ("lo", "hi", "want"),
    [
        pytest.param(1, 1000, 200, id="not before the window"),
        pytest.param(1, 200, 200, id="at the last instant of the window"),
        pytest.param(1, 199, None, id="not after the window"),
        pytest.param(0, 0, 0, id="exactly then"),
        pytest.param(50, 50, None, id="exactly then does not fit"),
        pytest.param(500, 400, None, id="a window that ends before it begins"),
    ],
)
def test_the_earliest_start_lies_in_the_window(lo: int, hi: int, want: int | None):
    assert two_nodes().earliest(Gang(nodes=1, gpus_per_node=8), 100, lo, hi) == want


@pytest.mark.parametrize(
    ("limit", "want"),
    [
        pytest.param(Steps.flat(8), 0, id="a limit that is never reached"),
        pytest.param(Steps.flat(7), None, id="a limit that is always in the way"),
        pytest.param(Steps(times=(0, 50), values=(0, 8)), 200, id="free too early for the limit"),
        pytest.param(Steps(times=(0, 250), values=(0, 8)), 250, id="free before the limit allows it"),
        pytest.param(
            Steps(times=(0, 90, 220), values=(8, 0, 8)), 0, id="the limit holds for the lease and not its gap"
        ),
        pytest.param(Steps(times=(0, 89, 220), values=(8, 0, 8)), 220, id="the limit holds for the whole lease"),
    ],
)
def test_calendar_and_limit_both_hold(limit: Steps, want: int | None):
    assert two_nodes().earliest(Gang(nodes=1, gpus_per_node=8), 100, 0, 1000, limit, 8, 90) == want


def test_nothing_starts_on_a_closed_node():
    calendar = Calendar.of([a_node("n1", 8, open=False), a_node("n2", 4)])
    assert calendar.earliest(Gang(nodes=1, gpus_per_node=8), 10, 0, 1000) is None
    assert calendar.earliest(Total(gpus=4), 10, 0, 1000) == 0
    assert calendar.free_at(0) == 4
    assert [node for node, _ in calendar.open_nodes()] == ["n2"]


def test_a_node_that_comes_or_changes_keeps_what_is_booked_on_it():
    calendar = Calendar.of([a_node("n1", 8)]).book(a_placement(n1=6), 10, 20)
    fewer = calendar.put_node(a_node("n1", 4))
    assert fewer.free[N1] == Steps(times=(0, 10, 20), values=(4, -2, 4))
    assert fewer.free_at(15) == 0
    assert fewer.put_node(a_node("n1", 8)) == calendar


def test_a_node_that_lost_more_than_is_free_takes_nothing_from_the_others():
    calendar = Calendar.of([a_node("n1", 8), a_node("n2", 8)]).book(a_placement(n1=6), 0, 100).put_node(a_node("n1", 4))
    assert calendar.earliest(Total(gpus=8), 50, 0, 0) == 0
    assert calendar.earliest(Total(gpus=9), 50, 0, 1000) == 100
    assert calendar.book(a_placement(n2=1), 0, 10).earliest(Total(gpus=8), 50, 0, 1000) == 10


def test_what_is_booked_on_a_node_before_it_is_known_counts_once_it_is():
    late = Calendar.of([]).book(a_placement(n1=6), 10, 20)
    assert late.earliest(Total(gpus=1), 10, 0, 1000) is None
    assert late.put_node(a_node("n1", 8)) == Calendar.of([a_node("n1", 8)]).book(a_placement(n1=6), 10, 20)


def test_a_node_that_is_gone_gives_nothing():
    gone = Calendar.of([a_node("n1", 8)]).put_node(a_node("n1", 0))
    assert gone.earliest(Total(gpus=1), 10, 0, 1000) is None


def test_forgetting_the_past_changes_no_answer_from_then_on():
    calendar = two_nodes()
    past = calendar.since(150)
    assert past.free[N1] == Steps(times=(0, 200), values=(2, 8))
    for shape in (Gang(nodes=2, gpus_per_node=5), Total(gpus=7), Total(gpus=3)):
        assert past.earliest(shape, 60, 150, 1000) == calendar.earliest(shape, 60, 150, 1000)
