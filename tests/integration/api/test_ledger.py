"""The ledger over HTTP: what is read, added up again and adjusted, and by whom."""

from typing import Any

import pytest

from tests.integration.api.conftest import Site, code
from tests.integration.scheduler.conftest import T0

LEDGER = "/v1/ledger"
ADJUST = "/v1/ledger/adjustments"


def adjust(site: Site, gpu_seconds: object, *, why: str | None = "a lost hour", who: str = "admin", **more: Any) -> Any:
    body = {"company": "acme", "pool": "h100", "gpu_seconds": gpu_seconds}
    return site.post(who, ADJUST, json=body, params={} if why is None else {"reason": why}, **more)


def entries(site: Site, who: str = "acme", **params: Any) -> list[dict[str, Any]]:
    answer = site.get(who, LEDGER, params={"pool": "h100", **params})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def test_a_company_reads_what_became_of_its_lease(site: Site) -> None:
    lease = site.ask("acme").json()["id"]
    site.ask("globex", 4)
    site.world.turn(T0)
    site.clock.at = T0 + 40
    site.post("acme", f"/v1/leases/{lease}/release")
    site.world.turn(T0 + 41)
    found = entries(site)
    assert [(one["number"], one["kind"], one["gpu_seconds"], one["cause"]) for one in found] == [
        (3, "refund", 480, "released"),
        (2, "settle", 320, "delivered"),
        (1, "commit", 800, "promised"),
    ]
    assert {one["lease"] for one in found} == {lease}
    assert found == entries(site, "auditor", company="acme", lease=lease)
    assert site.get("acme", f"{LEDGER}/verify").json()["entries"] == 3
    everybody = site.get("auditor", f"{LEDGER}/verify").json()
    assert (everybody["entries"], everybody["accounts"], everybody["faults"]) == (4, 2, [])


def test_pages_go_on_where_the_one_before_ended(site: Site) -> None:
    for gpu_seconds in (1, 2, 3):
        adjust(site, gpu_seconds)
    first = site.get("acme", LEDGER, params={"pool": "h100", "limit": 2}).json()
    rest = site.get("acme", LEDGER, params={"pool": "h100", "limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["gpu_seconds"] for one in first["items"] + rest["items"]] == [3, 2, 1]
    assert rest["next_cursor"] is None
    assert code(site.get("acme", LEDGER, params={"pool": "h100", "cursor": "MQ"})) == (422, "bad_cursor")


def test_an_admin_adjusts_with_a_reason_and_the_audit_log_has_it(site: Site) -> None:
    answer = adjust(site, 36_000)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["kind"], found["debit"], found["credit"], found["reason"]) == (
        "adjust",
        "source",
        "available",
        "a lost hour",
    )
    assert found["actor"].startswith("admin:tok_")
    assert entries(site)[0]["actor"] == "admin"
    [act] = site.get("auditor", "/v1/audit", params={"action": "ledger.adjust"}).json()["items"]
    assert (act["subject"], act["reason"]) == ("acme/h100", "a lost hour")
    assert (act["before"], act["after"]) == (
        {"available_gpu_seconds": 0},
        {"available_gpu_seconds": 36_000, "gpu_seconds": 36_000},
    )


def test_sent_again_under_its_key_it_is_adjusted_once(site: Site) -> None:
    for _ in range(2):
        assert adjust(site, 5, headers={"Idempotency-Key": "monday"}).status_code == 201
    assert len(entries(site)) == 1


def test_what_is_not_available_is_not_taken(site: Site) -> None:
    adjust(site, 60)
    answer = adjust(site, -61)
    assert code(answer) == (409, "overdrawn")
    assert answer.json()["numbers"] == {"available_gpu_seconds": 60, "gpu_seconds": -61}
    assert len(entries(site)) == 1


@pytest.mark.parametrize("gpu_seconds", [0, 1.5, "10", None, 10**13 + 1, -(10**13) - 1])
def test_an_amount_that_is_none_is_refused(site: Site, gpu_seconds: object) -> None:
    assert code(adjust(site, gpu_seconds)) == (422, "invalid_request")
    assert entries(site) == []


def test_without_a_reason_nothing_is_adjusted(site: Site) -> None:
    for none in (None, "", "   "):
        refused = adjust(site, 5, why=none)
        assert code(refused) == (422, "invalid_request")
        assert "reason: say why" in refused.json()["detail"]
    assert entries(site) == []


def test_only_an_admin_adjusts(site: Site) -> None:
    for who in ("operator", "auditor", "acme", "n1"):
        assert code(adjust(site, 5, who=who)) == (403, "forbidden")


def test_who_reads_for_others_says_whose(site: Site) -> None:
    assert code(site.get("auditor", LEDGER, params={"pool": "h100"})) == (422, "invalid_request")
    assert code(site.get("acme", LEDGER)) == (422, "invalid_request")
    assert code(site.get("acme", LEDGER, params={"pool": "a100"})) == (404, "unknown_pool")
    assert code(site.get("auditor", LEDGER, params={"pool": "h100", "company": "nobody"})) == (404, "unknown_company")
    assert code(site.get("auditor", f"{LEDGER}/verify", params={"company": "nobody"})) == (404, "unknown_company")
    assert code(site.get("acme", LEDGER, params={"pool": "h100", "lease": "a\x00"})) == (422, "invalid_request")
