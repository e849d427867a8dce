"""Which promises came due, and which were broken, as the loop counts them."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from scheduler.core.model import Cause, Instant, Lease, State, Tier
from scheduler.core.replan import Move, Plan
from scheduler.metrics.promises import PromiseCounters
from scheduler.turns.starts import Started
from tests.builders import a_book, a_lease

H100 = {"pool": "h100"}


class Counted:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.counters = PromiseCounters(self.registry)

    def promises(self) -> tuple[float | None, float | None]:
        """Those that came due, and of them the broken ones."""
        names = ("dure_promises_due_total", "dure_promises_broken_total")
        due, broken = (self.registry.get_sample_value(name, H100) for name in names)
        return due, broken


@pytest.mark.parametrize(
    ("start", "broken"),
    [
        pytest.param(Started(lease="l", pool="h100", late_s=0.9), 0, id="within a second it is kept"),
        pytest.param(Started(lease="l", pool="h100", late_s=1.5), 1, id="later it is broken"),
        pytest.param(Started(lease="l", pool="h100", late_s=0, never=True), 1, id="one that never started is broken"),
        pytest.param(
            Started(lease="l", pool="h100", late_s=0, slipped_because=Cause.NODE_LOST), 1, id="one that slips is broken"
        ),
    ],
)
def test_a_promise_that_comes_due_is_kept_or_broken(start: Started, broken: int) -> None:
    found = Counted()
    found.counters.started(start)
    assert found.promises() == (1, broken)


def test_what_is_spot_is_promised_nothing() -> None:
    found = Counted()
    found.counters.of_pools(["h100"])
    found.counters.started(Started(lease="l", pool="h100", late_s=0, never=True, spot=True))
    assert found.promises() == (0, 0)
    assert found.registry.get_sample_value("dure_leases_never_started_total", H100) == 1


def test_promises_of_every_pool_begin_at_nothing_and_stay_where_they_are_told_again() -> None:
    """A rate sees no rise from a series that was not there before."""
    found = Counted()
    assert found.promises() == (None, None)
    found.counters.of_pools(["h100", "b200"])
    assert found.promises() == (0, 0)
    found.counters.started(Started(lease="l", pool="h100", late_s=9))
    found.counters.of_pools(["h100"])
    assert found.promises() == (1, 1)


def test_a_slip_at_the_start_is_counted_by_its_cause_and_is_no_start() -> None:
    found = Counted()
    found.counters.started(Started(lease="l", pool="h100", late_s=300, slipped_because=Cause.GPU_UNHEALTHY))
    slips = found.registry.get_sample_value("dure_promises_slipped_total", {**H100, "cause": "gpu_unhealthy"})
    assert slips == 1
    assert found.registry.get_sample_value("dure_lease_start_lateness_seconds_count", H100) is None


def test_how_far_a_start_was_from_what_was_expected_is_told_where_something_was() -> None:
    found = Counted()
    found.counters.started(Started(lease="l", pool="h100", late_s=0, unexpected_s=120.0))
    found.counters.started(Started(lease="m", pool="h100", late_s=0))
    assert found.registry.get_sample_value("dure_forecast_error_seconds_count", H100) == 1
    assert found.registry.get_sample_value("dure_forecast_error_seconds_sum", H100) == 120


def _moved(lease: Lease, **to: object) -> Plan:
    move = Move(before=lease, after=replace(lease, **to), cause=Cause.NODE_LOST)  # type: ignore[arg-type]
    return Plan(book=a_book(), moves=(move,), pulled={}, left={})


LATER = {"promised_start": Instant(500), "starts_at": Instant(500), "ends_at": Instant(600)}
EARLIER = {"starts_at": Instant(50), "ends_at": Instant(150)}
NONE = {"state": State.QUEUED, "promised_start": None, "starts_at": None, "ends_at": None, "placement": ()}


@pytest.mark.parametrize(
    ("lease", "to", "counted"),
    [
        pytest.param(a_lease(), LATER, (1, 1), id="a promise that gets later is broken there and then"),
        pytest.param(a_lease(), NONE, (1, 1), id="one that is lost is"),
        pytest.param(a_lease(), EARLIER, (None, None), id="a slot that moves within its promise breaks none"),
        pytest.param(replace(a_lease(), tier=Tier.SPOT), NONE, (None, None), id="spot was promised nothing"),
    ],
)
def test_a_plan_breaks_the_promises_that_slip_by_it(
    lease: Lease, to: dict[str, object], counted: tuple[float | None, float | None]
) -> None:
    found = Counted()
    found.counters.planned("h100", _moved(lease, **to))
    assert found.promises() == counted
