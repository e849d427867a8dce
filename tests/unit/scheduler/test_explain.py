from collections.abc import Sequence

import pytest

from scheduler.core.book import Book
from scheduler.core.decide import decide
from scheduler.core.explain import placed, sentence, wire_numbers
from scheduler.core.model import (
    Ask,
    Code,
    Drain,
    Gang,
    Instant,
    LeaseId,
    NodeId,
    Placement,
    Purpose,
    Refusal,
    Shape,
    State,
    Total,
)
from tests.builders import a_book, a_lease, a_node, a_placement, a_policy, an_ask, at_its_time

NOW = Instant(1_700_000_000)  # 2023-11-14T22:13:20Z
HOUR = 3600
TWO = Gang(nodes=2, gpus_per_node=8)


def told(
    ask: Ask,
    *,
    quota: int = 16,
    theirs: int = 0,
    ours: int = 0,
    until: int = 2 * HOUR,
    nodes: int = 2,
    silent: Sequence[str] = (),
    drained: str = "",
) -> str:
    """What an ask is told at NOW, beside somebody else's GPUs on n1 and its company's own on n2, both until then.

    A node that is `drained` is so for 100 s from a minute on.
    """
    leases = [
        a_lease(company, company=company, starts_at=NOW - HOUR, duration_s=HOUR + until, state=State.ACTIVE, **taken)
        for company, taken in (("bolt", {"n1": theirs}), ("acme", {"n2": ours}))
        if any(taken.values())
    ]
    book = a_book(*leases, nodes=nodes, horizon_s=86_400, gap_s=60, quota=quota)
    drain = Drain(id="drn", node=NodeId(drained), starts_at=Instant(NOW + 60), ends_at=Instant(NOW + 160))
    book = book.changed([*(a_node(node, open=False) for node in silent), *([drain] if drained else [])])
    return sentence(decide(book, [(LeaseId("lea_new"), ask)], NOW).verdicts[0], ask)


def an_hour(shape: Gang | Total, *, start_in: int | None = None, by: int | None = None, queue: bool = True) -> Ask:
    start = None if start_in is None else NOW + start_in
    return an_ask(shape, duration_s=HOUR, start=start, start_by=None if by is None else NOW + by, queue=queue)


