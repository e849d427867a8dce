"""Which promises came due, and which were broken."""

from collections import Counter
from dataclasses import replace

import pytest

from scheduler.core.model import Cause, Instant, Lease, State, Tier
from scheduler.core.promises import Counts, Happened, all_of, of_moves, of_start, of_withdrawal
from scheduler.core.replan import Move
from scheduler.turns.starts import Started
from tests.builders import a_lease

DUE, BROKEN, NEVER = (Happened.DUE, None), (Happened.BROKEN, None), (Happened.NEVER, None)
MOVED, SLIPPED = (Happened.MOVED, Cause.NODE_LOST), (Happened.SLIPPED, Cause.NODE_LOST)


@pytest.mark.parametrize(
    ("late_s", "never", "spot", "counted"),
    [
        pytest.param(0.9, False, False, [DUE], id="within a second it is kept"),
        pytest.param(1.0, False, False, [DUE], id="at a second it is"),
        pytest.param(1.1, False, False, [DUE, BROKEN], id="later it is broken"),
        pytest.param(0.0, True, False, [DUE, BROKEN, NEVER], id="one that never started is broken"),
        pytest.param(9.0, False, True, [], id="spot was promised nothing"),
        pytest.param(0.0, True, True, [NEVER], id="spot that never started broke no promise"),
    ],
)
def test_a_promise_that_comes_due_is_kept_or_broken(
    late_s: float, never: bool, spot: bool, counted: list[object]
) -> None:
    assert of_start(late_s, never=never, spot=spot) == Counter(counted)


@pytest.mark.parametrize(
    ("late_s", "spot", "counted"),
    [
        pytest.param(-600.0, False, [], id="one that is not due is no promise that came due"),
        pytest.param(0.5, False, [], id="nor one whose start would still keep it"),
        pytest.param(60.0, False, [DUE, BROKEN], id="one that is late was broken"),
        pytest.param(60.0, True, [], id="spot was promised nothing"),
    ],
)
def test_a_promise_that_is_taken_back_was_broken_if_it_was_late(
    late_s: float, spot: bool, counted: list[object]
) -> None:
    assert of_withdrawal(late_s, spot=spot) == Counter(counted)


def test_a_start_that_slips_is_counted_as_the_move_that_it_is() -> None:
    assert (
        Started(lease="l", company="acme", pool="h100", late_s=300, slipped_because=Cause.GPU_UNHEALTHY).counts
        == Counter()
    )


LATER = {"promised_start": Instant(500), "starts_at": Instant(500), "ends_at": Instant(600)}
EARLIER = {"starts_at": Instant(50), "ends_at": Instant(150)}
NONE = {"state": State.QUEUED, "promised_start": None, "starts_at": None, "ends_at": None, "placement": ()}
SPOT = replace(a_lease(), tier=Tier.SPOT)


def _moved(lease: Lease, **to: object) -> Counts:
    return of_moves([Move(before=lease, after=replace(lease, **to), cause=Cause.NODE_LOST)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lease", "to", "counted"),
    [
        pytest.param(
            a_lease(), LATER, [MOVED, SLIPPED, DUE, BROKEN], id="a promise that gets later is broken there and then"
        ),
        pytest.param(a_lease(), NONE, [MOVED, SLIPPED, DUE, BROKEN], id="one that is lost is"),
        pytest.param(a_lease(), EARLIER, [MOVED], id="a slot that moves within its promise breaks none"),
        pytest.param(SPOT, NONE, [MOVED], id="spot that goes back to the queue was promised nothing"),
        pytest.param(SPOT, {"stops_at": Instant(50)}, [], id="spot that is told to stop earlier has not moved"),
    ],
)
def test_a_plan_breaks_the_promises_that_slip_by_it(lease: Lease, to: dict[str, object], counted: list[object]) -> None:
    assert _moved(lease, **to) == Counter(counted)


def test_a_promise_that_slips_twice_is_broken_twice() -> None:
    both = all_of([_moved(a_lease(), **LATER), _moved(a_lease(), **LATER)])
    assert (both[DUE], both[BROKEN], both[SLIPPED]) == (2, 2, 2)
