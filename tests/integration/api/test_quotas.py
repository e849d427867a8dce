"""Quotas over time over HTTP: set, changed, taken away, imported, and promises revoked that are beyond them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import Site, code
from tests.integration.scheduler.conftest import T0

ACME = "/v1/companies/acme/quotas/h100"
ALL = "/v1/quotas"
WEEK = {"gpu_seconds": 10_000, "period": "week"}


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


WHY = {"reason": "less"}


def put(site: Site, body: Mapping[str, Any], **params: Any) -> httpx.Response:
    return site.send("admin", "PUT", ACME, json=body, params=params)


def patch(site: Site, body: Mapping[str, Any], **params: Any) -> httpx.Response:
    return site.send("admin", "PATCH", ACME, json=body, params=params)


def imported(site: Site, *quotas: Mapping[str, Any], **params: Any) -> httpx.Response:
    return site.send("admin", "PUT", ALL, json={"quotas": quotas}, params=params)


def quota(site: Site, company: str = "acme") -> dict[str, Any]:
    [found] = site.get("admin", f"/v1/companies/{company}/quotas").json()["items"]
    return found


def kept(site: Site) -> tuple[object, ...]:
    """What a change leaves behind: the pool's generation, quotas, leases, audit log, ledger and events."""
    return tuple(
        site.get("admin", path).json()
        for path in (
            "/v1/pools/h100",
            ALL,
            "/v1/companies/acme/quotas",
            "/v1/leases",
            "/v1/audit",
            "/v1/ledger?pool=h100&company=acme",
            "/v1/events",
        )
    )


def promised(site: Site, gpus: int, who: str = "acme", *, after_s: int = 3600) -> str:
    """A promise of so many GPUs in an hour."""
    answer = site.ask(who, gpus, start=iso(T0 + after_s))
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def test_what_is_left_out_of_a_change_stays_and_null_takes_a_limit_away(site: Site) -> None:
    put(site, {"gpus": 16, "longest_s": 500, "furthest_s": 7200, "open_asks": 3, "budget": WEEK})
    found = patch(site, {"gpus": 8, "longest_s": None, "budget": None}).json()
    assert (found["gpus"], found["longest_s"], found["budget"], found["periods"]) == (8, None, None, [])
    assert (found["furthest_s"], found["open_asks"]) == (7200, 3)
    assert quota(site) == found


def test_setting_it_whole_takes_away_what_is_left_out(site: Site) -> None:
    put(site, {"gpus": 16, "longest_s": 500, "budget": WEEK})
    found = put(site, {"gpus": 8}).json()
    assert (found["gpus"], found["longest_s"], found["budget"]) == (8, None, None)


def test_the_periods_of_a_budget_begin_in_the_programmes_zone_unless_it_says_one(site: Site) -> None:
    live = site.get("admin", "/v1/policy").json()
    body = {**{name: live[name] for name in ("version", "pools")}, "programme": {"zone": "Asia/Seoul"}}
    assert site.send("admin", "PUT", "/v1/policy?reason=Seoul", json=body).status_code == 200
    found = patch(site, {"budget": WEEK}).json()
    assert (found["budget"]["zone"], found["periods"][1]["begins_at"]) == ("Asia/Seoul", "2027-01-17T15:00:00Z")
    there = patch(site, {"budget": {**WEEK, "zone": "America/New_York"}}).json()
    assert there["periods"][1]["begins_at"] == "2027-01-18T05:00:00Z"