@pytest.mark.parametrize(
    ("got", "want"),
    [
        pytest.param(
            told(an_hour(Total(gpus=4))),
            "4 GPUs on 1 node from now, 2023-11-14T22:13:20Z, until 2023-11-14T23:13:20Z.",
            id="starts now",
        ),
        pytest.param(
            told(an_hour(TWO, start_in=2 * HOUR)),
            "2 nodes x 8 GPUs from 2023-11-15T00:13:20Z, as asked, until 2023-11-15T01:13:20Z.",
            id="starts as asked",
        ),
        pytest.param(
            told(an_hour(TWO), theirs=1),
            "2 nodes x 8 GPUs from 2023-11-15T00:14:20Z at the latest, in 2 h 1 min, until 2023-11-15T01:14:20Z; "
            "before that, too much of pool h100-80gb is leased or booked for part of that time (15 of 16 GPUs free now).",
            id="starts when the pool has room",
        ),
        pytest.param(
            told(an_hour(Total(gpus=8)), ours=1, quota=8),
            "8 GPUs on 1 node from 2023-11-15T00:13:20Z at the latest, in 2 h, until 2023-11-15T01:13:20Z; "
            "before that, acme's quota of 8 GPUs is taken, for part of that time, by leases it holds or has booked "
            "(1 held now).",
            id="starts when the quota has room",
        ),
        pytest.param(
            told(an_hour(TWO), theirs=8, until=86_400),
            "Queued: no start within the booking horizon fits 2 nodes x 8 GPUs for 1 h, because too much of pool h100-80gb "
            "is leased or booked for part of that time (8 of 16 GPUs free now); as things are, it would fit at 2023-11-15T22:14:20Z if nobody waited before it; it is decided again whenever a lease ends, so wait, or cancel it and ask for less.",
            id="waits for capacity",
        ),
        pytest.param(
            told(an_hour(TWO, start_in=0), silent=("n2",)),
            "Queued: no start at 2023-11-14T22:13:20Z fits 2 nodes x 8 GPUs for 1 h, because too much of pool h100-80gb is out of service, "
            "leased or booked for part of that time (8 of 16 GPUs free now; 8 out of service for part of it, on n2); as things are, no start is in sight; "
            "it is decided again whenever a lease ends or a node is back, so wait, or cancel it and ask for less.",
            id="waits for a node that is silent",
        ),
        pytest.param(
            told(an_hour(Total(gpus=8), start_in=60, queue=False), theirs=8, drained="n2"),
            "No start at 2023-11-14T22:14:20Z fits 8 GPUs for 1 h, because too much of pool h100-80gb is out of service, leased or "
            "booked for part of that time (8 of 16 GPUs free now; 8 out of service for part of it, on n2): start it at "
            "2023-11-14T22:16:00Z, or let it wait in the queue.",
            id="no start while a node is drained",
        ),
        pytest.param(
            told(an_hour(TWO), theirs=8, silent=("n2",), nodes=3),
            "2 nodes x 8 GPUs from 2023-11-15T00:14:20Z at the latest, in 2 h 1 min, until 2023-11-15T01:14:20Z; before that, too "
            "much of pool h100-80gb is out of service, leased or booked for part of that time (8 of 24 GPUs free now; 8 out of service for part of it, on n2).",
            id="starts when the pool has room, a node of which is silent",
        ),
        pytest.param(
            told(
                an_hour(Gang(nodes=7, gpus_per_node=8)),
                theirs=1,
                silent=("n2", "n3", "n4", "n5", "n6", "n7"),
                nodes=8,
                quota=64,
            ),
            "Queued: no start within the booking horizon fits 7 nodes x 8 GPUs for 1 h, because too much of pool h100-80gb is "
            "out of service, leased or booked for part of that time (15 of 64 GPUs free now; 48 out of service for part of it, on n2, n3, n4, n5 and 2 more); as things "
            "are, no start is in sight; it is decided again whenever a lease ends or a node is back, so wait, or cancel it and "
            "ask for less.",
            id="waits for more nodes than are named",
        ),
        pytest.param(
            told(an_hour(Total(gpus=8), by=60), ours=2, quota=8),
            "Queued: no start up to 2023-11-14T22:14:20Z fits 8 GPUs for 1 h, because acme's quota of 8 GPUs is taken, "
            "for part of that time, by leases it holds or has booked (2 held now); as things are, no start is in sight; it is decided again whenever a lease ends, so wait, or cancel it and ask for less.",
            id="waits for quota",
        ),
        pytest.param(
            told(an_hour(TWO, start_in=60, by=120, queue=False), theirs=8),
            "No start between 2023-11-14T22:14:20Z and 2023-11-14T22:15:20Z fits 2 nodes x 8 GPUs for 1 h, because too much "
            "of pool h100-80gb is leased or booked for part of that time (8 of 16 GPUs free now): start it at 2023-11-15T00:14:20Z, or ask for at most 1 node x "
            "8 GPUs then, or let it wait in the queue.",
            id="no start, but later or smaller",
        ),
        pytest.param(
            told(an_hour(TWO), quota=12, ours=3),
            "acme's quota of 12 GPUs in pool h100-80gb, of which it holds 3 now, is less than 2 nodes x 8 GPUs: ask for at "
            "most 1 node x 8 GPUs (from 2023-11-14T22:13:20Z), or have an admin raise the quota.",
            id="more than the quota",
        ),
        pytest.param(
            told(an_hour(TWO), quota=4),
            "acme's quota of 4 GPUs in pool h100-80gb, of which it holds 0 now, is less than 2 nodes x 8 GPUs: ask for "
            "fewer GPUs on each node (from 2023-11-14T22:13:20Z), or have an admin raise the quota.",
            id="more on a node than the quota",
        ),
        pytest.param(
            told(an_hour(Total(gpus=1)), quota=0),
            "acme's quota of 0 GPUs in pool h100-80gb, of which it holds 0 now, is less than 1 GPU: have an admin raise the "
            "quota.",
            id="no quota",
        ),
        pytest.param(
            told(an_hour(Total(gpus=17)), quota=99),
            "Pool h100-80gb never holds 17 GPUs: it has 16 GPUs on 2 nodes, so ask for at most 16 GPUs (from 2023-11-14T22:13:20Z).",
            id="more than the pool",
        ),
        pytest.param(
            told(an_hour(Total(gpus=17)), quota=99, theirs=4),
            "Pool h100-80gb never holds 17 GPUs: it has 16 GPUs on 2 nodes, so ask for at most 16 GPUs (from "
            "2023-11-15T00:14:20Z; 12 GPUs at the start of the window).",
            id="more than the pool, which is not free",
        ),
        pytest.param(
            told(an_hour(Gang(nodes=3, gpus_per_node=8)), quota=99),
            "Pool h100-80gb never holds 3 nodes x 8 GPUs: it has 16 GPUs on 2 nodes, so ask for at most 2 nodes x 8 GPUs (from 2023-11-14T22:13:20Z).",
            id="more nodes than the pool",
        ),
        pytest.param(
            told(an_hour(Gang(nodes=1, gpus_per_node=16)), quota=99),
            "Pool h100-80gb never holds 1 node x 16 GPUs: it has 16 GPUs on 2 nodes, at most 8 on one, so ask for at "
            "most 8 on each (from 2023-11-14T22:13:20Z).",
            id="more on a node than any has",
        ),
        pytest.param(
            told(an_hour(Gang(nodes=1, gpus_per_node=16)), quota=4),
            "Pool h100-80gb never holds 1 node x 16 GPUs: it has 16 GPUs on 2 nodes, at most 8 on one, so ask for at "
            "most 4 on each (from 2023-11-14T22:13:20Z).",
            id="more on a node than any has, or the quota",
        ),
        pytest.param(
            told(an_hour(Total(gpus=17)), quota=0),
            "Pool h100-80gb never holds 17 GPUs: it has 16 GPUs on 2 nodes, so have an admin set a quota for acme, and "
            "ask for less.",
            id="more than the pool, and no quota",
        ),
        pytest.param(
            told(an_hour(Total(gpus=1)), quota=99, nodes=0),
            "Pool h100-80gb never holds 1 GPU: it has 0 GPUs on 0 nodes, so ask in another pool.",
            id="an empty pool",
        ),
    ],
)
def test_a_verdict_in_one_sentence(got: str, want: str):
    assert got == want


