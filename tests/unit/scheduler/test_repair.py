from dataclasses import replace
from typing import Any

import pytest

from scheduler.core.book import Book
from scheduler.core.model import Cause, CompanyId, Drain, Gang, Instant, Lease, LeaseId, NodeId, State
from scheduler.core.quota import Quota
from scheduler.core.replan import Move, replan
from scheduler.core.rules import EARLIEST_SLOT, LATE_SLOTS
from tests.builders import a_lease, a_node, a_placement, a_policy

NOW, ACME = Instant(1000), CompanyId("acme")
DAY = 86_400


def a_pool(*leases: Lease, lost: dict[str, int], nodes: int = 2, lost_at: int = 0, **policy: Any) -> Book:
    """Nodes of 8 GPUs without gaps, of which some have fewer since `lost_at`; nothing moves but for that."""
    fleet = [a_node(f"n{k + 1}") for k in range(nodes)]
    book = Book.of(
        a_policy(**{"gap_s": 0, "rule": EARLIEST_SLOT, **policy}), fleet, leases, {ACME: 100, CompanyId("bolt"): 100}
    )
    return book.changed(replace(a_node(node, gpus, nominal=8), lost_at=Instant(lost_at)) for node, gpus in lost.items())


def drained(book: Book, node: str, start: int, end: int) -> Book:
    return book.changed([Drain(id="d", node=NodeId(node), starts_at=Instant(start), ends_at=Instant(end))])


def moves(book: Book, now: int = NOW) -> dict[str, Move]:
    return {move.after.id: move for move in replan(book, (), Instant(now)).moves}


def booked(id: str = "lea_1", starts_at: int = 2000, **placement: int) -> Lease:
    return a_lease(id, company="acme", state=State.SCHEDULED, starts_at=starts_at, **placement)


def active(id: str = "lea_run", until: int = 5000, **placement: int) -> Lease:
    return a_lease(id, company="bolt", state=State.ACTIVE, starts_at=900, duration_s=until - 900, **placement)


def test_a_spare_node_is_taken_at_the_same_start():
    [move] = moves(a_pool(booked(n1=8), lost={"n1": 0})).values()
    assert (move.cause, move.slipped_s) == (Cause.CAPACITY_LOST, 0)
    assert move.after == replace(move.before, placement=a_placement(n2=8))


def silent(book: Book, node: str, since: int) -> Book:
    return book.changed([replace(a_node(node, open=False), lost_at=Instant(since))])


def test_what_is_ahead_on_a_node_that_stays_silent_has_the_spares_before_whoever_asks_later():
    """Silence that has just begun moves nobody, nor does it ever move anybody later: its agent may be back by then."""
    book = a_pool(booked("lea_1", n1=8), booked("lea_2", 2100, n1=8), active(n1=8, until=1500), lost={})
    book = silent(book, "n1", NOW - 299)
    assert moves(book) == {}
    found = moves(book, NOW + 1)
    assert {lease: move.after for lease, move in found.items()} == {
        "lea_1": replace(booked("lea_1", n1=8), placement=a_placement(n2=8)),
        "lea_2": replace(booked("lea_2", 2100, n1=8), placement=a_placement(n2=8)),
    }
    assert {move.cause for move in found.values()} == {Cause.CAPACITY_LOST}
    taken = book.put_lease(booked("lea_3", 2000, n2=8))
    assert list(moves(taken, NOW + 1)) == ["lea_2"]
    assert moves(taken, 2000) == moves(taken, NOW + 1)  # what is due is for its start to say


def test_what_is_lost_is_placed_before_what_is_only_silent():
    gone, quiet = booked("lea_1", n1=8), replace(booked("lea_0", n2=8), promised_start=Instant(1900))
    book = silent(a_pool(gone, quiet, lost={"n1": 0}, nodes=3), "n2", 0)
    [move] = moves(book).values()
    assert (move.after.id, move.after.placement) == ("lea_1", a_placement(n3=8))


