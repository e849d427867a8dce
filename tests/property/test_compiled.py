"""The compiled functions answer what the readable reference answers, and what counting every second answers."""

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from scheduler.core.book import Draft
from scheduler.core.calendar import Box, fits
from scheduler.core.compiled import rows, screen, search
from scheduler.core.model import Gang, Instant, NodeId, Policy, Total
from scheduler.core.profiles import Profiles
from scheduler.core.quota import FOR_EVER
from scheduler.core.steps import Steps
from scheduler.core.walk_in import soon, soon_of
from tests.builders import a_node
from tests.effort import examples
from tests.property.lives import Step, bad_days, policies, shapes
from tests.property.pool import Pool
from tests.reference.calendar import Calendar

END = 60
"""From here on nothing changes."""

Bookings = list[tuple[int, int, int, int]]
bookings = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, END), st.integers(1, 30), st.integers(-3, 4)), max_size=14
)
capacities = st.lists(st.integers(0, 4), min_size=4, max_size=4)
closed = st.lists(st.booleans(), min_size=4, max_size=4)
limits = st.lists(
    st.lists(st.tuples(st.integers(0, END), st.integers(1, 30), st.integers(1, 6)), max_size=5), max_size=2
)


def a_calendar(capacities: list[int], closed: list[bool], bookings: Bookings) -> tuple[Profiles, Calendar]:
    """The same nodes and bookings for the compiled functions and for the reference."""
    nodes = [
        a_node(f"n{k}", gpus, open=not shut) for k, (gpus, shut) in enumerate(zip(capacities, closed, strict=True))
    ]
    profiles, reference = Profiles.flat(capacities), Calendar.of(nodes)
    for row, start, length, gpus in bookings:
        profiles.add(row, start, min(start + length, END), -gpus)
        reference = reference.book(((NodeId(f"n{row}"), gpus),), start, min(start + length, END))
    return profiles, reference


def limit_rows(held: list[list[tuple[int, int, int]]]) -> Profiles:
    found = Profiles.flat([6] * max(1, len(held)))
    for row, ours in enumerate(held):
        for start, length, gpus in ours:
            found.add(row, start, start + length, -gpus)
    return found


def starts(
    free: list[Steps], closed: list[bool], shape: Gang | Total, length: int, held: list[Steps], hold: int
) -> list[int]:
    """Every start, by looking at every second of each."""
    found: list[int] = []
    for start in range(END + 1):
        has = [
            min(steps.at(at) for at in range(start, start + length))
            for steps, shut in zip(free, closed, strict=True)
            if not shut
        ]
        limited = all(steps.at(at) >= shape.gpus for steps in held for at in range(start, start + hold))
        if isinstance(shape, Gang):
            enough = sum(gpus >= shape.gpus_per_node for gpus in has) >= shape.nodes
        else:
            enough = sum(max(0, gpus) for gpus in has) >= shape.gpus
        if enough and limited:
            found.append(start)
    return found


@settings(max_examples=examples(1500), deadline=None)
@given(capacities, closed, bookings, limits, shapes, st.integers(1, 15), st.integers(0, 5), st.data())
def test_the_first_and_the_last_start_are_those_that_counting_finds(
    capacities: list[int],
    closed: list[bool],
    bookings: Bookings,
    limits: list[list[tuple[int, int, int]]],
    shape: Gang | Total,
    hold: int,
    gap: int,
    data: st.DataObject,
):
    profiles, reference = a_calendar(capacities, closed, bookings)
    limit = limit_rows(limits)
    lo = data.draw(st.integers(0, END))
    hi = data.draw(st.integers(0, END))
    found = {
        latest: search.start(
            profiles.arrays,
            ~np.array(closed),
            isinstance(shape, Gang),
            shape.nodes if isinstance(shape, Gang) else 0,
            shape.gpus_per_node if isinstance(shape, Gang) else shape.gpus,
            hold + gap,
            limit.arrays,
            np.arange(len(limits)),
            shape.gpus,
            hold,
            lo,
            hi,
            latest,
        )
        for latest in (False, True)
    }
    free = [profiles.steps(row) for row in range(4)]
    held = [limit.steps(row) for row in range(len(limits))]
    want = [start for start in starts(free, closed, shape, hold + gap, held, hold) if lo <= start <= hi]
    event("found" if want else "none")
    assert found == {False: want[0] if want else search.NONE, True: want[-1] if want else search.NONE}
    if len(limits) < 2:
        only = held[0] if held else None
        assert reference.earliest(shape, hold + gap, lo, hi, only, shape.gpus, hold) == (want[0] if want else None)


