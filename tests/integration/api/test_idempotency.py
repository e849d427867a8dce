"""The same request twice gets the same answer; another request under the same key gets none."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dure import wire
from tests.integration.api.conftest import Site, code, token


def leases(site: Site) -> list[dict[str, Any]]:
    return site.get("admin", "/v1/leases").json()["items"]


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        pytest.param({}, 201, id="a promise"),
        pytest.param(
            {"duration_s": 6000, "start_by": "2027-01-15T08:00:10Z", "gpus": 16}, 202, id="a place in the queue"
        ),
        pytest.param({"gpus": 17}, 409, id="a refusal"),
    ],
)
def test_an_ask_sent_again_gets_the_answer_it_got(site: Site, ask: dict[str, Any], status: int) -> None:
    site.ask("globex", 8, duration_s=100)
    first, again = site.ask("acme", key="k1", **ask), site.ask("acme", key="k1", **ask)
    assert (first.status_code, again.status_code) == (status, status)
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len([lease for lease in leases(site) if lease["company"] == "acme"]) == 1


def test_an_ask_written_another_way_is_the_same_ask(site: Site) -> None:
    first = site.post(
        "acme",
        "/v1/leases",
        json={"pool": "h100", "shape": {"gpus": 1}, "duration_s": 9},
        headers={"Idempotency-Key": "k"},
    )
    again = site.post(
        "acme",
        "/v1/leases",
        json={"duration_s": 9, "shape": {"gpus": 1}, "pool": "h100"},
        headers={"Idempotency-Key": "k"},
    )
    assert again.json() == first.json()


def test_another_ask_under_the_same_key_is_refused(site: Site) -> None:
    assert site.ask("acme", 1, key="k1").status_code == 201
    assert code(site.ask("acme", 2, key="k1")) == (422, "idempotency_key_reused")
    assert len(leases(site)) == 1


def test_an_ask_sent_again_for_another_reason_is_the_same_ask_and_the_first_reason_is_kept(site: Site) -> None:
    body = {"pool": "h100", "shape": {"gpus": 1}, "duration_s": 9, "company": "acme"}

    def ask(**why: str) -> Any:
        return site.post("admin", "/v1/leases", json=body, params=why, headers={"Idempotency-Key": "k"})

    first = ask(reason="for the demo")
    assert first.status_code == 201
    assert [ask(reason="the line broke").json(), ask().json()] == [first.json()] * 2
    asked = site.get("admin", "/v1/audit", params={"subject": first.json()["id"]}).json()["items"]
    assert [one["reason"] for one in asked] == ["for the demo"]


def test_a_change_sent_again_for_another_reason_is_the_same_change(site: Site) -> None:
    def drain(reason: str) -> Any:
        return site.post(
            "admin",
            "/v1/nodes/n1/drain",
            json={"duration_s": 60},
            params={"reason": reason},
            headers={"Idempotency-Key": "k"},
        )

    assert drain("a fan is loud").json() == drain("a fan is loud, says Kim").json()
    assert len(site.get("admin", "/v1/nodes/n1").json()["drains"]) == 1


def test_another_address_under_the_same_key_is_refused(site: Site) -> None:
    first = site.ask("acme", 1, key="k1").json()["id"]
    answer = site.post("acme", f"/v1/leases/{first}/cancel", headers={"Idempotency-Key": "k1"})
    assert code(answer) == (422, "idempotency_key_reused")


def test_two_companies_may_choose_the_same_key(site: Site) -> None:
    assert site.ask("acme", 1, key="k1").json()["company"] == "acme"
    assert site.ask("globex", 1, key="k1").json()["company"] == "globex"


def test_two_tokens_of_a_company_may_choose_the_same_key(site: Site) -> None:
    site.secrets["acme2"] = token(site.world.db, role="company", company="acme")
    assert site.ask("acme", 1, key="k1").json()["id"] != site.ask("acme2", 1, key="k1").json()["id"]


def test_duplicates_that_come_at_once_are_done_once(site: Site) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: site.ask("acme", 1, key="k1"), range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len([answer for answer in answers if "idempotency-replayed" not in answer.headers]) == 1
    assert len(leases(site)) == 1


def test_what_failed_is_not_kept_and_may_be_tried_again_under_its_key(site: Site) -> None:
    assert code(site.ask("acme", key="k1", pool="h200")) == (404, "unknown_pool")
    pool = {"name": "h200", "product": "NVIDIA H200"}
    assert site.post("admin", "/v1/pools?reason=new", json=pool).status_code == 201
    assert code(site.ask("acme", key="k1", pool="h200")) == (409, "never_fits")


def test_a_revoked_token_is_not_told_its_kept_answers(site: Site) -> None:
    issued = site.post("admin", "/v1/tokens", json={"role": "company", "company": "acme"}).json()
    site.secrets["acme2"] = issued["secret"]
    assert site.ask("acme2", 1, key="k1").status_code == 201
    site.send("admin", "DELETE", f"/v1/tokens/{issued['token']['id']}")
    assert code(site.ask("acme2", 1, key="k1")) == (401, "token_revoked")


def test_every_writing_operation_is_done_once_under_its_key(site: Site) -> None:
    lease = site.ask("acme", 1, start="2027-01-15T10:00:00Z").json()["id"]
    issued = site.post("admin", "/v1/tokens", json={"role": "admin"}).json()["token"]["id"]
    hook = site.post("admin", "/v1/webhooks", json={"url": "http://127.0.0.1:9/", "company": "acme"}).json()
    webhook = f"/v1/webhooks/{hook['webhook']['id']}"
    writes = [
        ("POST", "/v1/companies", {"name": "initech"}),
        ("PUT", "/v1/companies/acme/quotas/h100", {"gpus": 5}),
        ("POST", "/v1/tokens", {"role": "admin"}),
        ("DELETE", f"/v1/tokens/{issued}", None),
        ("POST", "/v1/pools?reason=new", {"name": "h200", "product": "NVIDIA H200"}),
        ("POST", "/v1/nodes", {"name": "n3"}),
        ("POST", "/v1/nodes?renew=true", {"name": "n3"}),
        ("POST", f"/v1/leases/{lease}/cancel", None),
        ("POST", "/v1/webhooks", {"url": "http://127.0.0.1:9/", "company": "acme"}),
        ("POST", f"{webhook}/rotate", None),
        ("POST", f"{webhook}/enable", None),
        ("DELETE", webhook, None),
    ]
    with site.client("admin") as client:
        for number, (method, path, body) in enumerate(writes):
            headers = {"Idempotency-Key": f"key-{number}"}
            first, again = (client.request(method, path, json=body, headers=headers) for _ in range(2))
            assert first.is_success, first.text
            assert (again.status_code, again.content) == (first.status_code, first.content), path
            assert again.headers["idempotency-replayed"] == "true"


def test_a_dry_run_keeps_nothing_under_its_key(site: Site) -> None:
    assert site.ask("acme", 1, key="k1", dry_run=True).status_code == 200
    assert site.ask("acme", 2, key="k1").status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256], ids=["empty", "a blank", "not ASCII", "too long"])
def test_a_key_of_another_form_is_refused(standing: Site, key: str) -> None:
    body = {"pool": "h100", "shape": {"gpus": 1}, "duration_s": 9}
    answer = standing.post("acme", "/v1/leases", json=body, headers={b"Idempotency-Key": key.encode("latin-1")})
    assert code(answer) == (422, "invalid_request")
    assert [wire.FieldError.model_validate(found).field for found in answer.json()["errors"]] == ["Idempotency-Key"]
    assert leases(standing) == []


def test_the_longest_key_is_taken(site: Site) -> None:
    assert site.ask("acme", 1, key="~" * 255).status_code == 201