def test_weeks_in_which_the_clocks_change_are_167_or_169_hours_long_and_have_the_same_budget(site: Site) -> None:
    def weeks(at: str) -> list[tuple[float, int]]:
        site.clock.at = datetime.fromisoformat(at).timestamp()
        patch(site, {"budget": None})
        periods = patch(site, {"budget": {**WEEK, "zone": "Europe/Berlin"}}).json()["periods"]
        hours = [
            (datetime.fromisoformat(one["ends_at"]) - datetime.fromisoformat(one["begins_at"])).total_seconds() / 3600
            for one in periods
        ]
        return list(zip(hours, (one["gpu_seconds"] for one in periods), strict=True))[1:4]

    assert weeks("2027-03-10T12:00:00Z") == [(168, 10_000), (167, 10_000), (168, 10_000)]
    assert weeks("2027-10-13T12:00:00Z") == [(168, 10_000), (169, 10_000), (168, 10_000)]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param({}, 'for example {\\"gpus\\": 16}', id="nothing"),
        pytest.param({"gpus": None}, "gpus is a number; 0 closes the pool", id="no GPUs"),
        pytest.param({"gpus": -1}, "gpus", id="fewer than none"),
        pytest.param({"gpus": True}, "gpus", id="true"),
        pytest.param({"gpus": 1.5}, "gpus", id="half a GPU"),
        pytest.param({"longest_s": 0}, "longest_s", id="a lease of no length"),
        pytest.param({"longest_s": 60 * 86_400 + 1}, "longest_s", id="longer than the horizon"),
        pytest.param({"open_asks": 0}, "open_asks", id="no asks"),
        pytest.param({"ahead_gpu_seconds": -1}, "ahead_gpu_seconds", id="less than nothing ahead"),
        pytest.param({"budget": {"gpu_seconds": -1, "period": "week"}}, "budget.gpu_seconds", id="a negative budget"),
        pytest.param({"budget": {"gpu_seconds": 1}}, "budget.period", id="a budget of no period"),
        pytest.param({"budget": {"gpu_seconds": 1, "period": "day"}}, "budget.period", id="a budget of a day"),
        pytest.param({"budget": {**WEEK, "zone": "Mars/Olympus"}}, "no zone of the IANA database", id="no zone"),
        pytest.param({"budget": {**WEEK, "begins_at": iso(T0)}}, "a term has both", id="a week with a begin"),
        pytest.param(
            {"budget": {"gpu_seconds": 1, "period": "term"}}, "begins_at and ends_at", id="a term of no dates"
        ),
        pytest.param(
            {"budget": {"gpu_seconds": 1, "period": "term", "begins_at": iso(T0 + 2), "ends_at": iso(T0 + 1)}},
            "ends after it begins",
            id="a term that ends first",
        ),
        pytest.param(
            {"budget": {"gpu_seconds": 1, "period": "term", "begins_at": iso(T0 - 2), "ends_at": iso(T0 - 1)}},
            "the term is over already",
            id="a term that is over",
        ),
        pytest.param(
            {
                "budget": {
                    "gpu_seconds": 1,
                    "period": "term",
                    "begins_at": iso(T0),
                    "ends_at": iso(T0 + 9),
                    "carries_over": True,
                }
            },
            "no period after it",
            id="a term that carries over",
        ),
        pytest.param({"hours": 1}, "hours", id="an unknown field"),
    ],
)
def test_what_is_no_quota_is_told_and_nothing_is_changed(standing: Site, body: dict[str, Any], says: str) -> None:
    before = kept(standing)
    for path, sent in ((ACME, body), ("/v1/companies/nobody/quotas/h100", body)):
        answer = standing.send("admin", "PATCH", path, json=sent)
        if path == ACME:
            assert code(answer) == (422, "invalid_request")
            assert says in answer.text
        assert answer.status_code in (404, 422)
    assert kept(standing) == before


def test_who_or_what_is_not_there_is_named(standing: Site) -> None:
    for method, path, want in (
        ("PATCH", "/v1/companies/nobody/quotas/h100", "unknown_company"),
        ("PATCH", "/v1/companies/acme/quotas/h200", "unknown_pool"),
        ("PUT", "/v1/companies/acme/quotas/h200", "unknown_pool"),
        ("DELETE", "/v1/companies/nobody/quotas/h100", "unknown_company"),
        ("DELETE", "/v1/companies/acme/quotas/h200", "unknown_pool"),
        ("DELETE", "/v1/quotas/h100", "unknown_quota"),
        ("DELETE", "/v1/quotas/h200", "unknown_pool"),
    ):
        sent = {} if method == "DELETE" else {"json": {"gpus": 1}}
        assert code(standing.send("admin", method, path, **sent)) == (404, want)


