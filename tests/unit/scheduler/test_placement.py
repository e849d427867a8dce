import pytest

from scheduler.core.calendar import Calendar
from scheduler.core.model import Gang, Placement, Shape, Total
from scheduler.core.placement import place
from tests.builders import a_node, a_placement


def a_calendar(**free: int) -> Calendar:
    """Nodes of 8 GPUs with so many free over [0, 100)."""
    calendar = Calendar.of([a_node(node, 8) for node in free])
    return calendar.book(a_placement(**{node: 8 - gpus for node, gpus in free.items()}), 0, 100)


@pytest.mark.parametrize(
    ("free", "shape", "want"),
    [
        pytest.param(
            {"n1": 8, "n2": 4, "n3": 6},
            Gang(nodes=2, gpus_per_node=4),
            a_placement(n2=4, n3=4),
            id="a gang takes the fullest nodes that hold it",
        ),
        pytest.param(
            {"n3": 8, "n2": 8, "n1": 8},
            Gang(nodes=2, gpus_per_node=8),
            a_placement(n1=8, n2=8),
            id="among equal nodes the first by name",
        ),
        pytest.param(
            {"n1": 8, "n2": 3, "n3": 5},
            Total(gpus=3),
            a_placement(n2=3),
            id="a total that fits one node takes the fullest",
        ),
        pytest.param(
            {"n2": 5, "n1": 5}, Total(gpus=3), a_placement(n1=3), id="among equal single nodes the first by name"
        ),
        pytest.param(
            {"n1": 2, "n2": 8, "n3": 3, "n4": 4},
            Total(gpus=11),
            a_placement(n2=8, n3=3),
            id="a larger total takes the emptiest node and the rest of it the fullest that holds it",
        ),
        pytest.param(
            {"n1": 1, "n2": 2, "n3": 3}, Total(gpus=6), a_placement(n1=1, n2=2, n3=3), id="a total may take everything"
        ),
        pytest.param(
            {"n1": 6, "n2": 6, "n3": 6},
            Total(gpus=7),
            a_placement(n1=6, n2=1),
            id="among equal nodes a total goes by name",
        ),
    ],
)
def test_where_a_shape_goes(free: dict[str, int], shape: Shape, want: Placement):
    assert place(a_calendar(**free), shape, 0, 100) == want


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(Gang(nodes=2, gpus_per_node=4), id="a gang is all or nothing"),
        pytest.param(Total(gpus=7), id="a total is all or nothing"),
    ],
)
def test_there_is_no_half_placement(shape: Shape):
    with pytest.raises(ValueError, match="free"):
        place(a_calendar(n1=4, n2=2), shape, 0, 100)


def test_a_node_counts_only_what_is_free_throughout():
    calendar = a_calendar(n1=8, n2=8).book(a_placement(n1=1), 50, 60)
    assert place(calendar, Total(gpus=8), 0, 55) == a_placement(n2=8)
    assert place(calendar, Total(gpus=8), 0, 50) == a_placement(n1=8)


def test_nothing_is_placed_on_a_closed_node():
    calendar = a_calendar(n1=8, n2=8).put_node(a_node("n1", 8, open=False))
    assert place(calendar, Total(gpus=1), 0, 100) == a_placement(n2=1)
