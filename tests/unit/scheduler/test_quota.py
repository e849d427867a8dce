import pytest

from scheduler.core.model import State
from scheduler.core.quota import held
from scheduler.core.steps import Steps
from tests.builders import a_lease, a_queued_lease


def test_leases_that_overlap_add_up_and_the_gap_is_not_held():
    leases = [a_lease("a", starts_at=100, n1=4), a_lease("b", starts_at=150, n1=2)]
    assert held(leases) == Steps(times=(0, 100, 150, 200, 250), values=(0, 4, 6, 2, 0))


def test_a_lease_that_was_stopped_early_is_held_until_then():
    assert held([a_lease(state=State.ENDING, starts_at=100, stops_at=130)]) == Steps(
        times=(0, 100, 130), values=(0, 4, 0)
    )


@pytest.mark.parametrize(
    "lease",
    [
        pytest.param(a_lease(state=state), id=f"{state}")
        for state in State
        if state not in ("scheduled", "active", "ending")
    ]
    + [pytest.param(a_queued_lease(), id="without a slot")],
)
def test_what_is_not_scheduled_or_running_holds_nothing(lease):
    assert held([lease]) == Steps.flat(0)
