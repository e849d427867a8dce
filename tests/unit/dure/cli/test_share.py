"""dure share and dure fair: what is sent, and what is shown of what comes back."""

import json
from typing import Any

import pytest

from dure import wire
from tests.unit.dure.answers import Api
from tests.unit.dure.conftest import Run

SHARE = {"company": "acme", "pool": "h100", "shares": 3, "group": "seed"}
ONE = {
    "company": "acme",
    "group": "seed",
    "shares": 3,
    "part_ppm": 250_000,
    "share_gpus": 6,
    "held_gpus": 4,
    "queued": 2,
    "used_gpu_seconds": 7200,
    "entitled_gpu_seconds": 3600,
    "beyond_gpu_seconds": 3600,
    "rank": 1,
    "why": "acme is number 1 of 1.",
}
FAIR: dict[str, Any] = {
    "pool": "h100",
    "contended": "booked",
    "contended_ppm": 900_000,
    "half_life_s": 604_800,
    "entry_s": 3600,
    "counted_at": "2026-11-24T00:00:00Z",
    "contended_now": True,
    "companies": [ONE],
}


@pytest.mark.parametrize(
    ("words", "want"),
    [
        (["--shares", "3", "--group", "seed"], {"shares": 3, "group": "seed"}),
        (["--shares", "3"], {"shares": 3}),
        (["--shares", "3", "--group", "none"], {"shares": 3}),
    ],
)
def test_shares_are_set(api: Api, run: Run, words: list[str], want: dict[str, Any]) -> None:
    api.on("PUT", "/v1/pools/h100/shares/acme", wire.Share.model_validate(SHARE))
    result = run("share", "set", "acme", "h100", *words)
    assert (result.exit_code, json.loads(api.seen[0].content)) == (0, want)
    assert {"shares   3", "group    seed"} <= {line.strip() for line in result.stdout.splitlines()}


def test_shares_are_taken_away(api: Api, run: Run) -> None:
    api.on("DELETE", "/v1/pools/h100/shares/acme", wire.Share.model_validate({**SHARE, "shares": 1, "group": None}))
    assert "shares   1" in run("share", "remove", "acme", "h100").stdout


def test_a_group_is_made(api: Api, run: Run) -> None:
    api.on("PUT", "/v1/pools/h100/share-groups/seed", wire.ShareGroup(pool="h100", name="seed", shares=2))
    result = run("share", "group", "h100", "seed", "--shares", "2")
    assert (result.exit_code, json.loads(api.seen[0].content)) == (0, {"shares": 2})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set", "acme", "h100", "--shares", "0"], "--shares: 0 is not a whole number from 1 to 1000000"),
        (["set", "Acme", "h100", "--shares", "1"], "COMPANY: 'Acme' is none"),
        (["set", "acme", "h100", "--shares", "1", "--group", "A B"], "--group: 'A B' is none"),
        (["group", "h100", "A", "--shares", "1"], "GROUP: 'A' is none"),
        (["group", "h100", "a", "--shares", "0"], "--shares: 0 is not a whole number from 1 to 1000000"),
    ],
)
def test_what_is_no_share_names_its_option(api: Api, run: Run, words: list[str], said: str) -> None:
    result = run("share", *words)
    assert (result.exit_code, api.seen) == (2, [])
    assert said in result.stderr


def test_who_is_served_first_is_shown_with_the_reason(api: Api, run: Run) -> None:
    api.on("GET", "/v1/fair", wire.FairPool.model_validate(FAIR))
    shown = run("fair", "show", "h100").stdout
    assert api.seen[0].url.params["pool"] == "h100"
    assert "where more than 90 % of the pool is booked; what was used counts half after 7d" in shown
    assert "acme is number 1 of 1." in shown
    assert "+1.0 h" in shown


@pytest.mark.parametrize(("rule", "said"), [("none", "never"), ("always", "always; what was used")])
def test_when_shares_count_is_said(api: Api, run: Run, rule: str, said: str) -> None:
    said_of = {"contended": rule, "counted_at": None, "contended_now": False, "companies": []}
    api.on("GET", "/v1/fair", wire.FairPool.model_validate(FAIR | said_of))
    shown = run("fair", "show", "h100").stdout
    assert said in shown
    assert "no companies" in shown
