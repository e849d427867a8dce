"""Webhooks over HTTP: added, tried, shown and taken away, each company its own."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.outward import AT_ONCE
from scheduler.store import deliveries
from scheduler.webhooks import sender
from tests.integration.api.conftest import Site, code
from tests.integration.scheduler.conftest import T0
from tests.receiver import Receiver, receiver

HOOKS = "/v1/webhooks"


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def added(site: Site, url: str, who: str = "acme", **more: Any) -> dict[str, Any]:
    answer = site.post(who, HOOKS, json={"url": url, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_webhook_is_added_with_a_secret_that_no_other_answer_shows(site: Site, there: Receiver) -> None:
    issued = added(site, there.url, label="on-call")
    hook = issued["webhook"]
    assert issued["secret"].startswith("whsec_")
    assert hook == {
        "id": hook["id"],
        "company": "acme",
        "url": there.url,
        "label": "on-call",
        "state": "active",
        "created_at": "2027-01-15T08:00:00Z",
        "pending": 0,
        "failing_since": None,
        "retry_at": None,
        "disabled_at": None,
        "disabled_reason": None,
    }
    assert site.get("acme", HOOKS).json()["items"] == [hook]
    assert site.get("acme", f"{HOOKS}/{hook['id']}").json() == hook
    with site.world.db.snapshot() as session:
        kept = session.connection().exec_driver_sql("SELECT after::text FROM audit").scalars().all()
    assert there.url in "".join(filter(None, kept))
    assert issued["secret"] not in "".join(filter(None, kept))


@pytest.mark.parametrize(
    ("url", "want"),
    [
        ("https://169.254.169.254/latest/meta-data/", "address_refused"),
        ("https://10.0.0.1/", "address_refused"),
        ("https://[::1]/", "address_refused"),
        ("http://93.184.215.14/", "address_refused"),
        ("https://2852039166/", "address_refused"),
        ("hooks.acme.example", "invalid_request"),
        ("ftp://hooks.acme.example/", "invalid_request"),
        ("https://user:pass@hooks.acme.example/", "invalid_request"),
        ("https://hooks.acme.example/#here", "invalid_request"),
        ("https://hooks.acme.example:99999/", "invalid_request"),
        ("https://hooks acme.example/", "invalid_request"),
        ("https://hooks.acme.example\\@10.0.0.1/", "invalid_request"),
        ("https://" + "x" * 500, "invalid_request"),
        ("https://[::1/", "invalid_request"),
        ("", "invalid_request"),
        (7, "invalid_request"),
    ],
)
def test_an_address_that_may_not_be_is_refused_with_one_that_may(standing: Site, url: object, want: str) -> None:
    answer = standing.post("acme", HOOKS, json={"url": url})
    assert code(answer) == (422, want)
    [error] = answer.json()["errors"]
    assert error["field"] == "url"
    assert "for example" in error["message"]
    assert standing.get("acme", HOOKS).json()["items"] == []


def test_a_webhook_is_tried_at_once_and_the_answer_says_what_came_of_it(site: Site, there: Receiver) -> None:
    hook = added(site, there.url)["webhook"]["id"]
    there.answers = [200, 500]
    good, bad = (site.post("acme", f"{HOOKS}/{hook}/test").json() for _ in range(2))
    assert (good["ok"], good["status"], good["error"], good["webhook"]) == (True, 200, None, hook)
    assert (bad["ok"], bad["status"], bad["error"]) == (False, 500, "answered 500")
    assert there.ids == [good["id"], bad["id"]]
    assert b'"type":"webhook.test"' in there.got[0].body
    assert site.get("acme", f"{HOOKS}/{hook}").json()["state"] == "active", "a test is not a delivery"
    assert site.get("acme", "/v1/events").json()["items"] == []


def test_trying_addresses_that_hang_leaves_room_for_all_other_requests(
    site: Site, there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "WHOLE_S", 60)
    hook = added(site, there.url)["webhook"]["id"]
    there.hold = threading.Event()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        hanging = [threads.submit(site.post, "acme", f"{HOOKS}/{hook}/test") for _ in range(AT_ONCE)]
        ticks = threading.Event()
        while len(there.got) < AT_ONCE:
            ticks.wait(0.01)
        assert code(site.post("acme", f"{HOOKS}/{hook}/test")) == (503, "unavailable")
        assert site.get("acme", HOOKS).status_code == 200
        there.hold.set()
        assert [answer.result().json()["ok"] for answer in hanging] == [True] * AT_ONCE
    assert site.post("acme", f"{HOOKS}/{hook}/test").json()["ok"]


def test_an_admin_manages_any_companys_and_a_company_its_own(site: Site) -> None:
    address = "http://127.0.0.1:9/"
    mine = added(site, address)["webhook"]["id"]
    theirs = added(site, address, "globex")["webhook"]["id"]
    by_admin = added(site, address, "admin", company="acme")["webhook"]["id"]
    assert code(site.post("admin", HOOKS, json={"url": address})) == (422, "invalid_request")
    assert code(site.post("acme", HOOKS, json={"url": address, "company": "globex"})) == (403, "forbidden")
    assert [hook["id"] for hook in site.get("acme", HOOKS).json()["items"]] == [mine, by_admin]
    assert [hook["id"] for hook in site.get("admin", f"{HOOKS}?company=globex").json()["items"]] == [theirs]
    with site.client("acme") as client:
        for method, path in [
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/test"),
            ("POST", "/rotate"),
            ("POST", "/enable"),
            ("GET", "/deliveries"),
        ]:
            for hook in (theirs, "whk_0000000000000000none"):
                assert code(client.request(method, f"{HOOKS}/{hook}{path}")) == (404, "unknown_webhook")
    assert site.post("admin", f"{HOOKS}/{theirs}/rotate").status_code == 200
    removed = [site.send("acme", "DELETE", f"{HOOKS}/{mine}") for _ in range(2)]
    assert [(answer.status_code, answer.json()["state"]) for answer in removed] == [(200, "removed")] * 2
    assert code(site.get("acme", f"{HOOKS}/{mine}")) == (404, "unknown_webhook")


def test_deliveries_are_shown_with_what_they_are_of_the_newest_first(site: Site) -> None:
    hook = added(site, "http://127.0.0.1:9/")["webhook"]["id"]
    first, second = (site.ask("acme", 1).json()["id"] for _ in range(2))
    with site.world.db.begin() as session:
        deliveries.give_out(session, now=T0)
    found = site.get("acme", f"{HOOKS}/{hook}/deliveries").json()["items"]
    assert [one["lease"] for one in found] == [second, first]
    assert {one["state"] for one in found} == {"pending"}
    assert {one["type"] for one in found} == {"lease.scheduled"}
    assert site.get("acme", f"{HOOKS}/{hook}/deliveries?state=failed&state=delivered").json()["items"] == []
    assert site.get("acme", f"{HOOKS}/{hook}").json()["pending"] == 2
    assert code(site.get("acme", f"{HOOKS}/{hook}/deliveries?state=lost")) == (422, "invalid_request")
