"""Companies that leave: closed only when nothing of theirs runs, asking for nothing then, and back if they come back."""

from concurrent.futures import ThreadPoolExecutor

import psycopg

from scheduler.store import closing
from scheduler.store.db import EDGE_CHANNEL
from tests.integration.api.conftest import Site, code
from tests.integration.scheduler.conftest import ADMIN, T0

CLOSE = "/v1/companies/acme/close?reason=left"


def test_a_closed_company_asks_for_nothing_in_any_way(site: Site) -> None:
    assert site.post("admin", CLOSE).json()["closed_at"] is not None
    assert code(site.ask("acme")) == (409, "company_closed")
    assert code(site.ask("acme", dry_run=True)) == (409, "company_closed")
    assert code(site.ask("admin", company="acme")) == (409, "company_closed")
    wanted = {"pools": ["h100"], "shape": {"gpus": 1}, "duration_s": 100}
    assert code(site.post("acme", "/v1/offers", json=wanted)) == (409, "company_closed")
    assert site.ask("globex").status_code == 201


def test_it_still_reads_what_it_had(site: Site) -> None:
    site.post("admin", CLOSE)
    assert site.get("acme", "/v1/leases").status_code == 200
    assert site.get("acme", "/v1/companies/acme").json()["closed_at"] is not None


def test_it_is_not_closed_while_it_has_leases_and_they_are_named(site: Site) -> None:
    lease = site.ask("acme").json()["id"]
    waits = site.ask("acme", 16).json()["id"]
    refused = site.post("admin", CLOSE)
    assert code(refused) == (409, "company_has_leases")
    assert all(one in refused.json()["detail"] for one in (lease, waits))
    for one in (lease, waits):
        assert site.post("acme", f"/v1/leases/{one}/cancel").status_code == 200
    assert site.post("admin", CLOSE).status_code == 200


def test_it_asks_again_once_it_is_opened_again(site: Site) -> None:
    site.post("admin", CLOSE)
    assert site.post("admin", "/v1/companies/acme/reopen").json()["closed_at"] is None
    assert site.ask("acme").status_code == 201
    done = site.get("admin", "/v1/audit", params={"action": "company"}).json()["items"]
    assert [(one["action"], one["reason"]) for one in done[:2]] == [
        ("company.reopen", None),
        ("company.close", "left"),
    ]


def test_closing_twice_leaves_one_line_and_the_first_time(site: Site) -> None:
    first = site.post("admin", CLOSE).json()
    site.clock.at = T0 + 60
    assert site.post("admin", CLOSE).json() == first
    done = site.get("admin", "/v1/audit", params={"action": "company.close"}).json()["items"]
    assert len(done) == 1


def test_a_scheduler_is_woken_by_a_closing_and_an_opening_so_that_keys_go_and_come_at_once(site: Site) -> None:
    with psycopg.connect(site.world.db.url, autocommit=True) as woken:
        woken.execute(f"LISTEN {EDGE_CHANNEL}")
        site.post("admin", CLOSE)
        site.post("admin", "/v1/companies/acme/reopen")
        assert [one.payload for one in woken.notifies(timeout=20, stop_after=2)] == ["acme", "acme"]


def test_who_asks_while_it_is_being_closed_is_refused_once_it_is(site: Site) -> None:
    with ThreadPoolExecutor() as threads:
        with site.world.db.begin() as session:
            closing.close(session, "acme", actor=ADMIN, now=T0)
            asked = threads.submit(site.ask, "acme")
            assert not asked.done()
        assert code(asked.result()) == (409, "company_closed")


def test_closing_needs_a_reason_and_a_company(site: Site) -> None:
    assert code(site.post("admin", "/v1/companies/acme/close")) == (422, "invalid_request")
    assert code(site.post("admin", "/v1/companies/nobody/close?reason=left")) == (404, "unknown_company")
    assert code(site.post("admin", "/v1/companies/nobody/reopen")) == (404, "unknown_company")
