"""Reports over HTTP: JSON and CSV, pages, and the days that are shown when none are said."""

import base64
import csv
import io

import httpx
import pytest

from tests.integration.api.conftest import Site, code
from tests.integration.scheduler.conftest import T0

NUMBERS = (
    "leases,leased_gpu_seconds,busy_gpu_seconds,idle_gpu_seconds,unknown_gpu_seconds,lost_gpu_seconds,energy_joules"
)


def leased(site: Site) -> None:
    """100 seconds of 8 GPUs for each company, of which nobody saw anything."""
    for who in ("acme", "globex"):
        assert site.ask(who).status_code == 201
    site.world.turn(T0)
    site.clock.at = T0 + 100
    site.world.turn(T0 + 100)


def test_a_report_is_of_the_last_thirty_days_and_today_unless_said_otherwise(site: Site) -> None:
    leased(site)
    found = site.get("admin", "/v1/reports").json()
    assert (found["since"], found["until"], found["zone"]) == ("2026-12-17", "2027-01-16", "UTC")
    assert [(row["company"], row["pool"], row["leased_gpu_seconds"]) for row in found["rows"]] == [
        ("acme", "h100", 800),
        ("globex", "h100", 800),
    ]
    assert (found["total"]["leases"], found["total"]["unknown_gpu_seconds"]) == (2, 1600)


def test_csv_has_a_line_of_names_the_rows_and_the_address_of_the_next_page(site: Site) -> None:
    leased(site)
    with site.client("admin") as client:
        first = client.get("/v1/reports?by=company&by=day&limit=1", headers={"Accept": "text/csv"})
        assert first.headers["content-type"] == "text/csv; charset=utf-8"
        assert first.text.splitlines()[0] == f"day,company,{NUMBERS},utilization_ppm,memory_bytes"
        again = first.headers["link"].removeprefix("<").removesuffix('>; rel="next"')
        last = client.get(again, headers={"Accept": "text/csv"})
    rows = [row for page in (first, last) for row in csv.DictReader(io.StringIO(page.text))]
    assert [(row["day"], row["company"], row["leased_gpu_seconds"], row["energy_joules"]) for row in rows] == [
        ("2027-01-15", "acme", "800", ""),
        ("2027-01-15", "globex", "800", ""),
    ]
    assert "link" not in last.headers


def test_a_company_that_asks_by_lease_sees_its_own_alone(site: Site) -> None:
    leased(site)
    found = site.get("acme", "/v1/reports?by=lease").json()
    assert [(row["company"], row["leases"]) for row in found["rows"]] == [("acme", 1)]
    assert found["total"]["leased_gpu_seconds"] == 800


def put(site: Site, path: str, json: object) -> httpx.Response:
    with site.client("admin") as client:
        return client.put(path, json=json)


def test_a_report_by_group_names_those_in_none_and_a_company_sees_itself_alone(site: Site) -> None:
    assert put(site, "/v1/pools/h100/share-groups/seed", json={"shares": 1}).status_code == 200
    assert put(site, "/v1/pools/h100/shares/acme", json={"shares": 1, "group": "seed"}).status_code == 200
    leased(site)
    found = site.get("operator", "/v1/reports?by=group").json()
    assert [(row["group"], row["leased_gpu_seconds"]) for row in found["rows"]] == [("none", 800), ("seed", 800)]
    assert (found["total"]["leases"], found["total"]["leased_gpu_seconds"]) == (2, 1600)
    assert [row["group"] for row in site.get("acme", "/v1/reports?by=group").json()["rows"]] == ["seed"]
    assert site.get("acme", "/v1/reports?group=seed").json()["total"]["leases"] == 1
    assert code(site.get("globex", "/v1/reports?group=seed")) == (404, "unknown_group")
    assert [row["group"] for row in site.get("globex", "/v1/reports?by=group").json()["rows"]] == ["none"]


def test_no_group_is_called_as_those_in_none_are(standing: Site) -> None:
    for path, body in (
        ("/v1/pools/h100/share-groups/none", {"shares": 1}),
        ("/v1/pools/h100/shares/acme", {"shares": 1, "group": "none"}),
    ):
        assert code(put(standing, path, json=body)) == (422, "invalid_request")


def test_a_day_without_leases_is_an_empty_report(standing: Site) -> None:
    found = standing.get("auditor", "/v1/reports?since=2026-01-01&until=2026-01-02").json()
    assert (found["rows"], found["total"]["leased_gpu_seconds"], found["total"]["energy_joules"]) == ([], 0, None)


@pytest.mark.parametrize("key", ['["a","b","c"]', '["a"]', "{}", "7", '["a",7]', '["a","\\u0000"]', '["a","\\ud800"]'])
def test_a_cursor_of_another_report_is_named_as_such(standing: Site, key: str) -> None:
    cursor = base64.urlsafe_b64encode(key.encode()).decode()
    assert code(standing.get("admin", "/v1/reports", params={"cursor": cursor})) == (422, "bad_cursor")


def test_agents_that_say_no_day_are_told_what_is_missing(standing: Site) -> None:
    report = {"boot": "b", "seq": 1, "sent_at": T0, "interval_s": 1, "agent_version": "0", "gpus": []}
    usage = [{"allocation": "alo_1", "sampled_ms": 2, "busy_ms": 1}]
    answer = standing.post("n1", "/v1/nodes/n1/reports", json={**report, "usage": usage})
    assert code(answer) == (422, "invalid_request")
    assert answer.json()["errors"][0]["field"] == "usage.0.day_began_at"


@pytest.mark.parametrize(
    ("days", "want"),
    [
        pytest.param("since=2027-01-20", "2027-01-21 or later for since 2027-01-20, and not 2027-01-16", id="later"),
        pytest.param(
            "since=1969-12-31", "days lie between 1970 and 2999, for example 2026-11-24", id="before there were any"
        ),
        pytest.param("since=2010-01-01&until=2027-01-01", "at most 3660 days, and these would be 6209", id="too many"),
    ],
)
def test_days_that_make_no_report_are_said_with_those_that_would(standing: Site, days: str, want: str) -> None:
    answer = standing.get("admin", f"/v1/reports?{days}")
    assert code(answer) == (422, "invalid_request")
    assert want in answer.json()["errors"][0]["message"]
