"""What a box comes to, with what was lost while it ran."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.charge import Charge, box, charge
from scheduler.core.model import Gang, Lease, Shape, State, Total
from tests.builders import a_lease

BEGIN, END = 1000, 1100


def a_run(shape: Shape, started: int = BEGIN, stopped: int = END) -> Lease:
    lease = a_lease(state=State.ENDED, starts_at=BEGIN, duration_s=END - BEGIN, stops_at=stopped, started_at=started)
    return replace(lease, shape=shape)


@pytest.mark.parametrize(
    ("shape", "lost", "want"),
    [
        pytest.param(Total(gpus=4), [(1010, 1020)], 10, id="one GPU of a total"),
        pytest.param(Total(gpus=4), [(1010, 1020), (1015, 1030)], 25, id="two at once of a total"),
        pytest.param(Gang(nodes=2, gpus_per_node=2), [(1010, 1020), (1015, 1030)], 80, id="a gang as a whole, once"),
        pytest.param(Gang(nodes=2, gpus_per_node=2), [(1040, 1050), (1010, 1020)], 80, id="a gang, twice"),
        pytest.param(Total(gpus=4), [(1090, 1 << 40)], 10, id="to the end"),
        pytest.param(Total(gpus=4), [(900, 950), (1100, 1200)], 0, id="when it did not run"),
    ],
)
def test_what_was_lost_is_not_charged(shape: Shape, lost: list[tuple[int, int]], want: int) -> None:
    assert charge(a_run(shape), lost=lost) == Charge(delivered=400 - want, late=0, lost=want, returned=0)


def test_what_was_late_or_given_back_was_not_lost_as_well() -> None:
    found = charge(a_run(Total(gpus=2), started=1010, stopped=1050), lost=[(1000, 1100)])
    assert found == Charge(delivered=40, late=20, lost=40, returned=100)


stretches = st.lists(
    st.tuples(st.integers(980, 1120), st.integers(1, 60)).map(lambda one: (one[0], sum(one))), max_size=3
)


@given(
    st.sampled_from([Total(gpus=3), Gang(nodes=3, gpus_per_node=1)]),
    st.integers(BEGIN, END),
    st.integers(BEGIN, END),
    stretches,
    st.integers(900, 1200),
)
def test_the_parts_are_the_box_wherever_it_is_cut(
    shape: Shape, started: int, stopped: int, lost: list[tuple[int, int]], cut: int
) -> None:
    lease = a_run(shape, started, stopped)
    whole = charge(lease, lost=lost)
    parts = charge(lease, 0, cut, lost=lost), charge(lease, cut, lost=lost)
    for name in ("delivered", "late", "lost", "returned"):
        assert getattr(whole, name) == sum(getattr(part, name) for part in parts)
        assert getattr(whole, name) >= 0
    assert whole.delivered + whole.refunded == box(lease)
