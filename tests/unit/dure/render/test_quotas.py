"""Quotas on a screen."""

from dataclasses import replace

import pytest

from dure import wire
from dure.render import quotas
from tests.unit.dure.answers import a_beyond, a_budget, a_change, a_period, a_quota, an_import
from tests.unit.dure.screen import SEOUL, text


def facts(shown: str) -> dict[str, str]:
    """The first lines of one quota: what, and how much."""
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in shown.split("\n\n", maxsplit=1)[0].splitlines()}


def test_a_quota_says_what_it_limits_and_what_stands_against_it() -> None:
    found = a_quota(
        longest_s=259_200,
        furthest_s=86_400,
        ahead_gpu_seconds=36_000,
        open_asks=5,
        budget=a_budget(carries_over=True, zone="Asia/Seoul"),
        periods=[a_period(), a_period(spent=0, booked=7_203_600)],
    )
    shown = text(quotas.quota(found, SEOUL))
    assert facts(shown) == {
        "company": "acme",
        "pool": "h100-80gb",
        "quota": "16 GPUs at once",
        "held": "now  8 GPUs",
        "booked": "at most 12 GPUs at any instant",
        "longest": "3d a lease",
        "furthest": "starts within 1d",
        "ahead": "4.00 of 10.00 GPU-hours booked that have not started",
        "open": "1 of 5 asks",
        "budget": "2000h/month, in Asia/Seoul, what a period leaves is carried over",
    }
    first, second = (line.split() for line in shown.splitlines()[-2:])
    assert first == ["1", "Nov", "00:00", "1", "Dec", "00:00", "2,000.00", "1.00", "2.00", "1,997.00"]
    assert second[-1] == "-1.00", "what a lowered budget has less than is booked"


def test_what_is_not_limited_is_not_shown() -> None:
    assert set(facts(text(quotas.quota(a_quota(), SEOUL)))) == {"company", "pool", "quota", "held", "booked"}


def test_one_that_follows_the_pools_default_says_so() -> None:
    assert facts(text(quotas.quota(a_quota(of_default=True), SEOUL)))["quota"].endswith("the default of the pool")
    assert "16 (default)" in text(quotas.quotas([a_quota(of_default=True)], SEOUL))


def test_where_no_default_opens_a_pool_it_is_closed() -> None:
    shut = a_quota(of_default=True, gpus=0)
    assert facts(text(quotas.quota(shut, SEOUL)))["quota"].startswith("closed: none of its own")
    assert text(quotas.quotas([shut], SEOUL)).splitlines()[1].split()[1] == "closed"


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("gpus", "GPUs at once"),
        ("longest_s", "longest lease"),
        ("furthest_s", "furthest start"),
        ("ahead_gpu_seconds", "GPU-hours booked ahead"),
        ("open_asks", "open asks"),
        ("budget", "budget"),
    ],
)
def test_each_promise_beyond_it_is_named_with_the_limit_and_when_it_is(limit: str, said: str) -> None:
    shown = text(quotas.quota(a_quota(beyond=[a_beyond("lea_1", limit)]), SEOUL))
    head, _, row = shown.splitlines()[-3:]
    assert head == "promises beyond it, which are kept; --revoke takes them back:"
    assert row.split() == ["lea_1", "8", "24", "Nov", "10:48:44", "24", "Nov", "11:48:44", *said.split()]


def test_a_dry_run_says_that_nothing_was_changed() -> None:
    shown = text(quotas.quota(a_quota(beyond=[a_beyond()]), SEOUL, dry_run=True))
    assert shown.startswith("this is what would be so; nothing was changed\n")
    assert "which would be kept" in shown


def test_a_dry_run_with_revoke_says_what_would_be_taken_back() -> None:
    of_one = text(quotas.quota(a_quota(beyond=[a_beyond()]), SEOUL, dry_run=True, revoke=True))
    of_many = text(quotas.imported(an_import(a_change(beyond=[a_beyond()])), SEOUL, dry_run=True, revoke=True))
    for shown in (of_one, of_many):
        assert "promises beyond it, which would be taken back:" in shown
        assert "kept" not in shown


def test_what_was_taken_back_is_named() -> None:
    shown = text(quotas.quota(a_quota(revoked=["lea_1", "lea_2"]), SEOUL))
    assert shown.splitlines()[-1] == "taken back: lea_1, lea_2"


def test_an_import_says_before_and_after_and_how_many_promises_are_beyond_it() -> None:
    first = a_change(None, before=None, after=wire.QuotaSet(gpus=4, longest_s=3600))
    budget = a_budget(zone="Asia/Seoul")
    second = a_change(after=wire.QuotaSet(gpus=8, budget=budget), beyond=[a_beyond("lea_1"), a_beyond("lea_2")])
    shown = text(quotas.imported(an_import(first, second, same=3), SEOUL, dry_run=False)).splitlines()
    assert shown[0] == "2 quotas are different, 3 as before"
    assert shown[2].split("  ")[0] == "(default)"
    assert shown[2].endswith("4 GPUs, longest 1h  0") or shown[2].split()[-1] == "0"
    assert "16 GPUs" in shown[3]
    assert "8 GPUs, budget 2000h/month, carry over no, zone Asia/Seoul" in shown[3]
    assert shown[3].split()[-1] == "2"
    assert [line.split()[0] for line in shown[-2:]] == ["lea_1", "lea_2"]


def test_what_an_import_took_back_is_no_longer_beyond_it() -> None:
    found = an_import(a_change(beyond=[a_beyond("lea_1"), a_beyond("lea_2")]), revoked=["lea_1"])
    shown = text(quotas.imported(found, SEOUL, dry_run=False)).splitlines()
    assert "taken back: lea_1" in shown
    assert [line.split()[0] for line in shown[-1:]] == ["lea_2"]


def test_an_import_that_changes_nothing_says_so() -> None:
    assert text(quotas.imported(an_import(same=7), SEOUL, dry_run=True)) == "0 quotas would be different, 7 as before"


def test_a_narrow_screen_keeps_what_is_left_and_drops_further_limits() -> None:
    found = a_quota(budget=a_budget(), periods=[a_period()], longest_s=3600, open_asks=5, ahead_gpu_seconds=36_000)
    shown = text(quotas.quotas([found], replace(SEOUL, width=80)), replace(SEOUL, width=80))
    assert max(map(len, shown.splitlines())) <= 80
    assert "1,997.00" in shown