def full_until(later: int, *, slack_ppm: int) -> Book:
    """One node, leased to somebody else."""
    running = a_lease(company="bolt", starts_at=NOW - HOUR, duration_s=HOUR + later, state=State.ACTIVE, n1=8)
    return a_book(running, policy=a_policy(horizon_s=86_400, gap_s=0, slack_ppm=slack_ppm))


def sentence_in(book: Book, ask: Ask) -> str:
    return sentence(decide(book, [(LeaseId("lea_new"), ask)], NOW).verdicts[0], ask)


def test_a_promise_with_slack_says_the_latest_the_booked_and_the_expected_start():
    """10 % of the hour later than the earliest start, when the node is free, is the latest; all of it is free by then."""
    assert sentence_in(full_until(2 * HOUR, slack_ppm=100_000), an_hour(Total(gpus=8))) == (
        "8 GPUs on 1 node for 1 h from 2023-11-15T00:19:20Z at the latest, in 2 h 6 min; booked from 2023-11-15T00:19:20Z "
        "until 2023-11-15T01:19:20Z, and expected at 2023-11-15T00:13:20Z; before that, too much of pool h100-80gb is leased "
        "or booked for part of that time (0 of 8 GPUs free now)."
    )


def test_what_only_its_window_keeps_waiting_is_not_told_that_something_is_full():
    book = a_book(policy=a_policy(horizon_s=86_400, gap_s=0, slack_ppm=100_000))
    assert sentence_in(book, an_hour(Total(gpus=8), start_in=HOUR, by=2 * HOUR)) == (
        "8 GPUs on 1 node for 1 h from 2023-11-14T23:19:20Z at the latest, in 1 h 6 min; booked from 2023-11-14T23:19:20Z "
        "until 2023-11-15T00:19:20Z, and expected at 2023-11-14T23:13:20Z."
    )


