"""What an ask is answered with."""

import pytest

from api import answers
from dure import wire
from tests.unit.api.builders import a_lease


@pytest.mark.parametrize(
    ("state", "status"),
    [
        pytest.param(wire.LeaseState.SCHEDULED, 201, id="a promise"),
        pytest.param(wire.LeaseState.QUEUED, 202, id="a place in the queue"),
    ],
)
def test_a_lease_is_answered_as_it_stands(state: wire.LeaseState, status: int) -> None:
    answer = answers.decided(a_lease(state), "req_1")
    assert (answer.status, answer.response().media_type) == (status, "application/json")
    assert wire.Lease.model_validate_json(answer.body) == answer.decided


@pytest.mark.parametrize(
    ("code", "want"),
    [
        pytest.param("never_fits", "never_fits", id="a refusal with a code of its own"),
        pytest.param("of_another_day", "refused", id="a refusal that this code does not know"),
    ],
)
def test_a_refusal_is_a_problem_with_the_decision_and_the_lease(code: str, want: str) -> None:
    lease = a_lease(wire.LeaseState.REFUSED, outcome=wire.Outcome.REFUSED, code=code)
    answer = answers.decided(lease, "req_1")
    problem = wire.Problem.model_validate_json(answer.body)
    assert (answer.status, answer.response().media_type) == (409, "application/problem+json")
    assert (problem.code, problem.lease, problem.decision, problem.numbers) == (
        want,
        "lea_1",
        lease.decision,
        {"gpus": 4},
    )


def test_an_answer_given_before_says_so() -> None:
    answer = answers.Answer(status=201, body=b"{}", replayed=True)
    assert answer.response().headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in answers.Answer(status=201, body=b"{}").response().headers
