"""The policy over HTTP: whole, with a reason, from the version that is live, and once under a key."""

from typing import Any

import pytest

from tests.integration.api.conftest import Site, code

WHY = {"reason": "a test"}


def body(site: Site, **said: Any) -> dict[str, Any]:
    """The live policy with what is said of pool h100."""
    live = site.get("auditor", "/v1/policy").json()
    pools = {**live["pools"], "h100": {**live["pools"]["h100"], **said}}
    return {"version": live["version"], "programme": live["programme"], "pools": pools}


def test_what_is_read_can_be_put_and_is_there_already(site: Site) -> None:
    answer = site.send("admin", "PUT", "/v1/policy", json=body(site), params=WHY)
    assert (answer.status_code, answer.json()["already"], answer.json()["version"]) == (200, True, 2)


def test_a_version_is_read_by_its_number(site: Site) -> None:
    put = site.send("admin", "PUT", "/v1/policy", json=body(site, slack_ppm=7), params=WHY).json()
    assert put["changes"] == [{"where": "pools.h100.slack_ppm", "before": 0, "after": 7}]
    before, after = (site.get("operator", f"/v1/policy?version={number}").json() for number in (2, 3))
    assert (before["pools"]["h100"]["slack_ppm"], after["pools"]["h100"]["slack_ppm"]) == (0, 7)
    assert after["reason"] == "a test"
    assert code(site.get("operator", "/v1/policy?version=4")) == (404, "unknown_policy")
    listed = site.get("operator", "/v1/policy/history?limit=2").json()
    assert [one["version"] for one in listed["items"]] == [3, 2]
    assert listed["next_cursor"] is not None


def test_a_dry_run_needs_no_reason_and_changes_nothing(site: Site) -> None:
    shown = site.send("admin", "PUT", "/v1/policy?dry_run=true", json=body(site, slack_ppm=7))
    assert (shown.status_code, shown.json()["version"]) == (200, 3)
    assert site.get("admin", "/v1/policy").json()["version"] == 2


def test_without_a_reason_nothing_is_put(site: Site) -> None:
    for none in ({}, {"reason": ""}, {"reason": "   "}):
        refused = site.send("admin", "PUT", "/v1/policy", json=body(site, slack_ppm=7), params=none)
        assert (refused.status_code, "reason: say why" in refused.json()["detail"]) == (422, True)
    assert site.get("admin", "/v1/policy").json()["version"] == 2


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        pytest.param("POST", "/v1/pools", {"name": "a100", "product": "NVIDIA A100"}, id="a new pool"),
        pytest.param("PATCH", "/v1/pools/h100/policy", {"slack_ppm": 7}, id="a changed one"),
    ],
)
def test_how_one_pool_promises_is_said_with_a_reason_too(
    site: Site, method: str, path: str, sent: dict[str, Any]
) -> None:
    for none in ({}, {"reason": ""}, {"reason": "   "}):
        refused = site.send("admin", method, path, json=sent, params=none)
        assert (code(refused), "reason: say why" in refused.json()["detail"]) == ((422, "invalid_request"), True)
    assert site.get("admin", "/v1/policy").json()["version"] == 2
    assert site.send("admin", method, path, json=sent, params=WHY).is_success
    [newest, *_] = site.get("admin", "/v1/policy/history").json()["items"]
    assert (newest["version"], newest["reason"]) == (3, "a test")


def test_the_same_request_under_its_key_is_answered_as_it_was(site: Site) -> None:
    sent = {"json": body(site, slack_ppm=7), "params": WHY, "headers": {"Idempotency-Key": "k"}}
    first, again = (site.send("admin", "PUT", "/v1/policy", **sent) for _ in range(2))
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert site.get("admin", "/v1/policy").json()["version"] == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"version": 0}, "greater than or equal to 1", id="version 0"),
        pytest.param({"programme": {"zone": "Mars/Olympus"}}, "is no zone of the IANA database", id="no zone"),
        pytest.param({"programme": {}}, "programme lacks zone", id="a part of the programme"),
        pytest.param({"pools": {}}, "h100 is missing", id="no pool"),
        pytest.param({"pools": {"h100": {}}}, "pools.h100 lacks gap_s, grace_s", id="a part of a pool"),
        pytest.param({"pools": {"H_": {}}}, "pools", id="a name that is none"),
        pytest.param({"more": 1}, "more", id="an unknown field"),
    ],
)
def test_what_is_no_policy_is_told_and_not_put(site: Site, change: dict[str, Any], says: str) -> None:
    answer = site.send("admin", "PUT", "/v1/policy", json={**body(site, slack_ppm=7), **change}, params=WHY)
    assert code(answer) == (422, "invalid_request")
    assert says in answer.text
    assert site.get("admin", "/v1/policy").json()["version"] == 2


@pytest.mark.parametrize(
    ("said", "says"),
    [
        pytest.param({"slack_ppm": 2_000_001}, "slack_ppm", id="too much slack"),
        pytest.param({"slack_ppm": "5%"}, "slack_ppm", id="a person's percentage"),
        pytest.param({"slack_ppm": True}, "slack_ppm", id="true"),
        pytest.param({"gap_s": 0}, "gap_s", id="no gap"),
        pytest.param({"rule": "soon"}, "rule", id="no rule"),
        pytest.param({"grace_s": 601}, "a lease is never extended in its grace", id="a contradiction"),
        pytest.param({"slak_ppm": 1}, "slak_ppm", id="an unknown field"),
    ],
)
def test_a_pools_part_that_is_wrong_is_named(site: Site, said: dict[str, Any], says: str) -> None:
    answer = site.send("admin", "PUT", "/v1/policy", json=body(site, **said), params=WHY)
    assert code(answer) == (422, "invalid_request")
    assert says in answer.text


def test_seniority_may_be_left_out_where_there_is_none(site: Site) -> None:
    sent = body(site, slack_ppm=7)
    del sent["pools"]["h100"]["seniority_s"]
    assert site.send("admin", "PUT", "/v1/policy", json=sent, params=WHY).json()["version"] == 3


def test_a_policy_of_hundreds_of_pools_is_not_too_large_to_be_sent(site: Site) -> None:
    sent = body(site)
    sent["pools"] |= {f"pool-{number}": sent["pools"]["h100"] for number in range(499)}
    assert code(site.send("admin", "PUT", "/v1/policy", json=sent, params=WHY)) == (404, "unknown_pool")
    sent["pools"]["one-more"] = sent["pools"]["h100"]
    assert code(site.send("admin", "PUT", "/v1/policy", json=sent, params=WHY)) == (422, "invalid_request")
