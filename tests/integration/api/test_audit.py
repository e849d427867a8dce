"""The audit log over HTTP: who did what, when and why, and who may read it."""

from typing import Any

from dure import wire
from tests.integration.api.conftest import Site, code
from tests.integration.scheduler.conftest import T0

QUOTA = "/v1/companies/acme/quotas/h100"


def audit(site: Site, who: str = "auditor", **params: Any) -> list[dict[str, Any]]:
    answer = site.get(who, "/v1/audit", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def test_a_change_is_read_with_its_before_its_after_and_its_reason(site: Site) -> None:
    answer = site.send("admin", "PUT", QUOTA, json={"gpus": 3}, params={"reason": "half of 두레's budget is spent"})
    newest = audit(site)[0]
    assert newest["actor"].startswith("admin:tok_")
    assert (newest["action"], newest["subject"]) == ("quota.set", "acme/h100")
    assert (newest["before"], newest["after"]) == ({"gpus": 16}, {"gpus": 3})
    assert newest["reason"] == "half of 두레's budget is spent"
    assert newest["request_id"] == answer.headers["x-request-id"]


def test_an_ask_has_its_reason_too(site: Site) -> None:
    body = {"pool": "h100", "shape": {"gpus": 1}, "duration_s": 100, "company": "globex"}
    answer = site.post("admin", "/v1/leases", json=body, params={"reason": "they have no token yet"})
    assert answer.status_code == 201, answer.text
    lease = answer.json()
    [asked] = audit(site, subject=lease["id"])
    assert (asked["action"], asked["reason"], asked["after"]["company"]) == (
        "lease.ask",
        "they have no token yet",
        "globex",
    )


def test_it_is_read_by_who_by_what_and_by_when(site: Site) -> None:
    site.ask("acme", 1)
    site.clock.at = T0 + 100
    site.ask("globex", 1)
    site.send("admin", "PUT", QUOTA, json={"gpus": 5})
    site.send("operator", "POST", "/v1/nodes/n1/drain", json={"duration_s": 600, "reason": "new driver"})
    assert {one["action"] for one in audit(site, actor="company")} == {"lease.ask"}
    [acme] = audit(site, actor="company:acme")
    assert [one["id"] for one in audit(site, actor=acme["actor"])] == [acme["id"]]
    assert [one["action"] for one in audit(site, actor="operator")] == ["node.drain"]
    assert {one["action"] for one in audit(site, action="quota", since="2027-01-15T08:01:40Z")} == {"quota.set"}
    assert [one["subject"] for one in audit(site, action="lease.ask", until="2027-01-15T08:01:40Z")] == [
        acme["subject"]
    ]


def test_a_word_of_an_action_is_all_that_has_it(site: Site) -> None:
    live = site.get("admin", "/v1/policy").json()
    body = {**{name: live[name] for name in ("version", "pools")}, "programme": {"zone": "Asia/Seoul"}}
    assert site.send("admin", "PUT", "/v1/policy?reason=Seoul", json=body).status_code == 200
    assert (
        site.send("admin", "PATCH", "/v1/pools/h100/policy?reason=June", json={"slack_ppm": 20_000}).status_code == 200
    )
    said = [(one["action"], one["reason"]) for one in audit(site, action="policy")]
    assert said == [("pool.policy", "June"), ("policy.apply", "Seoul")]
    assert {one["action"] for one in audit(site, action="pool")} == {"pool.add", "pool.policy"}
    assert {one["action"] for one in audit(site, action="set")} == {"quota.set"}


def test_an_action_that_is_none_is_refused_with_all_there_are(site: Site) -> None:
    for action in ("quo", "quota.", "quota.drop", ""):
        answer = site.get("auditor", "/v1/audit", params={"action": action})
        assert code(answer) == (422, "invalid_request")
        [error] = answer.json()["errors"]
        assert error["field"] == "action"
        assert all(known in error["message"] for known in wire.AuditAction)


def test_a_drain_and_its_end_say_what_they_changed(site: Site) -> None:
    site.post("operator", "/v1/nodes/n1/drain", json={"duration_s": 600, "reason": "new driver"})
    site.clock.at = T0 + 100
    site.post("operator", "/v1/nodes/n1/resume")
    resumed, drained = audit(site, subject="n1", actor="operator")
    begin = {"starts_at": "2027-01-15T08:00:00Z", "ends_at": "2027-01-15T08:10:00Z", "reason": "new driver"}
    [was], [is_] = resumed["before"]["drains"], resumed["after"]["drains"]
    assert (drained["before"], drained["after"]) == (None, was)
    assert was == {"id": was["id"], **begin}
    assert is_ == was | {"ends_at": "2027-01-15T08:01:40Z"}


def test_another_end_is_kept_as_a_time(site: Site) -> None:
    lease = site.ask("acme", 1, duration_s=3600).json()
    site.post("acme", f"/v1/leases/{lease['id']}/extend", json={"by_s": 60})
    [extended] = audit(site, action="lease.extend")
    assert (extended["before"]["ends_at"], extended["after"]["ends_at"]) == (
        "2027-01-15T09:00:00Z",
        "2027-01-15T09:01:00Z",
    )


def test_pages_are_newest_first_and_whole(site: Site) -> None:
    for gpus in range(5):
        site.send("admin", "PUT", QUOTA, json={"gpus": gpus})
    found: list[int] = []
    cursor: str | None = None
    while True:
        params = {"action": "quota.set", "subject": "acme/h100", "limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = site.get("admin", "/v1/audit", params=params).json()
        found += [one["after"]["gpus"] for one in answer["items"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert found[:5] == [4, 3, 2, 1, 0]


def test_a_reason_that_is_none_is_refused_and_nothing_is_done(site: Site) -> None:
    for reason in ("x" * 201, "a\x00b", "two\nlines", "\u202e"):
        answer = site.send("admin", "PUT", QUOTA, json={"gpus": 1}, params={"reason": reason})
        assert code(answer) == (422, "invalid_request")
    assert site.get("admin", "/v1/companies/acme/quotas").json()["items"][0]["gpus"] == 16


def test_blanks_alone_are_no_reason(site: Site) -> None:
    for sent, kept in (("", None), ("   ", None), ("  half is spent ", "half is spent")):
        site.send("admin", "PUT", QUOTA, json={"gpus": len(sent)}, params={"reason": sent})
        newest = site.get("admin", "/v1/audit").json()["items"][0]
        assert (newest["after"], newest["reason"]) == ({"gpus": len(sent)}, kept)


def test_a_company_does_not_read_it(site: Site) -> None:
    assert code(site.get("acme", "/v1/audit")) == (403, "forbidden")


def test_what_cannot_be_printed_is_no_filter(site: Site) -> None:
    for name in ("actor", "action", "subject"):
        assert code(site.get("auditor", "/v1/audit", params={name: "a\x00"})) == (422, "invalid_request")
