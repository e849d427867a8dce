"""dure audit, and why something is done."""

import json
from typing import Any

import pytest

from dure import wire
from tests.unit.dure.answers import Api, a_quota, an_audit_entry, page, problem
from tests.unit.dure.conftest import Run

AUDIT = ("GET", "/v1/audit")


def test_what_was_changed_is_shown_beside_what_it_was(api: Api, run: Run) -> None:
    api.on(*AUDIT, page(an_audit_entry(reason="half is spent"), an_audit_entry(6, before=None, after={"gpus": 16})))
    shown = run("audit").stdout
    assert "gpus 3 (was 16)" in shown
    assert "half is spent" in shown
    assert "gpus 16" in shown.splitlines()[2]


DRAIN = {"id": "drn_1", "starts_at": "2026-11-24T01:00:00Z", "ends_at": "2026-11-24T03:00:00Z", "reason": "a fan"}


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        pytest.param(
            {"ends_at": "2026-11-24T01:00:00Z", "gpus": 8},
            {"ends_at": "2026-11-24T02:30:00Z", "gpus": 8},
            "ends 24 Nov 11:30 (was 24 Nov 10:00)",
            id="times in the person's zone",
        ),
        pytest.param(
            {"ends_at": 1_795_482_000},
            {"ends_at": 1_795_485_600},
            "ends 24 Nov 11:00 (was 24 Nov 10:00)",
            id="old times",
        ),
        pytest.param(
            {"slack_ppm": 50_000, "seniority_s": 21_600},
            {"slack_ppm": 75_000, "seniority_s": None},
            "slack 7.5% (was 5%), seniority none (was 6h)",
            id="parts in percent, lengths in units, and what was taken away",
        ),
        pytest.param({"gpus": 0}, {"gpus": 8}, "gpus 8 (was 0)", id="from nothing"),
        pytest.param(
            None,
            {"shape": {"gpus": 4, "nodes": None}, "empty_memory_bytes": 1 << 30, "start": None},
            "shape gpus 4, empty memory 1024 MiB",
            id="what is within, and not what was not said",
        ),
        pytest.param(
            {"drains": [DRAIN]},
            {"drains": [DRAIN | {"ends_at": "2026-11-24T01:30:00Z"}]},
            "drn_1 ends 24 Nov 10:30 (was 24 Nov 12:00)",
            id="each of several by what is other of it",
        ),
        pytest.param(
            {"gpus": 16, "longest_s": 259_200},
            {"gpus": 8},
            "gpus 8 (was 16), was longest 3d",
            id="a limit that was taken away",
        ),
        pytest.param({"gpus": 4, "longest_s": 3600}, None, "was gpus 4, longest 1h", id="all of what was removed"),
        pytest.param(
            {"ahead_gpu_seconds": 1_800_000},
            {
                "budget": {"zone": "UTC", "period": "month", "gpu_seconds": 7_200_000, "carries_over": False},
                "ahead_gpu_seconds": 900,
            },
            "budget 2000h/month zone UTC carry over no, ahead 0.25 GPU-hours (was 500 GPU-hours)",
            id="budgets and amounts in GPU-hours",
        ),
        pytest.param(
            {"available_gpu_seconds": 3600},
            {"available_gpu_seconds": 10_800, "gpu_seconds": 7200},
            "available 3 GPU-hours (was 1 GPU-hours), amount 2 GPU-hours",
            id="what was adjusted",
        ),
        pytest.param(
            {"gpus": 4, "of_default": True}, {"gpus": 4}, "was default of the pool yes", id="a default made its own"
        ),
        pytest.param(
            {"shares": 3, "group": None}, None, "was shares 3", id="what was removed, and not what it had not"
        ),
    ],
)
def test_what_was_changed_is_said_in_a_persons_units(
    api: Api, run: Run, before: dict[str, Any] | None, after: dict[str, Any] | None, says: str
) -> None:
    api.on(*AUDIT, page(an_audit_entry(before=before, after=after)))
    assert f"acme/h100-80gb  {says}  " in run("audit").stdout


def test_what_is_never_done_is_refused_with_all_that_is(api: Api, run: Run) -> None:
    said = "quta.set is none; they are lease.ask, quota.set, or one of the words alone, for example quota or policy"
    error = wire.FieldError(field="action", message=said)
    api.on(*AUDIT, problem("invalid_request", 422, f"action: {said}", errors=[error]))
    found = run("audit", "--action", "quta.set")
    assert found.exit_code == 7
    assert found.stderr.startswith(
        "error (invalid_request): --action: quta.set is none; they are lease.ask, quota.set, or one of the words alone"
    )


def test_what_is_looked_for_is_asked_for_and_no_more_than_is_wanted(api: Api, run: Run) -> None:
    api.on(*AUDIT, page(*(an_audit_entry(number) for number in (9, 8, 7))))
    found = run("--json", "audit", "--actor", "company:acme", "--action", "lease", "--since", "-1h", "--limit", "2")
    assert [one["id"] for one in json.loads(found.stdout)["items"]] == ["aud_9", "aud_8"]
    wanted = {"actor": "company:acme", "action": "lease", "since": "2026-11-23T23:48:44Z", "limit": "2"}
    assert dict(api.seen[0].url.params) == wanted


def test_nothing_of_that_kind_is_said(api: Api, run: Run) -> None:
    api.on(*AUDIT, page())
    assert run("audit", "--subject", "lea_1").stdout == "nothing was done, or nothing like that\n"


def test_why_is_refused_where_nothing_is_changed(api: Api, run: Run) -> None:
    api.on(*AUDIT, page())
    found = run("--why", "I wonder", "audit")
    assert (found.exit_code, api.seen) == (2, [])
    assert found.stderr.startswith("error: --why: nothing is changed here")
    assert run("audit", "--why", "I wonder").exit_code == 2


def test_why_goes_with_what_is_changed_before_and_after_the_command(api: Api, run: Run) -> None:
    api.on("PATCH", "/v1/companies/acme/quotas/h100-80gb", a_quota())
    for line in (("--why", "half is spent", "quota", "set"), ("quota", "set", "--why", "half is spent")):
        assert run(*line, "acme", "h100-80gb", "--gpus", "3").exit_code == 0
    assert {request.url.params["reason"] for request in api.seen} == {"half is spent"}
    assert wire.QuotaPatch.model_validate_json(api.seen[0].content).gpus == 3
