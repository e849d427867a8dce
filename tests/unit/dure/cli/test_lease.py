"""dure lease list, show, release, cancel and events."""

import json

import httpx
import pytest

from dure import wire
from tests.unit.dure.answers import Api, a_lease, answer, page, problem
from tests.unit.dure.conftest import Run


def test_a_list_asks_for_what_was_said(api: Api, run: Run) -> None:
    api.on("GET", "/v1/leases", page())
    states = ("--state", "active", "--state", "ending")
    result = run("lease", "list", "--company", "acme", "--pool", "p", *states, "--limit", "7")
    assert result.stdout == "no leases\n"
    assert api.seen[0].url.query == b"company=acme&pool=p&state=active&state=ending&limit=7"


def test_a_list_holds_as_many_as_were_asked_for(api: Api, run: Run) -> None:
    api.on("GET", "/v1/leases", page(a_lease(), a_lease(), next_cursor="c"), page(a_lease(), a_lease()))
    result = run("lease", "list", "--limit", "3", "--json")
    assert len(json.loads(result.stdout)["items"]) == 3


def test_a_state_that_is_none_is_refused_with_those_there_are(api: Api, run: Run) -> None:
    result = run("lease", "list", "--state", "running")
    assert (result.exit_code, api.seen) == (2, [])
    assert "'running' is no state of a lease; they are queued, scheduled, active" in result.stderr


@pytest.mark.parametrize("limit", ["0", "-1", "10001", "many"])
def test_a_limit_out_of_range_is_refused(run: Run, limit: str) -> None:
    assert run("lease", "list", "--limit", limit).exit_code == 2


@pytest.mark.parametrize("verb", ["release", "cancel"])
def test_a_lease_is_given_back(api: Api, run: Run, verb: str) -> None:
    api.on("POST", f"/v1/leases/lea_1/{verb}", a_lease("ended", end_cause=wire.EndCause.RELEASED))
    result = run("lease", verb, "lea_1")
    assert result.exit_code == 0
    assert "ended (released)" in result.stdout
    assert "idempotency-key" in api.seen[0].headers


@pytest.mark.parametrize("verb", ["release", "cancel"])
def test_a_dry_run_changes_nothing(api: Api, run: Run, verb: str) -> None:
    found = wire.EndPreview(lease="l", state=wire.LeaseState.ACTIVE, stops_at=None, refund_gpu_seconds=7200)
    api.on("POST", f"/v1/leases/lea_1/{verb}", found)
    assert "7200 GPU-seconds" in run("lease", verb, "lea_1", "--dry-run").stdout
    assert api.seen[0].url.params["dry_run"] == "true"


@pytest.mark.parametrize("verb", ["release", "cancel"])
def test_a_lease_that_is_over_is_a_conflict(api: Api, run: Run, verb: str) -> None:
    api.on("POST", f"/v1/leases/lea_1/{verb}", problem("wrong_state", 409, "l is over since noon."))
    result = run("lease", verb, "lea_1")
    assert (result.exit_code, result.stderr) == (8, "error (wrong_state): l is over since noon.\n")


REFUSED = "state=refused"


def _listed(api: Api, refused: int) -> None:
    def answered(request: httpx.Request) -> httpx.Response:
        asked = request.url.query.decode()
        return answer(page(*[a_lease("refused")] * refused) if REFUSED in asked and "queued" not in asked else page())

    api.on("GET", "/v1/leases", answered)


@pytest.mark.parametrize(
    ("refused", "want"),
    [
        (0, "no leases\n"),
        (1, "no leases\n1 refused ask is not shown: --all\n"),
        (3, "no leases\n3 refused asks are not shown: --all\n"),
    ],
)
def test_refused_asks_are_counted_and_not_shown(api: Api, run: Run, refused: int, want: str) -> None:
    _listed(api, refused)
    assert run("lease", "list").stdout == want
    assert REFUSED not in api.seen[0].url.query.decode()


def test_json_leaves_refused_asks_out_too(api: Api, run: Run) -> None:
    _listed(api, 3)
    assert json.loads(run("lease", "list", "--json").stdout)["items"] == []
    assert len(api.seen) == 1


@pytest.mark.parametrize("words", [["--all"], ["--state", "refused"]])
def test_refused_asks_are_shown_to_who_wants_them(api: Api, run: Run, words: list[str]) -> None:
    api.on("GET", "/v1/leases", page(a_lease("refused")))
    result = run("lease", "list", *words)
    assert "not shown" not in result.stdout
    assert len(api.seen) == 1


def test_who_extends_for_a_time_is_told_the_option_that_says_it(api: Api, run: Run) -> None:
    result = run("lease", "extend", "lea_1", "--for", "2h")
    assert (result.exit_code, api.seen) == (2, [])
    assert result.stderr == "error: --for: by how much it is extended is said by --by: --by 2h\n"
    assert "--for" not in run("lease", "extend", "--help").stdout
