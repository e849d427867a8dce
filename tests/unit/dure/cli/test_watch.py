"""dure lease watch."""

import json

import httpx
import pytest

from dure import wire
from dure.cli.watch import LONGEST_SILENCE_S
from tests.unit.dure.answers import Api, a_lease, problem
from tests.unit.dure.conftest import Run

LEASE = ("GET", "/v1/leases/lea_1")


def test_each_change_is_a_line_until_it_is_over(api: Api, run: Run) -> None:
    api.on(*LEASE, a_lease(), a_lease(), a_lease("active"), a_lease("active"), a_lease("ending"), a_lease("ended"))
    result = run("lease", "watch", "lea_1")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.partition(")  ")[2].partition(",")[0] for line in lines] == [
        "scheduled",
        "scheduled -> active",
        "active -> ending",
        "ending -> ended",
    ]
    assert lines[1].startswith("Tue 2026-11-24 09:48:48 KST")
    assert api.slept == [2] * 5


def test_a_watch_until_active_stops_there(api: Api, run: Run) -> None:
    api.on(*LEASE, a_lease("queued"), a_lease(), a_lease("active"), problem("internal", 500))
    assert run("lease", "watch", "lea_1", "--until", "active").exit_code == 0


@pytest.mark.parametrize("state", ["cancelled", "ended", "expired", "refused"])
def test_a_lease_that_is_over_before_it_was_active_is_a_conflict(api: Api, run: Run, state: str) -> None:
    api.on(*LEASE, a_lease(), a_lease(state))
    result = run("lease", "watch", "lea_1", "--until", "active")
    assert (result.exit_code, result.stderr) == (8, f"it is {state} and was not active\n")


def test_a_lease_that_is_ending_still_runs(api: Api, run: Run) -> None:
    expired = wire.EndCause.EXPIRED
    api.on(*LEASE, a_lease("active"), a_lease("ending", end_cause=expired), a_lease("ended", end_cause=expired))
    lines = [line.partition(")  ")[2] for line in run("lease", "watch", "lea_1").stdout.splitlines()]
    assert lines[1:] == [
        "active -> ending, still running until 24 Nov 11:48:44",
        "ending -> ended, because its time was over",
    ]


def test_a_lease_that_is_ending_is_active_enough(api: Api, run: Run) -> None:
    api.on(*LEASE, a_lease("ending"))
    assert run("lease", "watch", "lea_1", "--until", "active").exit_code == 0


def test_json_is_a_lease_a_line(api: Api, run: Run) -> None:
    api.on(*LEASE, a_lease(), a_lease(), a_lease("active"), a_lease("ended"))
    lines = run("lease", "watch", "lea_1", "--json").stdout.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["scheduled", "active", "ended"]


def test_an_outage_is_waited_out_and_told_once(api: Api, run: Run) -> None:
    away = [httpx.ConnectError("refused")] * 20
    api.on(*LEASE, a_lease(), *away, problem("unavailable", 503), a_lease("ended"))
    result = run("lease", "watch", "lea_1")
    assert result.exit_code == 0
    assert result.stderr.count("still watching") == 1


def test_a_server_that_stays_away_is_given_up(api: Api, run: Run) -> None:
    api.on(*LEASE, a_lease(), httpx.ConnectError("refused"))
    result = run("lease", "watch", "lea_1", "--interval", "30s")
    assert result.exit_code == 6
    assert LONGEST_SILENCE_S <= sum(api.slept) <= 2 * LONGEST_SILENCE_S


def test_a_lease_that_is_not_there_is_not_watched(api: Api, run: Run) -> None:
    api.on(*LEASE, problem("unknown_lease", 404))
    assert run("lease", "watch", "lea_1").exit_code == 4


@pytest.mark.parametrize("interval", ["0s", "fast", "-1s"])
def test_an_interval_is_at_least_a_second(api: Api, run: Run, interval: str) -> None:
    result = run("lease", "watch", "lea_1", "--interval", interval)
    assert (result.exit_code, api.seen) == (2, [])
    assert result.stderr.startswith("error: --interval: ")
