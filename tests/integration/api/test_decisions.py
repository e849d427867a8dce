"""Decisions and what-ifs over HTTP: who sees what, what is wrong is named, and nothing is changed by looking."""

from typing import Any

import pytest

from tests.integration.api.conftest import Site, code
from tests.integration.api.test_bad_input import rows
from tests.integration.scheduler.test_decisions import as_owner


def asked(site: Site, who: str = "acme", gpus: int = 8) -> dict[str, Any]:
    return site.ask(who, gpus).json()


def test_a_company_follows_its_lease_to_the_decision_and_makes_it_again(site: Site) -> None:
    lease = asked(site)
    steps = site.get("acme", f"/v1/leases/{lease['id']}/explain").json()["steps"]
    assert [step["event"] for step in steps] == ["scheduled"]
    before = rows(site)
    shown = site.get("acme", f"/v1/decisions/{steps[0]['decision']}").json()
    again = site.post("acme", f"/v1/decisions/{steps[0]['decision']}/replay").json()
    assert shown["inputs_digest"] == again["inputs_digest"]
    assert shown["result_digest"] == again["result_digest"]
    assert rows(site) == before


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/replay")])
def test_another_companys_decision_is_none(site: Site, method: str, path: str) -> None:
    decision = asked(site)["decision"]["id"]
    address = f"/v1/decisions/{decision}{path}"
    assert code(site.send("globex", method, address)) == (404, "unknown_decision")
    assert site.send("admin", method, address).status_code == 200


def test_another_companys_lease_is_not_explained(site: Site) -> None:
    assert code(site.get("globex", f"/v1/leases/{asked(site)['id']}/explain")) == (404, "unknown_lease")


def test_a_history_that_was_changed_is_a_conflict_that_says_so(site: Site) -> None:
    decision = asked(site)["decision"]["id"]
    as_owner(site.world, "UPDATE decision SET result = replace(result, 'starts_now', 'starts_later')")
    answer = site.post("admin", f"/v1/decisions/{decision}/replay")
    assert code(answer) == (409, "decision_differs")
    assert answer.json()["errors"][0]["field"] == "result.asks[0][1].code"
    as_owner(site.world, "DELETE FROM pool_change WHERE kind = 'node'")
    assert code(site.post("admin", f"/v1/decisions/{decision}/replay")) == (409, "history_incomplete")


@pytest.mark.parametrize(
    ("body", "want", "field"),
    [
        pytest.param({}, (422, "invalid_request"), "pool", id="without a pool"),
        pytest.param({"pool": "h100"}, (422, "invalid_request"), "body", id="without a change"),
        pytest.param(
            {"pool": "h100", "quotas": [{"company": "acme"}]},
            (422, "invalid_request"),
            "quotas.0.gpus",
            id="half a quota",
        ),
        pytest.param(
            {"pool": "h100", "add_nodes": [{"count": 1, "gpus": 0}]},
            (422, "invalid_request"),
            "add_nodes.0.gpus",
            id="a node of nothing",
        ),
        pytest.param(
            {"pool": "h100", "policy": {"slack_ppm": -1}},
            (422, "invalid_request"),
            "policy.slack_ppm",
            id="less than no slack",
        ),
        pytest.param(
            {"pool": "h100", "since": "2026-01-01T00:00:00Z"},
            (422, "invalid_request"),
            "until",
            id="a year of the past",
        ),
        pytest.param(
            {"pool": "h100", "since": "2031-01-01T00:00:00Z"}, (422, "invalid_request"), "since", id="the future"
        ),
    ],
)
def test_a_question_that_cannot_be_meant_names_its_field(
    site: Site, body: dict[str, Any], want: tuple[int, str], field: str
) -> None:
    answer = site.post("admin", "/v1/whatif", json=body)
    assert code(answer) == want
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_what_if_is_for_admins_and_writes_nothing(site: Site) -> None:
    asked(site, gpus=16)
    body = {"pool": "h100", "add_nodes": [{"count": 1, "gpus": 8}]}
    assert code(site.post("acme", "/v1/whatif", json=body)) == (403, "forbidden")
    before = rows(site)
    answer = site.post("admin", "/v1/whatif", json=body)
    assert answer.status_code == 200
    assert rows(site) == before