def test_a_dry_run_says_what_would_be_so_and_keeps_nothing(site: Site) -> None:
    lease = promised(site, 8)
    before = kept(site)
    shown = patch(site, {"gpus": 4, "budget": WEEK}, dry_run=True).json()
    assert (shown["gpus"], [one["lease"] for one in shown["beyond"]]) == (4, [lease])
    assert [one["gpu_seconds"] for one in shown["periods"][1:2]] == [10_000]
    assert put(site, {"gpus": 0}, dry_run=True, revoke=lease).json()["revoked"] == [lease]
    assert imported(site, {"pool": "h100", "gpus": 1}, {"company": "acme", "pool": "h100", "gpus": 2}, dry_run=True)
    gone = site.send("admin", "DELETE", ACME, params={"dry_run": "true"}).json()
    assert (gone["gpus"], gone["of_default"]) == (0, True)
    assert kept(site) == before


def test_promises_stay_beyond_a_lowered_quota_and_are_named_with_the_limit(site: Site) -> None:
    first, second = promised(site, 8), promised(site, 8)
    found = put(site, {"gpus": 8}).json()
    assert [(one["lease"], one["gpus"], one["limit"]) for one in found["beyond"]] == [(second, 8, "gpus")]
    assert quota(site)["beyond"] == found["beyond"]
    for body, limit, beyond in (
        ({"gpus": 16, "longest_s": 99}, "longest_s", [first, second]),
        ({"gpus": 16, "furthest_s": 3599}, "furthest_s", [first, second]),
        ({"gpus": 16, "ahead_gpu_seconds": 800}, "ahead_gpu_seconds", [second]),
        ({"gpus": 16, "open_asks": 1}, "open_asks", [second]),
        ({"gpus": 16, "budget": {**WEEK, "gpu_seconds": 799}}, "budget", [first, second]),
    ):
        found = put(site, body).json()["beyond"]
        assert [(one["lease"], one["limit"]) for one in found] == [(lease, limit) for lease in beyond], body
    assert put(site, {"gpus": 16}).json()["beyond"] == []


def test_with_its_own_quota_what_is_beyond_the_default_is_taken_back(site: Site) -> None:
    lease = promised(site, 8)
    refused = site.send("admin", "DELETE", ACME, params={"revoke": "lea_0", **WHY})
    assert code(refused) == (409, "not_beyond_quota")
    gone = site.send("admin", "DELETE", ACME, params={"revoke": lease, **WHY}).json()
    assert (gone["gpus"], gone["revoked"], gone["beyond"]) == (0, [lease], [])


def test_what_is_revoked_is_cancelled_with_that_cause_refunded_told_and_in_the_audit_log(site: Site) -> None:
    first, second = promised(site, 8), promised(site, 8)
    answer = patch(site, {"gpus": 8, "budget": {**WEEK}}, revoke=second, reason="half is spent")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["revoked"], found["beyond"], found["booked_gpus"]) == ([second], [], 8)
    assert [one["booked_gpu_seconds"] for one in found["periods"] if one["booked_gpu_seconds"]] == [800]
    lease = site.get("acme", f"/v1/leases/{second}").json()
    assert (lease["state"], lease["end_cause"]) == ("cancelled", "revoked")
    told = site.get("acme", f"/v1/leases/{second}/events").json()["items"][-1]
    assert (told["event"], told["cause"], told["detail"]) == ("cancelled", "revoked", {"limit": "gpus"})
    assert site.get("acme", "/v1/events").json()["items"][-1]["type"] == "lease.cancelled"
    entries = site.get("acme", f"/v1/ledger?pool=h100&lease={second}").json()["items"]
    assert (entries[0]["kind"], entries[0]["gpu_seconds"], entries[0]["cause"]) == ("refund", 800, "revoked")
    assert site.get("admin", "/v1/ledger/verify").json()["faults"] == []
    [act] = site.get("auditor", "/v1/audit?action=lease.revoke").json()["items"]
    assert (act["subject"], act["reason"], act["after"]) == (
        second,
        "half is spent",
        {"state": "cancelled", "limit": "gpus"},
    )
    [set_, *_] = site.get("auditor", "/v1/audit?action=quota.set").json()["items"]
    assert (set_["subject"], set_["reason"], set_["before"]["gpus"], set_["after"]["gpus"]) == (
        "acme/h100",
        "half is spent",
        16,
        8,
    )
    assert site.get("acme", f"/v1/leases/{first}").json()["state"] == "scheduled"
    assert site.ask("globex", 8, start=iso(T0 + 3600)).status_code == 201, "its GPUs are free again"


