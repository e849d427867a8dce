"""Moves, plans, other pools and what-ifs in words."""

from dataclasses import replace

import pytest

from scheduler.core import sentences
from scheduler.core.elsewhere import Option
from scheduler.core.hindsight import Hindsight
from scheduler.core.lease import advance
from scheduler.core.model import Cause, Code, CompanyId, Instant, LeaseId, PoolId, Promise, Queued, Refusal, State
from scheduler.core.replan import Move, Plan
from scheduler.core.whatif import Change, Difference, Live, Outlook
from tests.builders import a_book, a_lease, a_promise

LEASE = a_lease(starts_at=1000)


DRAINED = {"node": "n1", "drain": "drn_1", "drain_starts_at": "C", "drain_ends_at": "D"}


def a_move(by_s: int = 0, cause: Cause = Cause.EARLIER, **more: object) -> Move:
    after = replace(LEASE, starts_at=Instant(1000 + by_s), **more)  # pyright: ignore[reportArgumentType]
    return Move(before=LEASE, after=after, cause=cause)


def a_plan(*moves: Move, pulled: int = 0, left: int = 0) -> Plan:
    return Plan(
        book=a_book(),
        moves=moves,
        pulled={LeaseId(f"p{k}"): a_promise() for k in range(pulled)},
        left={LeaseId(f"l{k}"): Queued(code=Code.WAITS_FOR_QUOTA) for k in range(left)},
    )


SLIPPED = a_move(300, Cause.CAPACITY_LOST, promised_start=Instant(1300))
DROPPED = Move(
    before=LEASE,
    after=advance(LEASE, State.QUEUED, Cause.CAPACITY_LOST, Instant(0)),
    cause=Cause.CAPACITY_LOST,
)


@pytest.mark.parametrize(
    ("plan", "want"),
    [
        pytest.param(a_plan(a_move(-10)), "Planned again: 1 lease starts earlier.", id="one earlier"),
        pytest.param(
            a_plan(a_move(-10), a_move(-20), pulled=1, left=3),
            "Planned again: 2 leases start earlier, 1 queued ask was promised a start, 3 asks stay in the queue.",
            id="room appeared",
        ),
        pytest.param(
            a_plan(a_move(0, Cause.DRAIN)),
            "Planned again: 1 lease is placed on other nodes at the same start (because a node that it was placed on is "
            "taken out of service).",
            id="a drain",
        ),
        pytest.param(
            a_plan(a_move(60, Cause.DRAIN, promised_start=Instant(1000))),
            "Planned again: 1 lease starts later, by its promise still (because a node that it was placed on is taken out "
            "of service).",
            id="later, within the promise",
        ),
        pytest.param(
            a_plan(SLIPPED, DROPPED),
            "Planned again: 1 lease starts later than promised, 1 lease waits in the queue again (because a GPU or node "
            "that it was placed on is gone, sick or not proved empty).",
            id="capacity lost",
        ),
    ],
)
def test_a_plan_is_one_sentence(plan: Plan, want: str) -> None:
    assert sentences.plan(plan) == want


