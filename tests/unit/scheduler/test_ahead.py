"""Which drain a lease that runs cannot be extended past, and how far it leaves it."""

import pytest

from scheduler.core.ahead import ahead
from scheduler.core.extend import Extended, NotExtended, extend
from scheduler.core.model import Drain, Instant, LeaseId, NodeId, State
from tests.builders import GAP_S, a_book, a_lease

NOW = Instant(50)
MINE = a_lease("lea_mine", state=State.ACTIVE, starts_at=0, duration_s=100, n1=8)


def a_drain(starts_at: int, ends_at: int, node: str = "n1", id: str = "drn_1") -> Drain:
    return Drain(id=id, node=NodeId(node), starts_at=Instant(starts_at), ends_at=Instant(ends_at))


@pytest.mark.parametrize(
    ("drains", "want"),
    [
        pytest.param([], None, id="none"),
        pytest.param([a_drain(400, 500)], ("drn_1", 400 - GAP_S), id="after its end"),
        pytest.param([a_drain(104, 500)], ("drn_1", 100), id="in its gap"),
        pytest.param([a_drain(60, 500)], ("drn_1", 100), id="over its end"),
        pytest.param([a_drain(20, 100)], None, id="over by its end"),
        pytest.param([a_drain(400, 400)], None, id="taken back before it began"),
        pytest.param([a_drain(400, 500, "n2")], None, id="of another node"),
        pytest.param([a_drain(400, 500), a_drain(300, 310, id="drn_2")], ("drn_2", 300 - GAP_S), id="the first of two"),
    ],
)
def test_the_first_drain_of_its_own_nodes_is_ahead(drains: list[Drain], want: tuple[str, int] | None) -> None:
    found = ahead(MINE, drains, GAP_S)
    assert (None if found is None else (found.drain.id, found.latest_end)) == want
    longest = extend(a_book(MINE).changed(drains), LeaseId("lea_mine"), 5000, NOW)
    if want is None:
        assert isinstance(longest, Extended)
    else:
        assert isinstance(longest, NotExtended)
        assert (longest.obstacle.drain, longest.longest_s) == (found and found.drain, want[1] - 100)


def test_what_has_not_started_may_go_elsewhere() -> None:
    waits = a_lease("lea_mine", starts_at=100, n1=8)
    assert ahead(waits, [a_drain(400, 500)], GAP_S) is None