@pytest.mark.parametrize("reason", [None, "", "   "], ids=["none", "empty", "blanks"])
def test_without_a_reason_no_promise_is_taken_back_and_nothing_is_changed(site: Site, reason: str | None) -> None:
    lease = promised(site, 8)
    before = kept(site)
    said = {} if reason is None else {"reason": reason}
    for answer in (
        put(site, {"gpus": 0}, revoke=lease, **said),
        patch(site, {"gpus": 0}, revoke=lease, **said),
        site.send("admin", "DELETE", ACME, params={"revoke": lease, **said}),
        imported(site, {"company": "acme", "pool": "h100", "gpus": 0}, revoke=lease, **said),
    ):
        assert code(answer) == (422, "invalid_request")
        assert [one["field"] for one in answer.json()["errors"]] == ["reason"]
    assert kept(site) == before


def test_of_all_that_is_named_everything_is_beyond_the_quota_or_nothing_is_changed(site: Site) -> None:
    first, second = promised(site, 8), promised(site, 8)
    theirs = promised(site, 4, "globex", after_s=7200)
    before = kept(site)
    for wrong in (first, theirs, "lea_0000000000000000none"):
        answer = patch(site, {"gpus": 8}, revoke=[second, wrong], **WHY)
        assert code(answer) == (409, "not_beyond_quota")
        assert answer.json()["numbers"] == {"not_beyond": wrong, "beyond": second}
    assert kept(site) == before


def test_a_thousand_promises_may_be_named_at_once_and_no_more(standing: Site) -> None:
    ids = [f"lea_{number:020}" for number in range(1001)]
    assert code(patch(standing, {"gpus": 8}, revoke=ids[:1000], **WHY)) == (409, "not_beyond_quota")
    answer = patch(standing, {"gpus": 8}, revoke=ids, **WHY)
    assert code(answer) == (422, "invalid_request")
    assert "revoke" in answer.text


def test_a_lease_that_runs_is_never_revoked(site: Site) -> None:
    lease = site.ask("acme", 8).json()["id"]
    site.world.turn(T0)
    found = patch(site, {"gpus": 0})
    assert found.json()["beyond"] == []
    assert code(patch(site, {"gpus": 0}, revoke=lease, **WHY)) == (409, "not_beyond_quota")
    assert site.get("acme", f"/v1/leases/{lease}").json()["state"] == "active"


def test_a_company_without_a_quota_of_its_own_follows_the_pools_default(site: Site) -> None:
    assert imported(site, {"pool": "h100", "gpus": 4, "longest_s": 500}).status_code == 200
    assert site.post("admin", "/v1/companies", json={"name": "initech"}).status_code == 201
    assert (quota(site, "initech")["gpus"], quota(site, "initech")["of_default"]) == (4, True)
    assert site.send("admin", "DELETE", ACME).json()["longest_s"] == 500
    found = imported(site, {"pool": "h100", "gpus": 6}).json()
    assert [(one["company"], one["before"]["gpus"], one["after"]["gpus"]) for one in found["changes"]] == [(None, 4, 6)]
    assert [quota(site, who)["gpus"] for who in ("acme", "initech", "globex")] == [6, 6, 16]
    assert site.send("admin", "DELETE", "/v1/quotas/h100").json()["gpus"] == 6
    assert [quota(site, who)["gpus"] for who in ("acme", "initech", "globex")] == [0, 0, 16]


def test_a_change_of_a_default_names_the_promises_of_everybody_who_follows_it(site: Site) -> None:
    imported(site, {"pool": "h100", "gpus": 8})
    for who in ("acme", "globex"):
        site.send("admin", "DELETE", f"/v1/companies/{who}/quotas/h100")
    leases = [promised(site, 8, who) for who in ("acme", "globex")]
    [change] = imported(site, {"pool": "h100", "gpus": 4}, revoke=leases, **WHY).json()["changes"]
    assert sorted(one["lease"] for one in change["beyond"]) == sorted(leases)
    states = {site.get("admin", f"/v1/leases/{lease}").json()["state"] for lease in leases}
    assert states == {"cancelled"}