@pytest.mark.parametrize(
    ("leases", "want"),
    [
        pytest.param([booked("a", n1=2), booked("b", n1=2), booked("c", n1=4)], ["c"], id="one that is enough alone"),
        pytest.param([booked("a", n1=4), booked("b", starts_at=2050, n1=4)], ["b"], id="of two the one that ends last"),
        pytest.param([booked("a", n1=4), booked("b", n1=4)], ["b"], id="of two alike the newest"),
        pytest.param([booked("a", n1=4), booked("b", starts_at=3000, n1=4)], [], id="none, where nothing is short"),
    ],
)
def test_the_fewest_leases_move(leases: list[Lease], want: list[str]):
    assert list(moves(a_pool(*leases, lost={"n1": 4}))) == want


def test_a_lease_starts_later_only_where_nothing_else_is_possible():
    [move] = moves(a_pool(booked(n1=8), active(until=2500, n2=8), lost={"n1": 0})).values()
    assert (move.after.starts_at, move.after.promised_start, move.slipped_s) == (2500, 2500, 500)
    assert (move.after.placement, move.cause) == (a_placement(n2=8), Cause.CAPACITY_LOST)


def test_a_later_start_by_the_promise_is_no_slip():
    late = replace(booked(n1=8), promised_start=Instant(2600))
    [move] = moves(a_pool(late, active(until=2500, n2=8), lost={"n1": 0})).values()
    assert (move.after.starts_at, move.after.promised_start, move.slipped_s) == (2500, 2600, 0)


def test_a_promise_does_not_slip_while_what_was_lost_may_come_back():
    book = a_pool(booked(n1=8), active(until=2500, n2=8), lost={"n1": 0}, lost_at=NOW, loss_grace_s=300)
    assert moves(book, NOW + 299) == {}
    assert moves(book, NOW + 300)["lea_1"].slipped_s == 500


def test_a_spare_is_taken_at_once_though_what_was_lost_may_come_back():
    book = a_pool(booked(n1=8), lost={"n1": 0}, lost_at=NOW, loss_grace_s=300)
    assert moves(book)["lea_1"].after.placement == a_placement(n2=8)


def test_nobody_is_placed_where_something_may_come_back_to():
    """The gang keeps its half on n2, though its half on n1 is lost for the moment, so the other goes to n3 when that is free."""
    gang, other = booked("lea_gang", n1=8, n2=8), replace(booked("lea_other", n4=8), notice_s=1000)
    pool = a_pool(gang, other, active(until=2050, n3=8), nodes=4, lost={"n1": 0}, lost_at=NOW, loss_grace_s=300)
    [move] = moves(drained(pool, "n4", 0, 9000)).values()
    assert (move.after.id, move.after.placement, move.after.starts_at) == ("lea_other", a_placement(n3=8), 2050)


def test_a_drain_moves_at_once_whom_it_touches_and_nobody_else():
    touched, after = replace(booked("a", n1=8), notice_s=1000), booked("b", starts_at=2100, n1=8)
    found = moves(drained(a_pool(touched, after, active(until=2500, n2=8), lost={}), "n1", 2050, 2090))
    assert {id_: (move.cause, move.after.starts_at) for id_, move in found.items()} == {"a": (Cause.DRAIN, 2200)}


def test_everybody_s_own_start_comes_before_anybody_s_later_one():
    """Both are on the node that is lost. The first starts later, but not inside what the second's own start takes of the
    company's quota."""
    first, second = booked("a", n1=8), booked("b", starts_at=2150, n1=4)
    pool = a_pool(first, second, active(until=2100, n2=8), lost={"n1": 0}).changed([Quota(company=ACME, gpus=8)])
    found = moves(pool)
    assert (found["b"].after.starts_at, found["b"].slipped_s) == (2150, 0)
    assert (found["a"].after.starts_at, found["a"].slipped_s) == (2250, 250)


def test_a_later_start_is_not_nearer_than_its_notice():
    """n2 is free before its own start too, but its company would not hear of that in time."""
    lease = replace(booked(n1=8), notice_s=300)
    blocked = a_lease("lea_2", company="bolt", starts_at=1950, duration_s=500, n2=8)
    assert moves(a_pool(lease, blocked, lost={"n1": 0}))["lea_1"].after.starts_at == 1300