@settings(max_examples=examples(300), deadline=None)
@given(capacities, closed, bookings)
def test_the_rows_are_the_step_functions_of_the_reference(
    capacities: list[int], closed: list[bool], bookings: Bookings
):
    profiles, reference = a_calendar(capacities, closed, bookings)
    assert [profiles.steps(row) for row in range(4)] == [reference.free[NodeId(f"n{row}")] for row in range(4)]


@settings(max_examples=examples(300), deadline=None)
@given(policies, bad_days)
def test_the_look_at_what_waits_never_misses_one_that_could_start_earlier(policy: Policy, history: list[Step]):
    """Each that waits is lifted out and tried, as the compiled look does not."""
    pool = Pool(policy=policy)
    for step in history:
        pool.live(step)
    book = pool.book
    movable = 0
    turn = np.arange(len(book.waiting.keys))
    for place, (_, lease_id) in enumerate(book.waiting.keys):
        lease = book.leases[lease_id]
        for now in range(pool.now, lease.starts_at or 0):
            start = max(now + lease.notice_s, lease.start or 0)
            draft = Draft(book)
            draft.lift(lease_id)
            near = soon_of(book.policy, lease, Instant(now))
            box = Box.of(draft, lease.company, lease.shape, lease.duration_s, soon=near)
            if start < (lease.starts_at or 0) and fits(draft, box, start):
                movable += 1
                plane = book.free.arrays, book.open, book.limits.arrays
                last = FOR_EVER if (of_all := soon(book.policy, now)) is None else of_all
                seen = screen.next_to_try(*plane, book.waiting.table, turn, place, now, last)
                assert seen == place
    event("one could start earlier" if movable else "none could")


lent = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, END), st.integers(0, END), st.integers(1, 2)), max_size=2),
    max_size=6,
)


@settings(max_examples=examples(500), deadline=None)
@given(capacities, closed, lent, shapes, st.integers(0, END - 1))
def test_what_is_booked_beside_a_box_is_what_trying_one_after_the_other_books(
    capacities: list[int],
    closed: list[bool],
    lent: list[list[tuple[int, int, int, int]]],
    shape: Gang | Total,
    start: int,
):
    open_, end = ~np.array(closed), min(start + 5, END)

    def has_room(profiles: Profiles) -> bool:
        lows = [max(0, profiles.least(row, start, end)) if open_[row] else 0 for row in range(4)]
        if isinstance(shape, Gang):
            return sum(low >= shape.gpus_per_node for low in lows) >= shape.nodes
        return sum(lows) >= shape.gpus

    want, booked = Profiles.flat(capacities), list[bool]()
    for spans in lent:
        free = all(begin >= until or want.least(row, begin, until) >= gpus for row, begin, until, gpus in spans)
        tried = want.copy()
        for row, begin, until, gpus in spans:
            tried.add(row, begin, until, -gpus)
        booked.append(free and has_room(tried))
        want = tried if booked[-1] else want
    found, marks = Profiles.flat(capacities), np.zeros(len(lent), np.bool_)
    found.widen(np.full(4, 4 * len(lent)))
    flat = np.array([span for spans in lent for span in spans], np.int64).reshape(-1, 4)
    first = np.cumsum([0, *(len(spans) for spans in lent)])
    box = (shape.gpus_per_node, shape.nodes) if isinstance(shape, Gang) else (0, shape.gpus)
    rows.book_beside(*found.arrays, open_, flat, first, np.arange(len(lent)), marks, *box, start, end)
    event("some are left out" if not all(booked) else "all")
    assert marks.tolist() == booked
    assert [found.steps(row) for row in range(4)] == [want.steps(row) for row in range(4)]