def test_what_is_listed_can_be_imported_again_and_is_the_same(site: Site) -> None:
    imported(
        site,
        {"pool": "h100", "gpus": 4, "budget": WEEK, "open_asks": 2},
        {"company": "acme", "pool": "h100", "gpus": 5},
    )
    listed = site.get("auditor", ALL).json()["items"]
    before = kept(site)
    answer = imported(site, *listed).json()
    assert (answer["changes"], answer["same"], len(listed)) == ([], 3, 3)
    assert kept(site) == before


def test_of_an_import_with_one_wrong_quota_nothing_is_set_and_each_that_is_wrong_is_named(site: Site) -> None:
    before = kept(site)
    answer = imported(
        site,
        {"pool": "h100", "gpus": 4},
        {"company": "acme", "pool": "h100", "gpus": 8},
        {"company": "hooli", "pool": "h100", "gpus": 8},
        {"company": "globex", "pool": "h200", "gpus": 8},
    )
    assert code(answer) == (422, "invalid_request")
    assert [(one["field"], one["message"]) for one in answer.json()["errors"]] == [
        ("quotas.2.company", "there is no company hooli"),
        ("quotas.3.pool", "there is no pool h200"),
    ]
    assert "Nothing was changed" in answer.json()["detail"]
    assert kept(site) == before


def test_of_an_import_everything_that_is_wrong_with_a_quota_is_named_at_once(site: Site) -> None:
    before = kept(site)
    over = {"gpu_seconds": 1, "period": "term", "begins_at": iso(T0 - 9), "ends_at": iso(T0)}
    answer = imported(
        site,
        {"company": "hooli", "pool": "h200", "gpus": 0, "budget": over, "ahead_gpu_seconds": 9},
        {"company": "acme", "pool": "h100", "gpus": 8},
        {"company": "globex", "pool": "h100", "gpus": 0, "ahead_gpu_seconds": 9},
    )
    assert code(answer) == (422, "invalid_request")
    assert [(one["field"], one["message"].partition(" ")[0]) for one in answer.json()["errors"]] == [
        ("quotas.0.company", "there"),
        ("quotas.0.pool", "there"),
        ("quotas.0.budget", "the"),
        ("quotas.0.budget", "nothing"),
        ("quotas.0.ahead_gpu_seconds", "nothing"),
        ("quotas.2.ahead_gpu_seconds", "nothing"),
    ]
    assert kept(site) == before


def test_a_term_that_is_over_and_a_limit_that_has_no_use_are_named_together(standing: Site) -> None:
    over = {"gpu_seconds": 1, "period": "term", "begins_at": iso(T0 - 9), "ends_at": iso(T0)}
    answer = patch(standing, {"gpus": 4, "budget": over, "furthest_s": 0, "ahead_gpu_seconds": 9})
    assert code(answer) == (422, "invalid_request")
    assert [one["field"] for one in answer.json()["errors"]] == ["budget", "ahead_gpu_seconds"]


@pytest.mark.parametrize("of_default", [False, True], ids=["a company's", "a default"])
def test_a_term_that_is_over_is_named_by_its_place_in_the_import(standing: Site, of_default: bool) -> None:
    before = kept(standing)
    term = {"gpu_seconds": 1, "period": "term", "begins_at": iso(T0 - 9), "ends_at": iso(T0)}
    whose = {} if of_default else {"company": "acme"}
    answer = imported(
        standing, {"company": "globex", "pool": "h100", "gpus": 3}, {**whose, "pool": "h100", "gpus": 2, "budget": term}
    )
    assert code(answer) == (422, "invalid_request")
    [error] = answer.json()["errors"]
    assert error["field"] == "quotas.1.budget"
    assert "over already" in error["message"]
    assert kept(standing) == before


@pytest.mark.parametrize(
    ("quotas", "says"),
    [
        pytest.param([], "quotas", id="none"),
        pytest.param([{"pool": "h100", "gpus": 1}] * 2, "are both of the default in pool h100", id="a default twice"),
        pytest.param(
            [{"company": "acme", "pool": "h100", "gpus": gpus} for gpus in (1, 2)],
            "quotas.1 and quotas.0 are both of company acme in pool h100",
            id="a company twice",
        ),
        pytest.param([{"gpus": 1}], "quotas.0.pool", id="no pool"),
        pytest.param([{"pool": "h100"}], "quotas.0.gpus", id="no GPUs"),
    ],
)
def test_what_is_no_import_is_told(standing: Site, quotas: list[dict[str, Any]], says: str) -> None:
    answer = imported(standing, *quotas)
    assert code(answer) == (422, "invalid_request")
    assert says in answer.text


