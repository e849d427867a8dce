"""Refused changes of a lease over HTTP: the answer names the decision that was stored, and comes again under its key."""

from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import Site, code
from tests.integration.api.test_bad_input import rows
from tests.integration.scheduler.conftest import T0

HOUR = 3600
IN_AN_HOUR = "2027-01-15T09:11:40Z"
"""700 s after a lease of an hour from T0 on."""


@pytest.fixture
def lease(site: Site) -> str:
    """One of acme's that runs, with all of one node promised to globex after it and another node that is taken."""
    found: str = site.ask("acme", 8, duration_s=HOUR).json()["id"]
    site.ask("globex", 16, duration_s=HOUR, start=IN_AN_HOUR)
    site.world.turn(T0)
    site.clock.at = T0 + 10
    return found


def change(
    site: Site, lease: str, verb: str, *, key: str | None = None, who: str = "acme", **body: Any
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return site.post(who, f"/v1/leases/{lease}/{verb}", json=body, headers=headers)


@pytest.mark.parametrize(
    ("verb", "body", "kind", "want"),
    [
        pytest.param("extend", {"by_s": HOUR}, "extend", "extension_refused", id="an extension"),
        pytest.param("resize", {"gpus": 12}, "resize", "resize_refused", id="a larger size"),
    ],
)
def test_a_refused_change_names_its_decision_which_is_shown_and_made_again(
    site: Site, lease: str, verb: str, body: dict[str, Any], kind: str, want: str
) -> None:
    answer = change(site, lease, verb, **body)
    assert code(answer) == (409, want)
    problem = answer.json()
    decision = problem["decision"]
    assert (decision["outcome"], decision["code"], decision["detail"]) == ("refused", want, problem["detail"])
    assert decision["numbers"] == problem["numbers"]
    address = f"/v1/decisions/{decision['id']}"
    shown = site.get("acme", address).json()
    assert (shown["kind"], shown["lease"], shown["code"]) == (kind, lease, want)
    again = site.post("acme", f"{address}/replay")
    assert (again.status_code, again.json()["result_digest"]) == (200, shown["result_digest"])
    steps = site.get("acme", f"/v1/leases/{lease}/explain").json()["steps"]
    assert (steps[-1]["event"], steps[-1]["decision"]) == (want, decision["id"])
    for method, path in (("GET", address), ("POST", f"{address}/replay")):
        assert code(site.send("globex", method, path)) == (404, "unknown_decision")


def test_a_refused_change_is_one_decision_under_its_key_and_the_same_answer_again(site: Site, lease: str) -> None:
    first = change(site, lease, "extend", key="k1", by_s=HOUR)
    written = rows(site)
    again = change(site, lease, "extend", key="k1", by_s=HOUR)
    assert (again.status_code, again.content) == (409, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == "application/problem+json"
    assert rows(site) == written
    anew = change(site, lease, "extend", key="k2", by_s=HOUR)
    assert anew.json()["decision"]["id"] != first.json()["decision"]["id"]


def test_an_answer_that_decided_nothing_is_not_kept_under_its_key(site: Site) -> None:
    """A lease that waits is in no state to be extended; once it is promised a start, the same request is done."""
    blocks = site.ask("globex", 16, duration_s=HOUR).json()["id"]
    waits = site.ask("acme", 8, duration_s=HOUR, start_by="2027-01-15T08:05:00Z").json()["id"]
    assert code(change(site, waits, "extend", key="k1", by_s=60)) == (409, "wrong_state")
    site.post("globex", f"/v1/leases/{blocks}/cancel")
    site.world.turn(T0)
    assert change(site, waits, "extend", key="k1", by_s=60).status_code == 200


def test_a_dry_run_of_what_is_refused_stores_nothing(site: Site, lease: str) -> None:
    before = rows(site)
    answer = site.post("acme", f"/v1/leases/{lease}/extend?dry_run=true", json={"by_s": HOUR})
    assert code(answer) == (409, "extension_refused")
    assert "decision" not in answer.json()
    assert rows(site) == before


def test_a_lost_claim_names_its_decision_and_the_refused_lease(site: Site) -> None:
    search = {"pools": ["h100"], "shape": {"gpus": 16}, "duration_s": HOUR}
    [first, *_] = site.post("acme", "/v1/offers", json=search).json()["items"]
    site.ask("globex", 16, duration_s=HOUR)
    claim = f"/v1/offers/{first['id']}/claim"
    lost = site.post("acme", claim, json={}, headers={"Idempotency-Key": "k1"})
    assert code(lost) == (409, "offer_gone")
    problem = lost.json()
    assert problem["offers"]
    assert problem["numbers"]["offer"] == first["id"]
    refused = site.get("acme", f"/v1/leases/{problem['lease']}").json()
    assert (refused["state"], refused["decision"]["id"]) == ("refused", problem["decision"]["id"])
    assert site.post("acme", f"/v1/decisions/{problem['decision']['id']}/replay").status_code == 200
    again = site.post("acme", claim, json={}, headers={"Idempotency-Key": "k1"})
    assert again.content == lost.content
