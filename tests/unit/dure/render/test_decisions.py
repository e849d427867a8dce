"""Decisions and problems in words."""

import pytest

from dure import errors, wire
from dure.render import decisions
from tests.unit.dure.answers import a_decision, in_s
from tests.unit.dure.screen import SEOUL, text

NUMBERS = {
    "asked_gpus": 16,
    "limit_gpus": 8,
    "wait_s": 90,
    "longest_s_now": 3600,
    "largest_gpus_now": 4,
    "earliest_start": "2026-11-24T09:00:00Z",
    "budget_left_gpu_seconds": 7_200_000,
    "waits_for": "quota",
}


def test_numbers_are_said_with_units_and_in_the_zone() -> None:
    assert dict(decisions.numbers(NUMBERS, SEOUL.zone)) == {
        "asked GPUs": "16",
        "limit GPUs": "8",
        "wait": "1m30s",
        "longest now": "1h",
        "largest GPUs now": "4",
        "earliest start": "Tue 2026-11-24 18:00 KST (09:00 UTC)",
        "budget left": "2,000 GPU-hours",
        "waits for": "quota",
    }


def test_numbers_are_in_one_order_however_they_were_kept() -> None:
    backwards = dict(reversed(NUMBERS.items()))
    said = list(decisions.numbers(backwards, SEOUL.zone))
    assert said == list(decisions.numbers(NUMBERS, SEOUL.zone))
    assert [name for name, _ in said][:3] == ["asked GPUs", "limit GPUs", "wait"]


def test_what_a_promise_holds_is_not_said_twice() -> None:
    assert list(decisions.numbers({"gpus": 8, "asked_gpus": 8}, None)) == [("asked GPUs", "8")]


def test_a_refusal_says_code_sentence_numbers_and_where_it_is_kept() -> None:
    error = errors.QuotaExceeded(
        "16 are more than 8: ask for 8.", numbers={"limit_gpus": 8}, lease="lea_1", request_id="r"
    )
    assert list(decisions.problem_lines(error, SEOUL.zone)) == [
        "refused (quota_exceeded): 16 are more than 8: ask for 8.",
        "  limit GPUs  8",
        "  kept as lea_1: dure lease show lea_1",
        "  request r",
    ]


def test_a_refused_change_says_the_decision_that_it_is_kept_as() -> None:
    error = errors.ExtensionRefused("Not so far.", decision=a_decision("extension_refused", "refused", numbers={}))
    assert list(decisions.problem_lines(error, None))[-1] == "  kept as dec_1: dure decision show dec_1"
    asked = errors.ExtensionRefused("Not so far.", decision=a_decision(id=None, numbers={}))
    assert list(decisions.problem_lines(asked, None)) == ["error (extension_refused): Not so far."]


def test_a_refusal_without_numbers_of_its_own_has_its_decisions() -> None:
    error = errors.NeverFits("No.", decision=a_decision("never_fits", "refused", numbers={"largest_gpus": 8}))
    assert "  largest GPUs  8" in decisions.problem_lines(error, None)


@pytest.mark.parametrize(
    ("error", "want"),
    [
        pytest.param(
            errors.InvalidRequest("no", errors=[wire.FieldError(field="gpus", message="at least 1")]),
            ["error (invalid_request): no", "  --gpus: at least 1"],
            id="fields are named",
        ),
        pytest.param(
            errors.InvalidRequest("x: no; y: nor", errors=[wire.FieldError(field="x", message="no")]),
            ["error (invalid_request): x: no; y: nor"],
            id="what repeats the sentence is said once",
        ),
        pytest.param(
            errors.WindowInPast("start 9 is past", errors=[wire.FieldError(field="start", message="start 9 is past")]),
            ["error (window_in_past): --start 9 is past"],
            id="fields are said as they are typed",
        ),
        pytest.param(
            errors.InvalidRequest.about("until", "the lease ends at 9 already; give a later time"),
            ["error (invalid_request): --until: the lease ends at 9 already; give a later time"],
            id="which time is meant",
        ),
        pytest.param(
            errors.InvalidRequest(
                "shortest_s: is at most duration_s, for example 3600; fewest: is at most what the shape has, for example 8",
                errors=[
                    wire.FieldError(field="shortest_s", message="is at most duration_s, for example 3600"),
                    wire.FieldError(field="fewest", message="is at most what the shape has, for example 8"),
                ],
            ),
            ["error (invalid_request): --shortest: is at most --for; --fewest: is at most what the shape has"],
            id="what would do is said as it is typed",
        ),
        pytest.param(
            errors.ExtensionRefused("it can until 9, with `partly` or `longest`"),
            ["error (extension_refused): it can until 9, with --partly or --longest"],
            id="what to send is said as it is typed",
        ),
        pytest.param(
            errors.Unavailable("away", retry_after_s=90),
            ["error (unavailable): away", "  try again in 1m30s"],
            id="when to come back",
        ),
        pytest.param(
            errors.UnknownPool(), ["error (unknown_pool): There is no such pool."], id="its title where it says no more"
        ),
    ],
)
def test_an_error_says_what_to_do(error: errors.DureError, want: list[str]) -> None:
    assert list(decisions.problem_lines(error, SEOUL.zone)) == want


def test_a_dry_run_says_that_nothing_is_held() -> None:
    quote = wire.Quote(
        decision=a_decision(id=None),
        promised_start=in_s(60),
        starts_at=in_s(60),
        ends_at=in_s(120),
        placement=[wire.NodeShare(node="gpu-01", gpus=8)],
    )
    shown = text(decisions.quote(quote, SEOUL))
    assert shown.startswith("dry run: would be scheduled (starts_now); nothing is stored or held")
    for part in (
        "promised    Tue 2026-11-24 09:49:44 KST",
        "never later",
        "1m from the promised start",
        "gpu-01 (8)",
        "16 GPUs start now.",
    ):
        assert part in shown


def test_a_quote_that_must_wait_says_of_what_its_promise_is_made() -> None:
    quote = wire.Quote(
        decision=a_decision("starts_later", id=None, numbers={"wait_s": 7560, "earliest_wait_s": 7200}),
        promised_start=in_s(7560),
        starts_at=in_s(7380),
        estimated_start=in_s(5400),
        ends_at=in_s(14_580),
        placement=[],
    )
    rows = [line.split(maxsplit=1) for line in text(decisions.quote(quote, SEOUL)).splitlines()[1:7]]
    assert [tuple(row) for row in rows] == [
        ("earliest", "Tue 2026-11-24 11:48:44 KST (02:48:44 UTC), in 2h"),
        ("slack", "6m, so much later it may be promised"),
        ("promised", "Tue 2026-11-24 11:54:44 KST (02:54:44 UTC), in 2h6m; never later"),
        ("planned", "Tue 2026-11-24 11:51:44 KST (02:51:44 UTC), in 2h3m; it may be moved earlier"),
        ("expected", "Tue 2026-11-24 11:18:44 KST (02:18:44 UTC), in 1h30m; an estimate, which binds nobody"),
        ("ends", "Tue 2026-11-24 13:51:44 KST (04:51:44 UTC), in 4h3m, 2h from the planned start"),
    ]