MONTH = {"gpu_seconds": 360_000, "period": "month"}


@pytest.mark.parametrize(
    ("body", "field", "numbers"),
    [
        pytest.param({"gpus": 0, "budget": MONTH}, "budget", {"gpus": 0, "budget_gpu_seconds": 360_000}, id="a budget"),
        pytest.param(
            {"gpus": 0, "ahead_gpu_seconds": 9}, "ahead_gpu_seconds", {"gpus": 0, "ahead_gpu_seconds": 9}, id="ahead"
        ),
        pytest.param(
            {"gpus": 4, "furthest_s": 0, "ahead_gpu_seconds": 9},
            "ahead_gpu_seconds",
            {"furthest_s": 0, "ahead_gpu_seconds": 9},
            id="ahead, and nothing is",
        ),
    ],
)
def test_limits_that_cannot_be_meant_together_are_refused_with_both_and_nothing_is_changed(
    site: Site, body: dict[str, Any], field: str, numbers: dict[str, int]
) -> None:
    before = kept(site)
    listed = {"company": "globex", "pool": "h100", "gpus": 3}, {"company": "acme", "pool": "h100", **body}
    default = {"pool": "h100", **body}
    for answer, place in (
        (put(site, body), ""),
        (patch(site, body), ""),
        (patch(site, body, dry_run=True), ""),
        (imported(site, *listed), "quotas.1."),
        (imported(site, *listed, dry_run=True), "quotas.1."),
        (imported(site, default), "quotas.0."),
    ):
        assert code(answer) == (422, "contradictory_limits")
        found = answer.json()
        assert ([one["field"] for one in found["errors"]], found["numbers"]) == ([place + field], numbers)
        assert "Nothing was changed" in found["detail"]
    assert kept(site) == before


def test_a_pool_is_closed_for_a_while_and_the_budget_that_has_no_use_meanwhile_is_named(site: Site) -> None:
    put(site, {"gpus": 16, "budget": MONTH, "longest_s": 500})
    closed = patch(site, {"gpus": 0}).json()
    assert [one["field"] for one in closed["warnings"]] == ["budget", "longest_s"]
    assert quota(site)["warnings"] == closed["warnings"]
    listed = site.get("admin", ALL).json()["items"]
    assert imported(site, *listed).json()["changes"] == [], "what was exported can be imported"
    assert code(patch(site, {"budget": {**MONTH, "gpu_seconds": 1}})) == (422, "contradictory_limits")
    assert patch(site, {"gpus": 16}).json()["warnings"] == []


def test_a_limit_that_is_never_reached_is_set_and_named(site: Site) -> None:
    never = {"gpus": 1, "budget": {"gpu_seconds": 3_600_000, "period": "week"}}
    found = put(site, never).json()
    assert [one["field"] for one in found["warnings"]] == ["budget"]
    assert "1000h/week is never reached" in found["warnings"][0]["message"]
    [change] = imported(site, {"pool": "h100", **never}).json()["changes"]
    assert change["warnings"] == found["warnings"]


def test_who_follows_a_closed_default_is_not_asked_about_it(site: Site) -> None:
    imported(site, {"pool": "h100", "gpus": 4, "budget": MONTH})
    assert imported(site, {"pool": "h100", "gpus": 0, "budget": {**MONTH, "zone": "UTC"}}).status_code == 200
    assert site.post("admin", "/v1/companies", json={"name": "initech"}).status_code == 201
    assert [one["field"] for one in site.send("admin", "DELETE", ACME).json()["warnings"]] == ["budget"]


def test_the_same_request_under_its_key_is_done_once(site: Site) -> None:
    lease = promised(site, 8)
    sent = {"json": {"gpus": 4}, "params": {"revoke": lease, **WHY}, "headers": {"Idempotency-Key": "monday"}}
    first, again = (site.send("admin", "PATCH", ACME, **sent) for _ in range(2))
    assert (first.status_code, first.json()["revoked"]) == (200, [lease])
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = {**sent, "json": {"gpus": 5}}
    assert code(site.send("admin", "PATCH", ACME, **other)) == (422, "idempotency_key_reused")


