import pytest

from scheduler.core.steps import Steps


def steps(**values: int) -> Steps:
    """`steps(t0=8, t10=4)` is 8 until 10, then 4."""
    return Steps(times=tuple(int(time[1:]) for time in values), values=tuple(values.values()))


@pytest.mark.parametrize(
    ("start", "end", "amount", "want"),
    [
        pytest.param(10, 20, -3, steps(t0=8, t10=5, t20=8), id="in the middle of nothing makes two edges"),
        pytest.param(0, 20, -3, steps(t0=5, t20=8), id="from the beginning makes one edge"),
        pytest.param(-5, 20, -3, steps(t0=5, t20=8), id="from before time counts from the beginning"),
        pytest.param(10, 10, -3, steps(t0=8), id="an empty interval changes nothing"),
        pytest.param(20, 10, -3, steps(t0=8), id="an interval that ends before it starts changes nothing"),
        pytest.param(10, 20, 0, steps(t0=8), id="nothing changes nothing"),
    ],
)
def test_adding_to_a_flat_function(start: int, end: int, amount: int, want: Steps):
    assert Steps.flat(8).add(start, end, amount) == want


@pytest.mark.parametrize(
    ("start", "end", "amount", "want"),
    [
        pytest.param(10, 20, 4, steps(t0=8), id="taking back what was added leaves no edge"),
        pytest.param(20, 30, -4, steps(t0=8, t10=4, t30=8), id="an equal neighbour on the left is merged"),
        pytest.param(5, 10, -4, steps(t0=8, t5=4, t20=8), id="an equal neighbour on the right is merged"),
        pytest.param(5, 30, -1, steps(t0=8, t5=7, t10=3, t20=7, t30=8), id="an interval over both edges keeps them"),
        pytest.param(12, 15, -1, steps(t0=8, t10=4, t12=3, t15=4, t20=8), id="an interval inside makes two more"),
    ],
)
def test_adding_to_a_function_with_edges(start: int, end: int, amount: int, want: Steps):
    assert steps(t0=8, t10=4, t20=8).add(start, end, amount) == want


def test_a_shift_moves_every_value_and_no_edge():
    assert steps(t0=8, t10=4).shift(-5) == steps(t0=3, t10=-1)
    assert steps(t0=8, t10=4).shift(0) == steps(t0=8, t10=4)


def test_an_edge_belongs_to_what_comes_after_it():
    assert [steps(t0=8, t10=4).at(instant) for instant in (0, 9, 10, 10**10)] == [8, 8, 4, 4]


@pytest.mark.parametrize(
    ("start", "end", "least", "most"),
    [
        pytest.param(0, 10, 8, 8, id="up to an edge does not see what is after it"),
        pytest.param(0, 11, 4, 8, id="one second over an edge does"),
        pytest.param(12, 50, 4, 9, id="over several edges"),
        pytest.param(10, 10, 4, 4, id="an empty interval is its start"),
        pytest.param(30, 10**10, 9, 9, id="the last value holds for ever"),
    ],
)
def test_the_least_and_the_most_of_an_interval(start: int, end: int, least: int, most: int):
    course = steps(t0=8, t10=4, t20=9)
    assert (course.least(start, end), course.most(start, end)) == (least, most)


@pytest.mark.parametrize(
    ("instant", "want"),
    [
        pytest.param(0, steps(t0=8, t10=4, t20=8), id="nothing is past yet"),
        pytest.param(9, steps(t0=8, t10=4, t20=8), id="an edge ahead is kept"),
        pytest.param(10, steps(t0=4, t20=8), id="an edge that is now is past"),
        pytest.param(25, steps(t0=8), id="all is past"),
    ],
)
def test_forgetting_the_past(instant: int, want: Steps):
    assert steps(t0=8, t10=4, t20=8).since(instant) == want


@pytest.mark.parametrize(
    ("level", "length", "lo", "hi", "want"),
    [
        pytest.param(4, 5, 0, 100, [(0, 100)], id="low enough to fit everywhere"),
        pytest.param(9, 5, 0, 100, [], id="never so much"),
        pytest.param(8, 5, 0, 100, [(0, 5), (20, 35), (60, 100)], id="ends just before the drop"),
        pytest.param(8, 10, 0, 100, [(0, 0), (20, 30), (60, 100)], id="a run of exactly the length has one start"),
        pytest.param(8, 11, 0, 100, [(20, 29), (60, 100)], id="a run that is a second too short has none"),
        pytest.param(8, 5, 3, 25, [(3, 5), (20, 25)], id="cut to what was asked for"),
        pytest.param(8, 5, 12, 15, [], id="nothing starts inside the drop"),
        pytest.param(8, 5, 12, 20, [(20, 20)], id="the last instant asked for counts"),
        pytest.param(8, 5, 60, 60, [(60, 60)], id="a single instant"),
        pytest.param(8, 5, 50, 40, [], id="an empty window has no start"),
    ],
)
def test_the_ranges_of_possible_starts(level: int, length: int, lo: int, hi: int, want: list[tuple[int, int]]):
    assert steps(t0=8, t10=4, t20=8, t40=4, t60=8).starts(level, length, lo, hi) == want
