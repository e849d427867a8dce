"""Lists come in pages, and a cursor that is not ours is named as such."""

from typing import Any

import pytest

from scheduler.store import deliveries
from tests.integration.api.conftest import Site, code


def pages(site: Site, path: str, limit: int) -> list[list[dict[str, Any]]]:
    """Every page from the first to the last."""
    found: list[list[dict[str, Any]]] = []
    cursor: str | None = None
    with site.client("admin") as client:
        while True:
            query = {"limit": str(limit), **({} if cursor is None else {"cursor": cursor})}
            answer = client.get(path, params=query).json()
            found.append(answer["items"])
            cursor = answer["next_cursor"]
            if cursor is None:
                return found


def test_pages_together_are_the_list(site: Site) -> None:
    for number in range(5):
        site.post("admin", "/v1/companies", json={"name": f"c{number}"})
    names = ["acme", "c0", "c1", "c2", "c3", "c4", "globex"]
    for limit in (1, 3, 7, 200):
        found = pages(site, "/v1/companies", limit)
        assert [item["name"] for page in found for item in page] == names
        assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)


def test_every_list_is_read_page_by_page(site: Site) -> None:
    site.ask("acme", 1)
    lease = site.ask("acme", 1).json()["id"]
    site.world.turn(site.clock.at)
    hooks = [{"url": f"http://127.0.0.1:9/{number}", "company": "acme"} for number in range(3)]
    webhook, *_ = [site.post("admin", "/v1/webhooks", json=hook).json()["webhook"]["id"] for hook in hooks]
    site.ask("acme", 1)
    site.ask("acme", 1)
    with site.world.db.begin() as session:
        deliveries.give_out(session, now=site.clock.at)
    for path in (
        "/v1/companies",
        "/v1/tokens",
        "/v1/pools",
        "/v1/nodes",
        "/v1/leases",
        "/v1/companies/acme/quotas",
        f"/v1/leases/{lease}/events",
        "/v1/events",
        "/v1/webhooks",
        f"/v1/webhooks/{webhook}/deliveries",
    ):
        found = [item for page in pages(site, path, 1) for item in page]
        assert found == site.get("admin", path).json()["items"], path


@pytest.mark.parametrize(
    "cursor",
    ["", "!", "é", "a", "AA", "_w", "x" * 1000],
    ids=["empty", "no base64", "not ASCII", "cut off", "a NUL", "no UTF-8", "long"],
)
def test_a_cursor_that_is_not_ours_is_refused(standing: Site, cursor: str) -> None:
    for path in ("/v1/companies", "/v1/leases"):
        status, _ = code(standing.get("admin", path, params={"cursor": cursor}))
        assert status == 422


def test_a_cursor_of_another_list_does_no_harm(site: Site) -> None:
    cursor = site.get("admin", "/v1/companies?limit=1").json()["next_cursor"]
    lease = site.ask("acme", 1).json()["id"]
    assert site.get("admin", "/v1/leases", params={"cursor": cursor}).status_code == 200
    answer = site.get("admin", f"/v1/leases/{lease}/events", params={"cursor": cursor})
    assert code(answer) == (422, "bad_cursor")
