"""Asking over HTTP: what each decision is answered with, and what becomes of a lease."""

from datetime import datetime, timedelta
from typing import Any

import httpx

from dure import wire
from tests.integration.api.conftest import Site, code
from tests.integration.scheduler.conftest import GAP_S, T0


def test_an_ask_that_fits_is_answered_201_with_its_promise(site: Site) -> None:
    answer = site.ask("acme", 8)
    lease = answer.json()
    assert (answer.status_code, lease["state"], lease["company"]) == (201, "scheduled", "acme")
    assert lease["promised_start"] == "2027-01-15T08:00:00Z"
    assert lease["decision"]["code"] == "starts_now"
    assert site.get("acme", f"/v1/leases/{lease['id']}").json() == lease


def test_an_ask_that_must_wait_is_answered_202(site: Site) -> None:
    site.ask("globex", 16)
    answer = site.ask("acme", 8, start_by="2027-01-15T08:00:10Z")
    assert (answer.status_code, answer.json()["state"], answer.json()["promised_start"]) == (202, "queued", None)


def test_who_is_queued_is_expected_behind_those_who_wait_before_it(site: Site) -> None:
    days_60 = site.ask("globex", 16, duration_s=wire.HORIZON_S).json()
    first = site.ask("acme", 16, duration_s=1000).json()
    assert estimated(first) == ended(days_60)
    assert site.get("acme", f"/v1/leases/{first['id']}").json() == first
    site.clock.at += 1
    quote = site.ask("globex", 16, duration_s=500, dry_run=True).json()
    second = site.ask("globex", 16, duration_s=500).json()
    shown = site.get("globex", f"/v1/leases/{second['id']}").json()
    after_first = estimated(first) + timedelta(seconds=1000 + GAP_S)
    assert [estimated(found) for found in (quote, second, shown)] == [after_first] * 3
    assert (second["state"], quote["decision"]["outcome"]) == ("queued", "queued")
    assert "would fit at 2027-03-16T08:00:10Z if nobody waited before it" in second["decision"]["detail"]


def test_who_is_queued_is_expected_sooner_once_one_before_it_is_cancelled(site: Site) -> None:
    days_60 = site.ask("globex", 16, duration_s=wire.HORIZON_S).json()
    first, second = (site.ask("acme", 16, duration_s=1000).json() for _ in range(2))
    assert estimated(second) == estimated(first) + timedelta(seconds=1000 + GAP_S)
    site.post("acme", f"/v1/leases/{first['id']}/cancel")
    site.clock.at += 3
    assert estimated(site.get("acme", f"/v1/leases/{second['id']}").json()) == ended(days_60)
    assert estimated(site.ask("acme", 16, duration_s=1000, dry_run=True).json()) == estimated(second)


def test_no_start_is_expected_of_who_would_not_get_one_in_its_window(site: Site) -> None:
    site.ask("globex", 16, duration_s=1000)
    site.ask("globex", 16, start_by="2027-01-15T08:00:10Z")
    queued = site.ask("acme", 16, start_by="2027-01-15T08:00:10Z").json()
    assert (queued["state"], queued["estimated_start"]) == ("queued", None)


