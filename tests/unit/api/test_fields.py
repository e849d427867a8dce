"""What is wrong is said field by field, with what would be right."""

from typing import Any

import httpx
import pytest

from api import examples

ASK: dict[str, Any] = {"pool": "h100-80gb", "shape": {"gpus": 1}, "duration_s": 60}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        pytest.param(
            {**ASK, "shape": {"gpus": 0}}, {"shape.gpus": "greater than or equal to 1; for example 2"}, id="no GPUs"
        ),
        pytest.param(
            {**ASK, "shape": {"gpus": -3}}, {"shape.gpus": "greater than or equal to 1"}, id="fewer than none"
        ),
        pytest.param({**ASK, "shape": {"gpus": 10**9}}, {"shape.gpus": "less than or equal to 100000"}, id="enormous"),
        pytest.param({**ASK, "shape": {"gpus": 10**4000}}, {"shape.gpus": ""}, id="a number of 4,000 digits"),
        pytest.param({**ASK, "shape": {"gpus": "4"}}, {"shape.gpus": "valid integer"}, id="text for a number"),
        pytest.param({**ASK, "shape": {"gpus": 4.0}}, {"shape.gpus": "valid integer"}, id="a fraction for a number"),
        pytest.param({**ASK, "shape": {"gpus": True}}, {"shape.gpus": "valid integer"}, id="true for a number"),
        pytest.param({**ASK, "shape": {"gpu": 4}}, {"shape.gpu": "did you mean gpus?"}, id="a misspelt field, inside"),
        pytest.param({**ASK, "shape": {}}, {"shape": 'for example {"gpus": 4}'}, id="an empty shape"),
        pytest.param({**ASK, "shape": {"nodes": 2}}, {"shape": "both numbers"}, id="half a gang"),
        pytest.param(
            {**ASK, "shape": {"nodes": 2, "gpus_per_node": 8, "gpus": 16}}, {"shape": "not both"}, id="a contradiction"
        ),
        pytest.param({**ASK, "shape": 4}, {"shape": 'for example {"gpus": 2}'}, id="a number for a shape"),
        pytest.param({**ASK, "shape": None}, {"shape": 'for example {"gpus": 2}'}, id="null for a shape"),
        pytest.param(
            {**ASK, "colour": "red"}, {"colour": "there are all_at_once, company, duration_s"}, id="an unknown field"
        ),
        pytest.param({**ASK, "duration_s": 0}, {"duration_s": "for example 7200"}, id="no time"),
        pytest.param({**ASK, "duration_s": 6_000_000}, {"duration_s": "less than or equal to 5184000"}, id="too long"),
        pytest.param(
            {**ASK, "start": 1_800_000_000},
            {"start": "for example 2026-11-24T09:00:00+09:00"},
            id="a number for a time",
        ),
        pytest.param({**ASK, "start": "2026-11-24T09:00:00"}, {"start": "timezone"}, id="a time without its offset"),
        pytest.param({**ASK, "start": "2026-11-24T09:00:00.5Z"}, {"start": "whole seconds"}, id="half a second"),
        pytest.param(
            {**ASK, "start": "9999-12-31T23:59:59-14:00"}, {"start": "between 1970 and 2999"}, id="a time beyond times"
        ),
        pytest.param(
            {**ASK, "start_by": "0001-01-01T00:00:00+14:00"}, {"start_by": "between 1970"}, id="a time before times"
        ),
        pytest.param({**ASK, "name": ""}, {"name": "at least 1 character"}, id="an empty name"),
        pytest.param({**ASK, "name": "x" * 101}, {"name": "at most 100 characters"}, id="a long name"),
        pytest.param({**ASK, "name": "a\nb"}, {"name": "pattern"}, id="a name of two lines"),
        pytest.param({**ASK, "tier": "gold"}, {"tier": "reserved"}, id="an unknown tier"),
        pytest.param({**ASK, "pool": "../etc"}, {"pool": 'for example "h100-80gb"'}, id="a pool that is no name"),
        pytest.param(
            {"pool": "h100-80gb"}, {"shape": "for example", "duration_s": "for example"}, id="two fields missing"
        ),
        pytest.param([ASK], {"body": "for example {"}, id="a list for an ask"),
        pytest.param("h100", {"body": "for example {"}, id="text for an ask"),
        pytest.param({}, {"pool": "required", "shape": "required", "duration_s": "required"}, id="an empty ask"),
    ],
)
def test_a_field_that_is_wrong_is_named_with_its_limit_or_an_example(
    http: httpx.Client, body: Any, errors: dict[str, str]
) -> None:
    answer = http.post("/asks", json=body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    found = {error["field"]: error["message"] for error in problem["errors"]}
    assert set(found) == set(errors)
    for field, says in errors.items():
        assert says in found[field]
    assert all(field in problem["detail"] for field in errors)


def test_no_body_at_all_is_answered_with_a_whole_example(http: httpx.Client) -> None:
    answer = http.post("/asks")
    assert answer.json()["errors"][0]["field"] == "body"
    assert '{"pool": "h100-80gb"' in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"null", b" "], ids=["null", "blanks"])
def test_a_body_that_says_nothing_is_no_body(http: httpx.Client, body: bytes) -> None:
    answer = http.post("/asks", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body")


def test_of_thousands_of_errors_the_first_are_told(http: httpx.Client) -> None:
    gpus = [{"uuid": index} for index in range(1000)]
    answer = http.post("/reports", json={"gpus": gpus})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 20
    assert "and 4002 more" in answer.json()["detail"]
    assert len(answer.content) < 10_000


def test_an_item_of_a_list_is_named_by_its_number(http: httpx.Client) -> None:
    report = {**examples.requests("report_node")[0]}
    report["gpus"] = [*report["gpus"], {**report["gpus"][0], "procesess": 3}]
    answer = http.post("/reports", json=report)
    assert answer.json()["errors"] == [
        {"field": "gpus.2.procesess", "message": "is no field here; did you mean processes?"}
    ]


def test_a_field_with_an_endless_name_is_told_short(http: httpx.Client) -> None:
    answer = http.post("/asks", json={**ASK, "x" * 50_000: 1})
    assert answer.status_code == 422
    assert len(answer.content) < 2_000
