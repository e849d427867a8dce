"""How far a lease can be extended, who makes way for it, and what it cannot be extended past."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.core.book import Book
from scheduler.core.extend import Extended, NotExtended, closed, closes_at, extend
from scheduler.core.model import CompanyId, Drain, Instant, Lease, LeaseId, NodeId, Policy, State
from tests.builders import GAP_S, HORIZON_S, a_book, a_lease, a_placement, a_policy

NOW = Instant(50)
MINE = LeaseId("lea_mine")


def mine(duration_s: int = 100, **placement: Any) -> Lease:
    return a_lease(MINE, state=State.ACTIVE, starts_at=0, duration_s=duration_s, **(placement or {"n1": 8}))


def done(book: Book, until: int) -> Extended:
    found = extend(book, MINE, until, NOW)
    assert isinstance(found, Extended)
    return found


def refused(book: Book, until: int) -> tuple[str, int, int]:
    found = extend(book, MINE, until, NOW)
    assert isinstance(found, NotExtended)
    return found.obstacle.what, found.obstacle.at, found.longest_s


def test_a_lease_with_nobody_after_it_is_extended_on_its_own_nodes() -> None:
    found = done(a_book(mine()), 500)
    assert (found.lease.ends_at, found.lease.stops_at, found.lease.duration_s) == (500, 500, 500)
    assert found.lease.placement == a_placement(n1=8)
    assert (found.moves, found.obstacle) == ((), None)
    assert found.book.leases[MINE] == found.lease


def test_the_next_lease_keeps_its_gap() -> None:
    next_ = a_lease("lea_next", company="bolt", starts_at=300, n1=8)
    assert refused(a_book(mine(), next_), 291) == ("promise", 300, 190)
    assert done(a_book(mine(), next_), 300 - GAP_S).lease.ends_at == 290


def test_a_scheduled_lease_in_the_way_goes_to_another_node_at_its_own_start() -> None:
    next_ = a_lease("lea_next", company="bolt", starts_at=120, n1=8)
    found = done(a_book(mine(), next_, nodes=2), 400)
    [(before, after)] = found.moves
    assert (before, after) == (next_, replace(next_, placement=a_placement(n2=8)))


def test_only_as_many_make_way_as_it_takes() -> None:
    first = a_lease("lea_1", company="bolt", starts_at=120, duration_s=50, n1=8)
    second = a_lease("lea_2", company="bolt", starts_at=300, duration_s=50, n1=8)
    found = done(a_book(mine(), first, second, nodes=2), 250)
    assert [after.id for _, after in found.moves] == ["lea_1"]
    assert {after.id for _, after in done(a_book(mine(), first, second, nodes=2), 320).moves} == {"lea_1", "lea_2"}


def test_one_that_is_enough_alone_makes_way_before_several_do() -> None:
    small = [a_lease(f"lea_{k}", company="bolt", starts_at=200, n1=2) for k in (1, 2)]
    large = a_lease("lea_3", company="bolt", starts_at=200, n1=4)
    book = a_book(mine(n1=4), *small, large, nodes=2)
    assert [after.id for _, after in done(book, 300).moves] == ["lea_3"]


def test_of_two_nodes_that_are_short_both_are_cleared_or_nobody_is_moved() -> None:
    gang = mine(n1=8, n2=8)
    shares: dict[str, Any] = {"1": {"n1": 8}, "2": {"n2": 8}}
    others = [a_lease(f"lea_{node}", company="bolt", starts_at=200, **share) for node, share in shares.items()]
    quota = {CompanyId("acme"): 32, CompanyId("bolt"): 32}
    policy = a_policy()
    enough = Book.of(policy, a_book(nodes=4).nodes.values(), [gang, *others], quota)
    assert len(done(enough, 300).moves) == 2
    scarce = Book.of(policy, a_book(nodes=3).nodes.values(), [gang, *others], quota)
    assert refused(scarce, 300) == ("promise", 200, 200 - GAP_S - 100)
    partly = extend(scarce, MINE, 300, NOW, partly=True)
    assert isinstance(partly, Extended)
    assert (partly.lease.ends_at, partly.moves) == (200 - GAP_S, ())


def test_what_is_due_to_start_and_what_runs_is_not_moved() -> None:
    due = a_lease("lea_due", company="bolt", starts_at=40, duration_s=400, n1=4)
    book = a_book(mine(n1=4), due, nodes=2)
    assert done(book, 300).moves == ()
    grown = a_book(mine(n1=8), due, nodes=2)
    assert refused(grown, 300) == ("promise", 100 + GAP_S, 0) or refused(grown, 300)[2] == 0


@pytest.mark.parametrize(
    ("until", "want"),
    [(NOW + HORIZON_S, None), (NOW + HORIZON_S + 1, ("horizon", NOW + HORIZON_S, NOW + HORIZON_S - 100))],
)
def test_nothing_is_extended_past_the_horizon(until: int, want: tuple[str, int, int] | None) -> None:
    book = a_book(mine())
    if want is None:
        assert done(book, until).lease.ends_at == until
    else:
        assert refused(book, until) == want


def test_the_quota_holds_at_every_instant_of_the_added_time_and_only_of_that() -> None:
    own = a_lease("lea_own", starts_at=300, n2=8)
    assert refused(a_book(mine(), own, nodes=2, quota=12), 400) == ("quota", 300, 200)
    lowered = a_book(mine(), nodes=2, quota=4)
    assert refused(lowered, 101) == ("quota", 100, 0)


def test_a_drain_is_in_the_way_and_nobody_moves_for_it() -> None:
    drain = Drain(id="drn_1", node=NodeId("n1"), starts_at=Instant(400), ends_at=Instant(500))
    book = a_book(mine()).changed([drain])
    assert refused(book, 600) == ("drain", 400, 400 - GAP_S - 100)


def test_a_box_that_grows_long_is_held_to_the_reserve_from_now_on() -> None:
    policy = a_policy(reserve_ppm=500_000, reserve_over_s=200)
    other = a_lease("lea_long", company="bolt", state=State.ACTIVE, starts_at=0, duration_s=300, n2=6)
    quota = {CompanyId("acme"): 32, CompanyId("bolt"): 32}
    book = Book.of(policy, a_book(nodes=2).nodes.values(), [mine(n1=4), other], quota)
    assert done(book, 200).lease.ends_at == 200
    assert refused(book, 201) == ("reserve", 200, 100)
    alone = Book.of(policy, a_book(nodes=2).nodes.values(), [mine(n1=4)], quota)
    assert done(alone, 900).lease.ends_at == 900


def test_a_scheduled_lease_may_have_other_nodes_for_its_longer_box() -> None:
    lease = a_lease(MINE, starts_at=100, n1=8)
    runs = a_lease("lea_run", company="bolt", state=State.ACTIVE, starts_at=0, duration_s=90, n2=8)
    next_ = a_lease("lea_next", company="bolt", starts_at=250, n1=8)
    found = done(a_book(lease, runs, next_, nodes=2), 400)
    assert (found.lease.starts_at, found.lease.placement, found.moves) == (100, a_placement(n2=8), ())


def test_partly_goes_as_far_as_possible_and_says_what_stopped_it() -> None:
    next_ = a_lease("lea_next", company="bolt", starts_at=300, n1=8)
    found = extend(a_book(mine(), next_), MINE, 1000, NOW, partly=True)
    assert isinstance(found, Extended)
    assert (found.lease.ends_at, found.obstacle and found.obstacle.what) == (290, "promise")
    assert found.obstacle is not None
    assert found.obstacle.leases == ("lea_next",)


@pytest.mark.parametrize(
    ("duration_s", "closes_s", "want"),
    [(3600, 600, 3000), (100, 600, 50), (101, 600, 51), (1, 600, 1), (3600, 0, 3600)],
)
def test_extending_closes_by_the_policy_and_not_before_half_of_the_box(
    duration_s: int, closes_s: int, want: int
) -> None:
    lease = mine(duration_s)
    assert closes_at(lease, closes_s) == want
    policy = Policy(version="test", horizon_s=1000, gap_s=1, extension_closes_s=closes_s)
    assert [closed(lease, policy, Instant(at)) for at in (want - 1, want)] == [False, True]
    assert not closed(replace(lease, state=State.SCHEDULED), policy, Instant(want))
