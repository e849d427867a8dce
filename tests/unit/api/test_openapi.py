"""The documentation says what the routes do, with examples that are true."""

from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from api import examples
from dure import errors, wire

Operation = dict[str, Any]

OPEN = {"list_problems", "show_problem", "healthz", "readyz", "metrics"}

TYPES: dict[str, Any] = {
    "add_company": wire.Company,
    "add_pool": wire.Pool,
    "add_webhook": wire.IssuedWebhook,
    "ask": wire.Lease | wire.Quote,
    "cancel_lease": wire.Lease | wire.EndPreview,
    "change_quota": wire.Quota,
    "enable_webhook": wire.Webhook,
    "enroll_node": wire.IssuedToken,
    "explain_lease": wire.Explanation,
    "issue_token": wire.IssuedToken,
    "list_all_quotas": wire.Page[wire.QuotaOf],
    "keep_lease": wire.Lease,
    "list_companies": wire.Page[wire.Company],
    "list_deliveries": wire.Page[wire.Delivery],
    "list_events": wire.Page[wire.Event],
    "list_lease_events": wire.Page[wire.LeaseEvent],
    "list_leases": wire.Page[wire.Lease],
    "list_nodes": wire.Page[wire.Node],
    "list_policy_versions": wire.Page[wire.PolicyVersion],
    "list_pools": wire.Page[wire.Pool],
    "list_quotas": wire.Page[wire.Quota],
    "list_tokens": wire.Page[wire.Token],
    "list_violations": wire.Page[wire.Violation],
    "list_webhooks": wire.Page[wire.Webhook],
    "put_policy": wire.PolicyApplied,
    "release_lease": wire.Lease | wire.EndPreview,
    "remove_default": wire.QuotaOf,
    "remove_quota": wire.Quota,
    "remove_webhook": wire.Webhook,
    "replay_decision": wire.Replayed,
    "report_node": wire.ReportAnswer,
    "revoke_token": wire.Token,
    "rotate_webhook": wire.IssuedWebhook,
    "set_quota": wire.Quota,
    "set_quotas": wire.QuotaImported,
    "show_calendar": wire.Calendar,
    "show_checkup": wire.Checkup,
    "show_company": wire.Company,
    "show_decision": wire.DecisionRecord,
    "show_lease": wire.Lease,
    "show_node": wire.Node,
    "show_policy": wire.Policy,
    "show_pool": wire.Pool,
    "show_report": wire.UsageReport,
    "show_usage": wire.Usage,
    "show_webhook": wire.Webhook,
    "test_webhook": wire.WebhookTest,
    "what_if": wire.WhatIfAnswer,
}

REQUESTS = {
    "add_company": wire.CompanyCreate,
    "add_pool": wire.PoolCreate,
    "add_webhook": wire.WebhookCreate,
    "ask": wire.Ask,
    "enroll_node": wire.NodeEnroll,
    "issue_token": wire.TokenIssue,
    "put_policy": wire.PolicyPut,
    "report_node": wire.Report,
    "set_quota": wire.QuotaSet,
    "set_quotas": wire.QuotaImport,
    "what_if": wire.WhatIf,
}


@pytest.fixture(scope="module")
def document(stranger: httpx.Client) -> dict[str, Any]:
    return stranger.get("/openapi.json").json()


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, Operation]:
    found = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in found}) == len(found)
    return {operation["operationId"]: operation for operation in found}


def test_every_operation_is_told_with_a_summary_a_description_and_a_tag(
    document: dict[str, Any], operations: dict[str, Operation]
) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for name, operation in operations.items():
        assert operation["summary"], name
        assert operation["description"], name
        assert set(operation["tags"]) <= tags, name


def test_every_operation_but_the_open_ones_wants_a_token(
    document: dict[str, Any], operations: dict[str, Operation]
) -> None:
    assert {name for name, operation in operations.items() if "security" not in operation} == OPEN
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_every_answer_and_every_request_has_an_example(operations: dict[str, Operation]) -> None:
    for name, operation in operations.items():
        for status, answer in operation["responses"].items():
            for content in answer["content"].values():
                assert content.get("examples"), f"{name} {status}"
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert content["examples"], name


@pytest.mark.parametrize("name", TYPES)
def test_an_example_of_an_answer_is_of_its_type(name: str) -> None:
    good = [found.answer for found in examples.exchanges(name) if found.status < 400]
    assert good
    for answer in good:
        TypeAdapter(TYPES[name]).validate_python(answer)


@pytest.mark.parametrize("name", REQUESTS)
def test_an_example_of_a_request_is_of_its_type(name: str) -> None:
    sent = examples.requests(name)
    assert sent
    for request in sent:
        REQUESTS[name].model_validate(request)


def test_every_problem_in_the_examples_is_one(operations: dict[str, Operation]) -> None:
    for name, operation in operations.items():
        for status, answer in operation["responses"].items():
            for code, example in answer["content"].get("application/problem+json", {}).get("examples", {}).items():
                problem = wire.Problem.model_validate(example["value"])
                assert (problem.code, str(problem.status)) == (code, status), name
                assert code in errors.CODES


def test_an_ask_tells_every_way_it_may_be_answered(operations: dict[str, Operation]) -> None:
    told = operations["ask"]["responses"]
    assert list(told) == ["200", "201", "202", "400", "401", "403", "404", "409", "413", "415", "422", "503"]
    problems = {
        code for status in ("409", "422") for code in told[status]["content"]["application/problem+json"]["examples"]
    }
    assert {
        "never_fits",
        "quota_exceeded",
        "no_start_in_window",
        "window_in_past",
        "idempotency_key_reused",
    } <= problems


def test_every_operation_has_examples_that_were_recorded(operations: dict[str, Operation]) -> None:
    assert {name for name in operations if not examples.exchanges(name)} == {"metrics"}


def test_no_reference_leads_nowhere(document: dict[str, Any]) -> None:
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(_references(document)) <= schemas


def test_no_secret_is_in_the_documentation(stranger: httpx.Client) -> None:
    secrets = {answer["secret"] for name in ("issue_token", "enroll_node") for answer in _answers(name)}
    assert secrets == {"dure_" + "x" * 43}


def test_the_page_for_people_is_there(stranger: httpx.Client) -> None:
    assert "swagger" in stranger.get("/docs").text


def _answers(name: str) -> list[dict[str, Any]]:
    return [found.answer for found in examples.exchanges(name) if found.status < 400]


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for inner in value.values() for found in _references(inner)]
    return [found for inner in value for found in _references(inner)] if isinstance(value, list) else []
