from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.charge import charge
from scheduler.core.lease import NEXT, IllegalTransition, advance
from scheduler.core.model import Cause, Instant, State
from tests.builders import a_lease
from tests.effort import examples

instants = st.integers(0, 300).map(Instant)
moves = st.lists(st.tuples(st.sampled_from(State), st.sampled_from(Cause), instants), max_size=8)


@settings(max_examples=examples(300), deadline=None)
@given(instants, instants, st.none() | instants, st.none() | instants, st.integers(1, 8))
def test_the_parts_of_a_box_are_never_negative_and_add_up(
    starts_at: Instant, ends_at: Instant, stops_at: Instant | None, started_at: Instant | None, gpus: int
):
    lease = replace(a_lease(n1=gpus), starts_at=starts_at, ends_at=ends_at, stops_at=stops_at, started_at=started_at)
    parts = charge(lease)
    assert min(parts.delivered, parts.late, parts.returned) >= 0
    assert parts.delivered + parts.refunded == gpus * max(0, ends_at - starts_at)
    if started_at is None:
        assert parts.delivered == 0


@settings(max_examples=examples(300), deadline=None)
@given(moves)
def test_a_lease_moves_by_the_table_alone(tried: list[tuple[State, Cause, Instant]]):
    lease = a_lease()
    for to, cause, now in tried:
        if to in NEXT[lease.state]:
            lease = advance(lease, to, cause, now)
            assert lease.state is to
        else:
            with pytest.raises(IllegalTransition):
                advance(lease, to, cause, now)


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(Cause), instants), min_size=3, max_size=3))
def test_a_lease_that_runs_to_its_end_stops_inside_its_box_by_its_first_cause(causes: list[tuple[Cause, Instant]]):
    lease = a_lease()
    for to, (cause, now) in zip((State.ACTIVE, State.ENDING, State.ENDED), causes, strict=True):
        lease = advance(lease, to, cause, now)
        assert lease.starts_at is not None
        assert lease.stops_at is not None
        assert lease.ends_at is not None
        assert lease.starts_at <= lease.stops_at <= lease.ends_at == 200
    assert lease.end_cause is causes[1][0]