def test_what_has_no_place_within_the_horizon_waits_in_the_queue_again():
    [move] = moves(a_pool(booked(n1=8), lost={"n1": 0}, nodes=1)).values()
    assert (move.after.state, move.cause) == (State.QUEUED, Cause.CAPACITY_LOST)
    assert (move.after.promised_start, move.after.starts_at, move.after.placement) == (None, None, ())


def test_what_runs_on_a_lost_node_is_not_touched_however_long_it_runs():
    lease = active(until=10_000 * DAY, n1=8)
    plan = replan(a_pool(lease, lost={"n1": 0}), (), NOW)
    assert (plan.moves, dict(plan.book.leases)) == ((), {lease.id: lease})


def test_a_lease_that_is_overdue_takes_a_spare_and_keeps_its_slot():
    overdue = booked(starts_at=950, n1=8)
    [move] = moves(a_pool(overdue, lost={"n1": 0})).values()
    assert move.after == replace(overdue, placement=a_placement(n2=8))


# --- others make way --------------------------------------------------------------------------------------------


def gang(id: str, gpus_per_node: int, asked_at: int = 0, **placement: int) -> Lease:
    shape = Gang(nodes=len(placement), gpus_per_node=gpus_per_node)
    return replace(booked(id, **placement), shape=shape, asked_at=Instant(asked_at))


def test_before_a_promise_slips_others_leave_a_node_to_it_at_their_own_start():
    pool = a_pool(gang("v", 8, n1=8), booked("x", n2=4), booked("y", n3=4), nodes=3, lost={})
    found = moves(drained(pool, "n1", 1500, 9000))
    assert {id_: (move.cause, move.after.placement, move.after.starts_at) for id_, move in found.items()} == {
        "v": (Cause.DRAIN, a_placement(n2=8), 2000),
        "x": (Cause.MADE_WAY, a_placement(n3=4), 2000),
    }


def test_of_two_that_lost_their_node_the_one_that_can_leave_a_spare_to_the_other_does():
    total, one = booked("a", n1=4), gang("b", 4, asked_at=1, n1=4)
    pool = a_pool(total, one, lost={"n1": 0, "n2": 4, "n3": 2, "n4": 2}, nodes=4)
    found = moves(pool)
    assert {id_: (move.after.placement, move.slipped_s) for id_, move in found.items()} == {
        "a": (a_placement(n3=2, n4=2), 0),
        "b": (a_placement(n2=4), 0),
    }


def test_several_leave_their_nodes_where_one_is_not_enough():
    pool = a_pool(
        gang("v", 8, n1=8),
        booked("x", n2=3),
        booked("y", n2=3),
        active("run", n3=5),
        active("sit", n4=5),
        nodes=4,
        lost={},
    )
    found = moves(drained(pool, "n1", 1500, 9000))
    assert {id_: move.after.placement for id_, move in found.items()} == {
        "v": a_placement(n2=8),
        "x": a_placement(n3=3),
        "y": a_placement(n4=3),
    }


def test_who_makes_way_in_vain_stays_where_it_is():
    victim = replace(gang("v", 8, n1=8), notice_s=1000)
    pool = a_pool(victim, booked("x", n2=3), booked("y", n2=3), active("run", n3=5), nodes=3, lost={})
    found = moves(drained(pool, "n1", 1500, 9000))
    assert set(found) == {"v"}
    assert found["v"].slipped_s > 0


def test_nobody_whose_start_is_due_makes_way():
    due = booked("x", starts_at=1000, n2=4)
    victim = replace(gang("v", 8, n1=8), starts_at=Instant(1050), promised_start=Instant(1050))
    pool = a_pool(victim, due, active("run", until=1090, n3=4), nodes=3, lost={"n1": 0})
    assert set(moves(pool)) == {"v"}


def test_a_gang_on_two_nodes_that_lost_half_moves_alone():
    pool = a_pool(gang("g", 4, n1=4, n2=4), booked("a", n1=4), booked("b", n2=4), nodes=4, lost={"n1": 4, "n2": 4})
    assert set(moves(pool)) == {"g"}


# --- back at what is owed ------------------------------------------------------------------------


