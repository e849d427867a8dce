from dataclasses import replace
from itertools import product

import pytest

from scheduler.core.charge import Charge, charge
from scheduler.core.lease import NEXT, IllegalTransition, advance, scheduled
from scheduler.core.model import Cause, Instant, Lease, LeaseId, State
from tests.builders import a_lease, a_promise, a_queued_lease, an_ask

NOW = Instant(150)

WAYS = """
    asked -> refused
    asked -> queued
    asked -> scheduled
    queued -> scheduled
    queued -> cancelled
    queued -> expired
    scheduled -> active
    scheduled -> cancelled
    scheduled -> queued
    scheduled -> ended
    active -> ending
    ending -> ended
"""


def test_the_table_is_the_one_that_was_promised():
    assert {f"{state} -> {to}" for state, after in NEXT.items() for to in after} == {
        line.strip() for line in WAYS.strip().splitlines()
    }


def test_every_state_is_in_the_table():
    assert set(NEXT) == set(State)


@pytest.mark.parametrize(("state", "to"), [pair for pair in product(State, State) if pair[1] not in NEXT[pair[0]]])
def test_there_is_no_other_way(state: State, to: State):
    with pytest.raises(IllegalTransition, match=f"a lease that is {state} does not become {to}") as raised:
        advance(a_lease(state=state), to, Cause.REVOKED, NOW)
    assert (raised.value.state, raised.value.to) == (state, to)


def test_a_promise_fills_the_slot():
    lease = scheduled(LeaseId("lea_1"), an_ask(), Instant(0), a_promise(100, 200, n1=4))
    assert lease == replace(a_lease(), shape=lease.shape, started_at=None)


def test_a_lease_that_starts_late_keeps_its_box():
    started = advance(a_lease(), State.ACTIVE, Cause.STARTED, NOW)
    assert started == replace(a_lease(), state=State.ACTIVE, started_at=NOW)


@pytest.mark.parametrize(
    ("cause", "now", "want"),
    [
        pytest.param(Cause.RELEASED, 150, 150, id="a release stops it now"),
        pytest.param(Cause.RELEASED, 250, 200, id="a release after the end stops it at the end"),
        pytest.param(Cause.REVOKED, 50, 100, id="a clock that went back stops it at its start"),
        pytest.param(Cause.EXPIRED, 200, 200, id="an expiry in time stops it at the end"),
        pytest.param(Cause.EXPIRED, 260, 200, id="an expiry that comes late stops it at the end all the same"),
    ],
)
def test_when_a_running_lease_stops(cause: Cause, now: int, want: int):
    ending = advance(a_lease(state=State.ACTIVE), State.ENDING, cause, Instant(now))
    assert (ending.stops_at, ending.ends_at, ending.end_cause) == (want, 200, cause)


def test_the_first_cause_of_an_end_is_kept():
    ending = advance(a_lease(state=State.ACTIVE), State.ENDING, Cause.RELEASED, NOW)
    ended = advance(ending, State.ENDED, Cause.EXPIRED, Instant(260))
    assert (ended.end_cause, ended.stops_at, ended.ended_at) == (Cause.RELEASED, 150, 260)


def test_a_lease_that_ends_before_it_starts_is_charged_nothing():
    ended = advance(a_lease(), State.ENDED, Cause.NODE_LOST, NOW)
    assert (ended.end_cause, ended.ended_at, ended.stops_at) == (Cause.NODE_LOST, NOW, 100)
    assert charge(ended) == Charge(delivered=0, late=400, lost=0, returned=0)


def test_a_cancelled_lease_is_charged_nothing():
    cancelled = advance(a_lease(), State.CANCELLED, Cause.CANCELLED, Instant(50))
    assert cancelled.ended_at is None
    assert charge(cancelled) == Charge(delivered=0, late=0, lost=0, returned=400)


def test_a_lease_that_goes_back_to_the_queue_loses_its_slot():
    queued = advance(a_lease(), State.QUEUED, Cause.CAPACITY_LOST, NOW)
    assert queued == replace(a_queued_lease(), shape=queued.shape)


@pytest.mark.parametrize(
    ("lease", "want"),
    [
        pytest.param(a_lease(state=State.ACTIVE), (400, 0, 0), id="the whole box"),
        pytest.param(a_lease(state=State.ENDING, stops_at=130), (120, 0, 280), id="released early"),
        pytest.param(a_lease(state=State.ENDING, started_at=120), (320, 80, 0), id="started late"),
        pytest.param(a_lease(state=State.ENDING, started_at=120, stops_at=150), (120, 80, 200), id="late and early"),
        pytest.param(a_lease(stops_at=150), (0, 200, 200), id="never started, stopped in the middle"),
        pytest.param(
            a_lease(state=State.ENDING, started_at=170, stops_at=150), (0, 200, 200), id="started after the stop"
        ),
        pytest.param(a_lease(state=State.ENDING, started_at=90), (400, 0, 0), id="started before its box"),
        pytest.param(a_lease(state=State.ENDING, stops_at=250), (400, 0, 0), id="stopped after its box"),
        pytest.param(a_queued_lease(), (0, 0, 0), id="without a slot"),
        pytest.param(replace(a_lease(state=State.ACTIVE), stops_at=None), (400, 0, 0), id="without a stop"),
    ],
)
def test_what_became_of_a_box(lease: Lease, want: tuple[int, int, int]):
    delivered, late, returned = want
    assert charge(lease) == Charge(delivered=delivered, late=late, lost=0, returned=returned)