@pytest.mark.parametrize(
    ("event", "cause", "detail", "want"),
    [
        ("active", "started", {"late_ms": 700, "late_cause": None}, "It started in time."),
        (
            "active",
            "started",
            {"late_ms": 65_000, "late_cause": "node_unknown"},
            "It started 1 min 5 s after its promise (node unknown).",
        ),
        (
            "moved",
            "earlier",
            {"starts_at_before": "2026-11-24T02:00:00Z", "starts_at": "2026-11-24T01:00:00Z"},
            (
                "Its start was moved earlier, from 2026-11-24T02:00:00Z to 2026-11-24T01:00:00Z, because room appeared beside "
                "everybody else's slot."
            ),
        ),
        (
            "moved",
            "made_way",
            {"starts_at_before": "T", "starts_at": "T", "placement_before": "n1 (8)", "placement": "n2 (8)"},
            "It was placed on n2 (8) instead of n1 (8), at the same start, because another lease needed those nodes, to be extended or to keep its start.",
        ),
        (
            "slipped",
            "drain",
            {"starts_at_before": "A", "starts_at": "B", "promised_start": "B", "slipped_s": 90},
            (
                "Its start was moved from A to B and its promise slipped by 1 min 30 s, to B, because a node that it was placed "
                "on is taken out of service."
            ),
        ),
        (
            "queued",
            "capacity_lost",
            {"starts_at_before": "A", "starts_at": None},
            (
                "It waits in the queue again, without a promise, because a GPU or node that it was placed on is gone, sick or "
                "not proved empty."
            ),
        ),
        (
            "slipped",
            "drain",
            {
                "starts_at_before": "A",
                "starts_at": "B",
                "promised_start": "B",
                "slipped_s": 90,
                **DRAINED,
                "reason": "firmware",
            },
            (
                "Its start was moved from A to B and its promise slipped by 1 min 30 s, to B, because n1 is drained from C to D: "
                "firmware."
            ),
        ),
        (
            "queued",
            "drain",
            {"starts_at_before": "A", "starts_at": None, **DRAINED, "reason": None},
            "It waits in the queue again, without a promise, because n1 is drained from C to D.",
        ),
        (
            "queued",
            "capacity_lost",
            {"starts_at_before": "A", "starts_at": None, "node": "n1", "lost": "gpu_gone", "lost_gpus": 2},
            "It waits in the queue again, without a promise, because a GPU of n1 is gone.",
        ),
        (
            "queued",
            "capacity_lost",
            {"starts_at_before": "A", "starts_at": None, "node": "n1", "lost": None, "lost_gpus": None},
            "It waits in the queue again, without a promise, because n1 cannot give all that it was placed on there.",
        ),
        (
            "start_delayed",
            "gpu_not_empty",
            {"node": "n1"},
            "Its start waits, because a GPU of n1 is not proved empty.",
        ),
        (
            "start_delayed",
            "capacity_lost",
            {},
            "Its start waits, because a GPU or node that it was placed on is gone, sick or not proved empty.",
        ),
        (
            "extended",
            "extended",
            {"ends_at_before": "A", "ends_at": "B"},
            "It was extended: it ended at A, and ends at B now.",
        ),
        (
            "degraded",
            "gpu_unhealthy",
            {"node": "N1", "lost_gpus": 2, "refunded_gpus": 8},
            "2 of its GPUs are lost, and 8 refunded until they are back: they are unhealthy on node N1.",
        ),
        (
            "degraded",
            "node_unknown",
            {"node": "n1", "lost_gpus": 2, "refunded_gpus": 2},
            "2 of its GPUs are lost, and 2 refunded, if nothing more is heard of them: node n1 is silent.",
        ),
        (
            "healed",
            "node_unknown",
            {"node": "n1", "lost_gpus": 0, "refunded_gpus": 0},
            "It had all of its GPUs again: node n1 was only silent, so nothing was lost.",
        ),
        ("ended", "released", {}, "It ended: its company released it."),
        ("ends_soon", None, {"in_s": 900}, "Its company was told that it ends in 15 min."),
        ("something_new", "for_a_reason", {}, "Something new (for a reason)."),
    ],
)
def test_whatever_happened_to_a_lease_is_said(
    event: str, cause: str | None, detail: dict[str, int | str | None], want: str
) -> None:
    assert sentences.happened(event, cause, detail) == want


def an_option(pool: str, verdict: Promise | Refusal) -> Option:
    return Option(pool=PoolId(pool), verdict=verdict, generation=1, digest="")


def test_only_pools_that_would_grant_are_named() -> None:
    now = replace(a_promise(0), code=Code.STARTS_NOW)
    refused = Refusal(code=Code.NEVER_FITS)
    assert sentences.elsewhere([an_option("a", refused)]) == ""
    assert sentences.elsewhere([an_option("a", now), an_option("b", refused), an_option("c", a_promise(60))]) == (
        "It would be granted now in pool a (from now) or pool c (from 1970-01-01T00:01:00Z at the latest)."
    )


def a_difference(change: Change, by_s: int | None = None) -> Difference:
    outlook = Outlook(state=State.SCHEDULED)
    return Difference(
        lease=LeaseId("l"), company=CompanyId("acme"), gpus=1, before=outlook, after=outlook, change=change, by_s=by_s
    )


def test_what_would_be_different_now_is_counted() -> None:
    waiting = (a_difference(Change.SAME), a_difference(Change.EARLIER, -60), a_difference(Change.LATER, 30))
    found = Live(waiting=waiting, refused=(a_difference(Change.GRANTED),), struck=(LeaseId("r"),))
    assert sentences.live(found) == (
        "Of 3 leases that wait, 2 would stand differently: 1 earlier (by 1 min together), 1 later (by 30 s together). 1 ask "
        "refused in the last days would be promised a start if asked again. 1 lease runs on a node that would be gone."
    )


@pytest.mark.parametrize(
    ("unlike", "want"),
    [
        ((), "With nothing changed, all 7 decisions come out as they did."),
        (
            ("dec_1",),
            (
                "The history itself is not what it is compared with: with nothing changed, 1 of 7 decisions come out "
                "differently, first dec_1."
            ),
        ),
    ],
)
def test_a_past_says_what_the_comparison_is_worth(unlike: tuple[str, ...], want: str) -> None:
    found = Hindsight(leases=(a_difference(Change.SAME),), decisions=7, unlike=unlike, struck=(), reached=Instant(0))
    assert sentences.hindsight(found) == f"Nothing would be different for 1 lease that was asked or waited then. {want}"


def test_a_past_says_how_many_ran_on_a_node_that_would_have_been_gone() -> None:
    struck = (LeaseId("a"), LeaseId("b"))
    found = Hindsight(leases=(), decisions=1, unlike=(), struck=struck, reached=Instant(0))
    assert " 2 leases ran on a node that would have been gone. With nothing changed," in sentences.hindsight(found)