def estimated(found: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(found["estimated_start"])


def ended(lease: dict[str, Any]) -> datetime:
    """When the GPUs of a lease are to be had again."""
    return datetime.fromisoformat(lease["ends_at"]) + timedelta(seconds=GAP_S)


def test_a_refusal_is_answered_409_with_the_stored_decision_and_lease(site: Site) -> None:
    answer = site.ask("acme", 17)
    assert code(answer) == (409, "never_fits")
    problem = answer.json()
    stored = site.get("acme", f"/v1/leases/{problem['lease']}").json()
    assert stored["state"] == "refused"
    assert wire.Decision.model_validate(stored["decision"]) == wire.Decision.model_validate(problem["decision"])
    assert problem["numbers"]["limit_gpus"] == 16
    assert problem["detail"] == problem["decision"]["detail"]


def test_a_dry_run_says_what_would_be_and_stores_nothing(site: Site) -> None:
    for gpus, outcome in ((8, "scheduled"), (17, "refused")):
        answer = site.ask("acme", gpus, dry_run=True)
        assert (answer.status_code, answer.json()["decision"]["outcome"]) == (200, outcome)
        assert answer.json()["decision"]["id"] is None
    assert site.get("acme", "/v1/leases").json()["items"] == []


def test_an_active_lease_is_released_after_a_dry_run_said_what_that_does(site: Site) -> None:
    lease = site.ask("acme", 8).json()["id"]
    site.world.turn(T0)
    site.clock.at = T0 + 40
    preview = site.post("acme", f"/v1/leases/{lease}/release?dry_run=true").json()
    assert preview == {"lease": lease, "state": "ending", "stops_at": "2027-01-15T08:00:40Z", "refund_gpu_seconds": 480}
    assert site.get("acme", f"/v1/leases/{lease}").json()["state"] == "active"
    released = site.post("acme", f"/v1/leases/{lease}/release").json()
    assert (released["state"], released["end_cause"], released["stops_at"]) == (
        "ending",
        "released",
        preview["stops_at"],
    )
    assert code(site.post("acme", f"/v1/leases/{lease}/release")) == (409, "wrong_state")


def test_a_promise_is_cancelled_after_a_dry_run_said_what_that_does(site: Site) -> None:
    lease = site.ask("acme", 8, start="2027-01-15T10:00:00Z").json()["id"]
    preview = site.post("acme", f"/v1/leases/{lease}/cancel?dry_run=true").json()
    assert (preview["state"], preview["refund_gpu_seconds"]) == ("cancelled", 800)
    assert site.get("acme", f"/v1/leases/{lease}").json()["state"] == "scheduled"
    assert site.post("acme", f"/v1/leases/{lease}/cancel").json()["state"] == "cancelled"
    assert code(site.post("acme", f"/v1/leases/{lease}/cancel")) == (409, "wrong_state")


def test_dry_run_in_a_body_is_refused_and_nothing_is_released(site: Site) -> None:
    lease = site.ask("acme", 8).json()["id"]
    site.world.turn(T0)
    answer = site.post("acme", f"/v1/leases/{lease}/release", json={"dry_run": True})
    assert code(answer) == (422, "invalid_request")
    assert site.get("acme", f"/v1/leases/{lease}").json()["state"] == "active"


def test_leases_are_listed_newest_first_by_what_is_asked_for(site: Site) -> None:
    for gpus in (1, 2, 17):
        site.ask("acme", gpus)
    site.ask("globex", 3)

    def sizes(who: str, query: str) -> list[int]:
        return [lease["shape"]["gpus"] for lease in site.get(who, f"/v1/leases{query}").json()["items"]]

    assert sizes("acme", "") == [17, 2, 1]
    assert sizes("admin", "") == [3, 17, 2, 1]
    assert sizes("admin", "?company=globex") == [3]
    assert sizes("acme", "?state=refused") == [17]
    assert sizes("acme", "?state=refused&state=scheduled") == [17, 2, 1]
    assert sizes("acme", "?pool=h100&state=active") == []


def test_a_decision_that_was_committed_is_counted_once(site: Site) -> None:
    for _ in range(2):
        site.ask("acme", 1, key="k1")
    site.ask("acme", 17)
    site.ask("acme", 1, dry_run=True)
    series = httpx.get(f"{site.url}/metrics", trust_env=False, timeout=120, verify=False).text
    assert 'dure_decisions_total{code="starts_now",outcome="scheduled",pool="h100"} 1.0' in series
    assert 'dure_decisions_total{code="never_fits",outcome="refused",pool="h100"} 1.0' in series
    assert 'dure_api_requests_total{method="POST",route="/v1/leases",status="201"} 2.0' in series


def test_usage_and_calendar_have_a_stretch_of_their_own_when_none_is_said(site: Site) -> None:
    site.ask("acme", 8)
    site.world.turn(T0)
    site.clock.at = T0 + 50
    usage = site.get("acme", "/v1/usage").json()
    assert (usage["since"], usage["until"]) == ("2026-12-16T08:00:50Z", "2027-01-15T08:00:50Z")
    assert [row["leased_gpu_seconds"] for row in usage["rows"]] == [400]
    calendar = site.get("acme", "/v1/calendar?pool=h100").json()
    assert (calendar["since"], calendar["until"]) == ("2027-01-15T08:00:50Z", "2027-01-16T08:00:50Z")
    assert calendar["capacity"] == 16


def test_leases_are_found_by_their_name(site: Site) -> None:
    made = [site.ask("acme", 1, name=name).json()["id"] for name in ("pretrain", "other", "pretrain")]
    site.ask("globex", 1, name="pretrain")
    assert found(site, "pretrain") == [made[2], made[0]]
    site.post("acme", f"/v1/leases/{made[2]}/cancel")
    assert found(site, "pretrain&state=scheduled") == [made[0]]
    assert found(site, "nobody") == []
    assert code(site.get("acme", "/v1/leases?name=")) == (422, "invalid_request")


def found(site: Site, name: str) -> list[str]:
    return [one["id"] for one in site.get("acme", f"/v1/leases?name={name}").json()["items"]]