def test_a_lease_asked_for_a_time_that_slipped_has_it_back_once_there_is_room():
    asked = replace(booked(n1=8), start=Instant(2000), notice_s=300)
    pool = a_pool(asked, nodes=1, lost={}, rule=LATE_SLOTS)
    drain = Drain(id="d", node=NodeId("n1"), starts_at=Instant(1500), ends_at=Instant(9000))
    slipped = replan(pool.changed([drain]), (), Instant(NOW)).book
    assert slipped.leases[asked.id].promised_start == 9000
    resumed = slipped.changed([replace(drain, ends_at=drain.starts_at)])
    [move] = replan(resumed, (), Instant(1100)).moves
    assert (move.cause, move.after, move.regained_s) == (Cause.EARLIER, asked, 7000)
    assert replan(replan(resumed, (), Instant(1100)).book, (), Instant(1101)).moves == ()


def test_if_that_is_too_near_it_has_the_nearest_start_of_which_it_can_be_told():
    asked = replace(booked(n1=8), start=Instant(2000), notice_s=300)
    drain = Drain(id="d", node=NodeId("n1"), starts_at=Instant(1500), ends_at=Instant(9000))
    slipped = replan(a_pool(asked, nodes=1, lost={}, rule=LATE_SLOTS).changed([drain]), (), Instant(NOW)).book
    [move] = replan(slipped.changed([replace(drain, ends_at=drain.starts_at)]), (), Instant(1900)).moves
    assert (move.after.starts_at, move.after.promised_start) == (2200, 2200)


def test_a_lease_that_starts_when_it_can_is_promised_again_what_it_was_once_there_is_room():
    drain = Drain(id="d", node=NodeId("n1"), starts_at=Instant(1200), ends_at=Instant(9000))
    first = a_pool(replace(booked(n1=8), notice_s=300), nodes=1, lost={}, rule=LATE_SLOTS)
    slipped = replan(first.changed([drain]), (), Instant(NOW)).book
    lease = slipped.leases[LeaseId("lea_1")]
    assert (lease.promised_start, lease.slipped_from, lease.owed) == (9000, 2000, 2000)
    plan = replan(slipped.changed([replace(drain, ends_at=drain.starts_at)]), (), Instant(1100))
    [move] = plan.moves
    assert (move.after.promised_start, move.after.slipped_from, move.regained_s) == (2000, None, 7000)
    assert move.after.starts_at == 1400


def test_what_slipped_twice_is_owed_its_first_promise():
    lease = replace(booked(n1=8), notice_s=300)
    drains = [
        Drain(id=f"d{end}", node=NodeId("n1"), starts_at=Instant(1200), ends_at=Instant(end)) for end in (3000, 9000)
    ]
    book = a_pool(lease, nodes=1, lost={})
    for drain in drains:
        book = replan(book.changed([drain]), (), NOW).book
    assert (book.leases[lease.id].promised_start, book.leases[lease.id].slipped_from) == (9000, 2000)
    [move] = moves(book.changed([replace(drains[1], ends_at=drains[1].starts_at)])).values()
    assert (move.after.promised_start, move.after.slipped_from) == (3000, 2000)


def test_who_waits_behind_one_that_is_back_at_its_time_is_moved_too():
    first = replace(booked("a", starts_at=9000, n1=8), start=Instant(2000), notice_s=300)
    others = [replace(booked(f"lea_{k}", starts_at=5000 + 100 * k, n1=8), asked_at=Instant(k + 1)) for k in range(2)]
    plan = replan(a_pool(first, *others, nodes=1, lost={}, rule=LATE_SLOTS), (), NOW)
    assert {move.after.id: move.after.starts_at for move in plan.moves} == {"a": 2000, "lea_0": 1000}
    assert replan(plan.book, (), Instant(1100)).book.leases[others[1].id].starts_at == 1100


def test_one_asked_for_a_time_that_is_moved_nearer_to_it_by_another_loss_is_promised_that():
    late = replace(booked("a", starts_at=3000, n1=8), start=Instant(2000), notice_s=0)
    pool = drained(a_pool(late, nodes=1, lost={}), "n1", 2950, 9000)
    [move] = moves(pool).values()
    assert (move.after.starts_at, move.after.promised_start, move.slipped_s) == (2000, 2000, 0)
