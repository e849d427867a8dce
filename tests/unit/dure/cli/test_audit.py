"""dure audit, and why something is done."""

import json

from dure import wire
from tests.unit.dure.answers import Api, a_quota, an_audit_entry, page
from tests.unit.dure.conftest import Run

AUDIT = ("GET", "/v1/audit")


def test_what_was_changed_is_shown_beside_what_it_was(api: Api, run: Run) -> None:
    api.on(*AUDIT, page(an_audit_entry(reason="half is spent"), an_audit_entry(6, before=None, after={"gpus": 16})))
    shown = run("audit").stdout
    assert "gpus 3 (was 16)" in shown
    assert "half is spent" in shown
    assert "gpus 16" in shown.splitlines()[2]


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
    api.on("PUT", "/v1/companies/acme/quotas/h100-80gb", a_quota())
    for line in (("--why", "half is spent", "quota", "set"), ("quota", "set", "--why", "half is spent")):
        assert run(*line, "acme", "h100-80gb", "--gpus", "3").exit_code == 0
    assert {request.url.params["reason"] for request in api.seen} == {"half is spent"}
    assert wire.QuotaSet.model_validate_json(api.seen[0].content).gpus == 3