def test_a_start_as_asked_that_may_yet_be_later_does_not_claim_to_be_as_asked():
    """Only the window's first second fits, and the promise is for the last that the slack allows."""
    later = a_lease(company="bolt", starts_at=NOW + 2 * HOUR, duration_s=HOUR, n1=8)
    book = a_book(later, policy=a_policy(horizon_s=86_400, gap_s=0, slack_ppm=100_000))
    assert sentence_in(book, an_hour(Total(gpus=8), start_in=HOUR, by=2 * HOUR)) == (
        "8 GPUs on 1 node for 1 h from 2023-11-14T23:19:20Z at the latest, in 1 h 6 min; booked from 2023-11-14T23:13:20Z "
        "until 2023-11-15T00:13:20Z, and expected at 2023-11-14T23:13:20Z."
    )


def test_a_lease_that_would_fit_if_it_were_shorter_is_told_how_long():
    ask = an_hour(Total(gpus=8), start_in=0, queue=False)
    booked = at_its_time(a_lease(company="bolt", starts_at=NOW + 1830, duration_s=HOUR, n1=8))
    book = a_book(booked, horizon_s=86_400, gap_s=60, quota=8)
    [verdict] = decide(book, [(LeaseId("lea_new"), ask)], NOW).verdicts
    assert "or ask for at most 29 min 30 s then" in sentence(verdict, ask)


def test_instants_among_the_numbers_become_times_and_the_rest_stays():
    refusal = Refusal(
        code=Code.NO_START_IN_WINDOW,
        numbers={"earliest_start": NOW, "asked_gpus": 8, "waits_for": "quota", "longest_s_now": 60},
    )
    assert wire_numbers(refusal) == {
        "earliest_start": "2023-11-14T22:13:20Z",
        "asked_gpus": 8,
        "waits_for": "quota",
        "longest_s_now": 60,
    }


@pytest.mark.parametrize(
    ("shape", "purpose", "placement", "says"),
    [
        pytest.param(
            Total(gpus=3),
            Purpose.TRAINING,
            a_placement(n2=3),
            "On n2, where it strands the fewest GPUs for the sizes that this pool is asked for, then where something else ends with it.",
            id="one node",
        ),
        pytest.param(
            Gang(nodes=2, gpus_per_node=8),
            Purpose.TRAINING,
            a_placement(n1=8, n2=8),
            "On n1, n2: on as few racks and islands as hold it, there where it strands the fewest GPUs",
            id="a gang",
        ),
        pytest.param(
            Total(gpus=11),
            Purpose.TRAINING,
            a_placement(n1=8, n2=3),
            "On n1, n2: no node held all of it, so",
            id="a total",
        ),
        pytest.param(
            Gang(nodes=5, gpus_per_node=1),
            Purpose.INFERENCE,
            a_placement(n1=1, n2=1, n3=1, n4=1, n5=1),
            "On 5 nodes: the emptiest nodes",
            id="inference",
        ),
    ],
)
def test_why_a_lease_is_on_its_nodes(shape: Shape, purpose: Purpose, placement: Placement, says: str) -> None:
    assert placed(shape, purpose, placement).startswith(says)


def test_a_largest_shape_that_is_nothing_is_not_said():
    numbers = {"nodes": 2, "largest_gpus_per_node": 8, "largest_gang_nodes": 0, "largest_gpus": 0, "held_gpus": 0}
    said = wire_numbers(Refusal(code=Code.NEVER_FITS, numbers=numbers))
    assert said == {"nodes": 2, "largest_gpus_per_node": 8, "held_gpus": 0}
