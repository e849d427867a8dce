"""dure ledger: entries, adding them up again, and adjusting an account."""

import json
from datetime import timedelta

import pytest

from dure import wire
from dure.client import LONGEST_SUM_S
from tests.unit.dure.answers import NOW, Api, a_balance, a_ledger_entry, page, problem
from tests.unit.dure.conftest import Run

LEDGER = ("GET", "/v1/ledger")
VERIFY = ("GET", "/v1/ledger/verify")
ADJUST = ("POST", "/v1/ledger/adjustments")
PERIOD = wire.LedgerPeriod(begins_at=NOW, ends_at=NOW + timedelta(days=7))


def a_check(*faults: wire.LedgerFault) -> wire.LedgerCheck:
    return wire.LedgerCheck(accounts=1, entries=3, leases=1, sums=a_balance(), faults=list(faults))


def an_adjustment() -> wire.LedgerEntry:
    return a_ledger_entry(
        4,
        kind="adjust",
        debit="source",
        credit="available",
        gpu_seconds=36_000,
        lease=None,
        cause="adjusted",
        actor="admin:tok_1",
        reason="a lost hour",
        after=a_balance(granted=36_800, available=36_000),
    )


def test_an_entry_says_from_where_to_where_and_what_is_left(api: Api, run: Run) -> None:
    api.on(*LEDGER, page(an_adjustment(), a_ledger_entry()))
    head, newest, oldest = run("ledger", "show", "acme", "h100-80gb").stdout.splitlines()[:3]
    assert head.split()[:5] == ["NO", "AT", "WHAT", "GPU-SECONDS", "GPU-HOURS"]
    for word in ("adjust", "36000", "10.00", "source", "available", "a lost hour", "admin:tok_1"):
        assert word in newest
    assert oldest.split()[-3:] == ["0", "800", "0"]
    assert "lea_1" in oldest


def test_on_a_narrow_screen_what_moved_stays(api: Api, run: Run, environ: dict[str, str]) -> None:
    environ["COLUMNS"] = "100"
    api.on(*LEDGER, page(a_ledger_entry()))
    shown = run("ledger", "show", "acme", "h100-80gb").stdout
    assert "WHO" not in shown
    assert all(word in shown for word in ("commit", "800", "source", "committed", "lea_1", "promised"))


def test_what_is_looked_for_is_asked_for_and_no_more_than_is_wanted(api: Api, run: Run) -> None:
    api.on(*LEDGER, page(*(a_ledger_entry(number) for number in (3, 2, 1))))
    line = (
        "ledger",
        "show",
        "acme",
        "h100-80gb",
        "--lease",
        "lea_1",
        "--since",
        "-1h",
        "--until",
        "now",
        "--limit",
        "2",
    )
    found = run("--json", *line)
    assert [one["number"] for one in json.loads(found.stdout)["items"]] == [3, 2]
    assert dict(api.seen[0].url.params) == {
        "company": "acme",
        "pool": "h100-80gb",
        "lease": "lea_1",
        "since": "2026-11-23T23:48:44Z",
        "until": "2026-11-24T00:48:44Z",
        "limit": "2",
    }


def test_nothing_of_that_kind_is_said(api: Api, run: Run) -> None:
    api.on(*LEDGER, page())
    assert run("ledger", "show", "acme", "h100-80gb").stdout.startswith("nothing was granted or committed")


def test_a_ledger_that_adds_up_is_said_with_its_sums(api: Api, run: Run) -> None:
    api.on(*VERIFY, a_check())
    found = run("ledger", "verify")
    assert found.exit_code == 0
    assert "the ledger adds up" in found.stdout
    assert api.seen[0].extensions["timeout"]["read"] == LONGEST_SUM_S
    assert "3 entries, 1 accounts, 1 leases" in found.stdout
    assert "800 GPU-seconds (0.22 GPU-hours)" in found.stdout
    assert run("ledger", "verify", "acme", "h100-80gb").exit_code == 0
    assert dict(api.seen[1].url.params) == {"company": "acme", "pool": "h100-80gb"}


@pytest.mark.parametrize("flag", [(), ("--json",)])
def test_what_does_not_add_up_is_named_and_the_exit_says_so(api: Api, run: Run, flag: tuple[str, ...]) -> None:
    fault = wire.LedgerFault(
        company="acme",
        pool="h100-80gb",
        period=PERIOD,
        number=2,
        lease="lea_1",
        detail="entry 2 says 801 GPU-seconds spent after it",
    )
    api.on(*VERIFY, a_check(fault))
    found = run(*flag, "ledger", "verify")
    assert found.exit_code == 1
    if flag:
        assert json.loads(found.stdout)["faults"][0]["number"] == 2
    else:
        words = " ".join(found.stdout.split())
        assert "does NOT add up" in words
        assert "acme/h100-80gb from Tue 2026-11-24 09:48" in words
        assert "entry 2 says 801 GPU-seconds spent" in words


@pytest.mark.parametrize(
    ("hours", "gpu_seconds"), [("+10", 36_000), ("10", 36_000), ("-2.5", -9000), ("0.25", 900), ("+0.001", None)]
)
def test_hours_are_given_and_taken_to_the_gpu_second(api: Api, run: Run, hours: str, gpu_seconds: int | None) -> None:
    api.on(*ADJUST, an_adjustment())
    found = run("ledger", "adjust", "acme", "h100-80gb", "--gpu-hours", hours, "--why", "a lost hour")
    if gpu_seconds is None:
        assert (found.exit_code, api.seen) == (2, [])
        assert "whole GPU-seconds" in found.stderr
        return
    sent = wire.LedgerAdjust.model_validate_json(api.seen[0].content)
    assert (found.exit_code, sent.gpu_seconds) == (0, gpu_seconds)
    assert api.seen[0].url.params["reason"] == "a lost hour"
    assert "4 of acme in h100-80gb" in found.stdout
    assert "adjusted: a lost hour" in found.stdout


@pytest.mark.parametrize("hours", ["0", "many", "nan", "inf", "1e99999", "99999999999999"])
def test_an_amount_that_is_none_is_not_sent(api: Api, run: Run, hours: str) -> None:
    found = run("ledger", "adjust", "acme", "h100-80gb", "--gpu-hours", hours, "--why", "so")
    assert (found.exit_code, api.seen) == (2, [])
    assert "--gpu-hours" in found.stderr


@pytest.mark.parametrize("said", [[], ["--why", ""], ["--why", "   "]])
def test_without_why_nothing_is_sent(api: Api, run: Run, said: list[str]) -> None:
    found = run("ledger", "adjust", "acme", "h100-80gb", "--gpu-hours", "+10", *said)
    assert (found.exit_code, api.seen) == (2, [])
    assert found.stderr.startswith("error: --why: say why: it stays in the ledger")


def test_more_than_there_is_is_a_conflict_with_the_numbers(api: Api, run: Run) -> None:
    api.on(*ADJUST, problem("overdrawn", 409, "acme has 60 available.", numbers={"available_gpu_seconds": 60}))
    found = run("ledger", "adjust", "acme", "h100-80gb", "--gpu-hours", "-10", "--why", "so")
    assert found.exit_code == 8
    assert "60" in found.stderr
