"""dure lease explain, dure decision show and replay."""

import json

import pytest

from dure import wire
from tests.unit.dure.answers import Api, a_record, a_replay, a_tried, an_explanation, problem
from tests.unit.dure.conftest import Run


def test_a_lease_is_explained_step_by_step(api: Api, run: Run) -> None:
    api.on("GET", "/v1/leases/lea_1/explain", an_explanation())
    result = run("lease", "explain", "lea_1")
    assert result.exit_code == 0
    assert "16 GPUs start now." in result.stdout
    assert "dure decision show dec_1" in result.stdout


def test_a_decision_is_shown_with_whom_it_looked_at(api: Api, run: Run) -> None:
    api.on("GET", "/v1/decisions/dec_1", a_record(order=[a_tried(), a_tried(None, code=None)]))
    said = run("decision", "show", "dec_1").stdout
    assert "another's" in said
    assert "dure decision replay dec_1" in said


def test_a_replay_says_that_it_came_out_the_same(api: Api, run: Run) -> None:
    api.on("POST", "/v1/decisions/dec_1/replay", a_replay())
    result = run("decision", "replay", "dec_1")
    assert result.exit_code == 0
    assert result.stdout.startswith("the same: made again from the history")
    assert json.loads(run("decision", "replay", "dec_1", "--json").stdout)["looked_at"] == 2


@pytest.mark.parametrize("code", ["decision_differs", "history_incomplete"])
def test_a_replay_that_does_not_come_out_says_what_differs_and_fails(api: Api, run: Run, code: str) -> None:
    errors = [wire.FieldError(field="result.asks[0]", message="was 1, comes out as 2")]
    api.on("POST", "/v1/decisions/dec_1/replay", problem(code, 409, "It is not the same.", errors=errors))
    result = run("decision", "replay", "dec_1")
    assert result.exit_code == 8
    assert result.stderr.splitlines() == [
        f"error ({code}): It is not the same.",
        "  result.asks[0]: was 1, comes out as 2",
    ]


@pytest.mark.parametrize("verb", ["show", "replay"])
def test_what_is_no_id_is_not_sent(api: Api, run: Run, verb: str) -> None:
    result = run("decision", verb, "the last one")
    assert (result.exit_code, api.seen) == (2, [])
    assert "dure lease explain" in result.stderr
