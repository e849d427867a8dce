"""A quote is what an ask gets at the latest that follows it within a second."""

import pytest

from scheduler.core.book import Book
from scheduler.core.decide import decide
from scheduler.core.model import Ask, Code, CompanyId, Instant, LeaseId, Promise, Queued, Refusal, Total, Verdict
from scheduler.core.quotes import quote
from tests.builders import HORIZON_S, a_lease, a_node, a_policy, an_ask

NOW = Instant(50)


def a_book(*busy_until: int, slack_ppm: int = 0, limit: int = 16) -> Book:
    """One node with 8 GPUs, and companies that may hold `limit`."""
    leases = [a_lease(f"lea_{k}", starts_at=0, duration_s=end, n1=8) for k, end in enumerate(busy_until)]
    policy = a_policy(gap_s=0, slack_ppm=slack_ppm)
    quotas = {CompanyId("acme"): limit}
    return Book.of(policy, [a_node("n1", 8)], leases, quotas)


def decided(book: Book, ask: Ask, at: int) -> Verdict:
    return decide(book, [(LeaseId("lea_new"), ask)], Instant(at)).verdicts[0]


def promised(verdict: Verdict) -> int:
    assert isinstance(verdict, Promise)
    return verdict.promised


def test_what_fits_now_is_quoted_a_second_later_and_starts_at_once_still():
    said = quote(a_book(), an_ask(), NOW)
    assert (promised(said), said.code) == (NOW + 1, Code.STARTS_NOW)


def test_what_fits_only_in_a_second_is_quoted_with_the_slack_that_it_gets_now():
    book, ask = a_book(51, slack_ppm=100_000), an_ask(duration_s=100)
    assert (promised(decided(book, ask, 50)), promised(decided(book, ask, 51))) == (61, 51)
    assert promised(quote(book, ask, NOW)) == 61


def test_what_waits_is_quoted_as_it_is_decided_now():
    book, ask = a_book(200), an_ask()
    assert quote(book, ask, NOW) == decided(book, ask, NOW)


@pytest.mark.parametrize(("start", "start_by"), [(50, None), (None, 50), (50, 50)])
def test_a_window_that_ends_now_is_quoted_by_what_fits_in_it(start: int | None, start_by: int | None):
    assert promised(quote(a_book(), an_ask(start=start, start_by=start_by), NOW)) == NOW


def test_a_start_that_is_asked_for_is_quoted_to_the_second():
    assert promised(quote(a_book(), an_ask(start=51), NOW)) == 51


def test_what_fits_in_the_horizon_only_a_second_later_is_not_promised():
    end = NOW + HORIZON_S - 100 + 1
    assert isinstance(decided(a_book(end), an_ask(), NOW + 1), Promise)
    assert isinstance(quote(a_book(end), an_ask(), NOW), Queued)
    refused = quote(a_book(end), an_ask(queue=False), NOW)
    assert isinstance(refused, Refusal)
    assert refused.numbers["free_gpus_now"] == 0


def test_what_is_never_had_is_refused_as_it_is_now():
    ask = an_ask(Total(gpus=9))
    assert quote(a_book(), ask, NOW) == decided(a_book(), ask, NOW)