def test_a_company_reads_its_own_and_sets_none_and_only_an_admin_does(site: Site) -> None:
    assert site.get("acme", "/v1/companies/acme/quotas").status_code == 200
    assert code(site.get("acme", "/v1/companies/globex/quotas")) == (403, "forbidden")
    assert code(site.get("acme", ALL)) == (403, "forbidden")
    for who in ("auditor", "operator"):
        assert site.get(who, ALL).status_code == 200
    before = kept(site)
    for who in ("acme", "operator", "auditor"):
        assert code(site.send(who, "PATCH", ACME, json={"gpus": 1})) == (403, "forbidden")
        assert code(site.send(who, "PUT", ALL, json={"quotas": [{"pool": "h100", "gpus": 1}]})) == (403, "forbidden")
        assert code(site.send(who, "PATCH", ACME, json={"gpus": 1}, params={"dry_run": "true"})) == (403, "forbidden")
    assert kept(site) == before


def test_two_admins_at_once_each_change_what_they_name(site: Site) -> None:
    changes = [{"longest_s": 500}, {"open_asks": 7}, {"furthest_s": 900}, {"budget": WEEK}, {"gpus": 9}] * 3
    with ThreadPoolExecutor(5) as threads:
        answers = list(threads.map(lambda body: patch(site, body), changes))
    assert {answer.status_code for answer in answers} == {200}
    found = quota(site)
    assert (found["longest_s"], found["open_asks"], found["furthest_s"], found["gpus"]) == (500, 7, 900, 9)
    assert found["budget"]["gpu_seconds"] == 10_000
    acts = site.get("admin", "/v1/audit?action=quota.set&subject=acme/h100").json()["items"]
    assert all(later["before"] == {**earlier["after"]} for later, earlier in pairwise(acts))
    assert site.get("admin", "/v1/ledger/verify").json()["faults"] == []


def test_page_by_page_each_quota_is_there_once(site: Site) -> None:
    for name in ("a", "b-c", "zz"):
        site.post("admin", "/v1/companies", json={"name": name})
        site.post("admin", "/v1/pools", json={"name": f"p.{name}", "product": f"P {name}"}, params=WHY)
    wanted = [{"company": None, "pool": pool, "gpus": 1} for pool in ("p.zz", "h100", "p.a")]
    wanted += [{"company": name, "pool": pool, "gpus": 2} for name in ("zz", "a", "b-c") for pool in ("p.a", "h100")]
    imported(site, *wanted)
    found: list[tuple[str | None, str]] = []
    cursor: str | None = None
    while True:
        params = {"limit": "1", **({} if cursor is None else {"cursor": cursor})}
        answer = site.get("auditor", ALL, params=params).json()
        assert len(answer["items"]) == 1
        found += [(one["company"], one["pool"]) for one in answer["items"]]
        if (cursor := answer["next_cursor"]) is None:
            break
    whole = site.get("auditor", ALL).json()["items"]
    assert found == [(one["company"], one["pool"]) for one in whole]
    assert found[:3] == [(None, "h100"), (None, "p.a"), (None, "p.zz")]
    assert sorted(found[3:]) == found[3:]
    assert len(found) == 3 + 6 + 2, "with those of acme and globex"


def test_an_import_of_a_thousand_quotas_is_not_too_large_and_the_same_again_changes_nothing(site: Site) -> None:
    names = [f"c{number:04}" for number in range(1000)]
    with site.world.db.begin() as session:
        session.connection().exec_driver_sql(
            "INSERT INTO company (name, created_at) SELECT 'c' || lpad(i::text, 4, '0'), now() FROM generate_series(0, 999) i"
        )
    wanted = [{"company": name, "pool": "h100", "gpus": 4, "longest_s": 3600, "open_asks": 5} for name in names]
    answer = imported(site, {"pool": "h100", "gpus": 2}, *wanted)
    assert (answer.status_code, len(answer.json()["changes"])) == (200, 1001)
    again = imported(site, *wanted).json()
    assert (again["changes"], again["same"]) == ([], 1000)
