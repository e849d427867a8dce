"""The pool as it is beside the pool as it would be."""

from dataclasses import replace

import pytest

from scheduler.core.model import CompanyId, Instant, LeaseId, NodeId, State, Total
from scheduler.core.whatif import Change, Changes, Live, live, totals
from tests.builders import a_book, a_lease, a_node, a_policy, an_ask

NOW = Instant(50)
ACME, BOLT = CompanyId("acme"), CompanyId("bolt")
RUNS = a_lease("lea_runs", state=State.ACTIVE, starts_at=0, duration_s=1000, n1=8)
WAITS = a_lease("lea_waits", starts_at=1010, duration_s=100, n1=8)


def stands(found: Live) -> dict[str, tuple[str, int | None]]:
    return {one.lease: (one.change.value, one.by_s) for one in found.waiting}


def test_a_change_of_nothing_is_no_difference() -> None:
    found = live(a_book(RUNS, WAITS), [(LeaseId("lea_q"), an_ask(start_by=60), NOW)], [], Changes(), NOW)
    assert stands(found) == {"lea_waits": ("same", None), "lea_q": ("same", None)}


def test_a_node_more_starts_what_waits_and_grants_what_is_queued() -> None:
    queue = [(LeaseId("lea_q"), an_ask(Total(gpus=8), start_by=60, company="bolt"), NOW)]
    two = Changes(added=(a_node("+1"), a_node("+2")))
    waits = replace(WAITS, notice_s=0)
    assert stands(live(a_book(RUNS, waits), queue, [], two, NOW)) == {
        "lea_waits": ("earlier", -960),
        "lea_q": ("granted", None),
    }


def test_a_node_less_breaks_what_cannot_be_kept_and_names_what_runs_there() -> None:
    book = a_book(RUNS, replace(a_lease("lea_then", starts_at=200, n2=8), start=Instant(200)), nodes=2)
    found = live(book, [], [], Changes(removed=(NodeId("n1"),)), NOW)
    assert (stands(found), found.struck) == ({"lea_then": ("same", None)}, ("lea_runs",))
    found = live(book, [], [], Changes(removed=(NodeId("n2"),)), NOW)
    assert (stands(found), found.struck) == ({"lea_then": ("later", 810)}, ())


def test_a_refusal_that_would_be_a_promise_is_named_and_one_that_would_be_already_is_not() -> None:
    refused = [
        (LeaseId("lea_large"), an_ask(Total(gpus=24))),
        (LeaseId("lea_small"), an_ask(Total(gpus=1))),
        (LeaseId("lea_huge"), an_ask(Total(gpus=99))),
    ]
    changes = Changes(quotas={ACME: 24}, added=(a_node("+1"), a_node("+2")))
    found = live(a_book(), [], refused, changes, NOW)
    assert [(one.lease, one.change) for one in found.refused] == [("lea_large", Change.GRANTED)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param(Changes(), False, id="nothing"),
        pytest.param(Changes(quotas={ACME: 0}), True, id="a quota"),
        pytest.param(Changes(policy=a_policy()), True, id="a policy"),
        pytest.param(Changes(removed=(NodeId("n1"),)), True, id="a node"),
    ],
)
def test_changes_say_whether_there_are_any(changes: Changes, said: bool) -> None:
    assert bool(changes) is said


def test_the_book_that_is_asked_about_is_not_changed() -> None:
    book = a_book(RUNS, WAITS)
    before = book.digest(NOW)
    live(book, [], [], Changes(quotas={ACME: 1}, added=(a_node("+1"),), removed=(NodeId("n1"),)), NOW)
    assert book.digest(NOW) == before


def test_totals_count_every_change_and_add_up_seconds() -> None:
    book = a_book(RUNS, replace(WAITS, notice_s=0))
    found = live(book, [(LeaseId("lea_q"), an_ask(start_by=60), NOW)], [], Changes(added=(a_node("+1"),)), NOW)
    numbers = totals(found.waiting)
    assert sum(numbers[change.value] for change in Change) == len(found.waiting) == 2
    assert (numbers["earlier"], numbers["earlier_s"], numbers["later_s"]) == (1, 960, 0)
