"""What is malformed, oversized, contradictory, unknown or odd gets a 4xx that names it, and nothing is written."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from api import examples
from tests.integration.api.conftest import Site, code

ASK: dict[str, Any] = {"pool": "h100", "shape": {"gpus": 1}, "duration_s": 60}
ODD = [
    "\0",
    "\ud800",
    "a\0b",
    "\u202e",
    "한국",
    "🦜",
    "a" * 10_000,
    "'; DROP TABLE lease; --",
    "../..",
    "%00",
    " ",
    "\r\n",
]


def rows(site: Site) -> list[int]:
    """How many rows there are of what requests could write."""
    tables = (
        "company",
        "quota",
        "token",
        "pool",
        "node",
        "lease",
        "decision",
        "audit",
        "ledger_entry",
        "idempotent_answer",
    )
    with site.world.db.snapshot() as session:
        found = session.connection().exec_driver_sql(
            " UNION ALL ".join(f"SELECT count(*) FROM {name}" for name in tables)
        )
        return list(found.scalars())


@pytest.mark.parametrize(
    ("ask", "want"),
    [
        pytest.param({"pool": "h200"}, (404, "unknown_pool"), id="an unknown pool"),
        pytest.param({"start": "2027-01-14T08:00:00Z"}, (422, "window_in_past"), id="a start in the past"),
        pytest.param(
            {"start_by": "2027-01-14T08:00:00Z"}, (422, "window_in_past"), id="an end of the window in the past"
        ),
        pytest.param(
            {"start": "2027-01-16T08:00:00Z", "start_by": "2027-01-15T09:00:00Z"},
            (422, "invalid_request"),
            id="a window that ends before it begins",
        ),
        pytest.param({"start": "2027-06-01T08:00:00Z"}, (422, "beyond_horizon"), id="beyond the calendar"),
        pytest.param({"start": "2999-12-31T23:59:59Z"}, (422, "beyond_horizon"), id="in a thousand years"),
        pytest.param({"duration_s": 5_184_001}, (422, "invalid_request"), id="longer than the calendar"),
    ],
)
def test_an_ask_that_cannot_be_meant_is_refused_and_leaves_nothing(
    standing: Site, ask: dict[str, Any], want: tuple[int, str]
) -> None:
    before = rows(standing)
    assert code(standing.ask("acme", 1, key="k1", **ask)) == want
    assert rows(standing) == before


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_odd_text_anywhere_is_never_our_failure(standing: Site, odd: str) -> None:
    bodies = {
        "/v1/companies": {"name": "ok", "title": odd},
        "/v1/pools": {"name": odd, "product": odd},
        "/v1/nodes": {"name": odd},
        "/v1/tokens": {"role": "company", "company": odd, "label": odd},
        "/v1/leases": {**ASK, "name": odd, "company": odd},
    }
    headers = {"content-type": "application/json"}
    with standing.client("admin") as client:
        for path, body in bodies.items():
            answer = client.post(path, content=_json(body), headers=headers)
            assert answer.status_code < 500, (path, answer.text)
        text = odd.encode(errors="replace").decode()
        for path in ("/v1/leases/{}", "/v1/pools/{}", "/v1/nodes/{}", "/v1/companies/{}", "/v1/companies/{}/quotas"):
            assert client.get(path.format(_quoted(text))).status_code < 500, path
        for query in ("cursor", "pool", "company", "state", "limit", odd):
            answer = client.get("/v1/leases", params={query.encode(errors="replace").decode(): text})
            assert answer.status_code < 500, query
        assert client.request("DELETE", f"/v1/tokens/{_quoted(text)}").status_code in (404, 422)


@pytest.mark.parametrize("odd", ODD[:6], ids=ascii)
def test_odd_text_in_a_report_is_never_our_failure(standing: Site, odd: str) -> None:
    report = {**examples.requests("report_node")[0], "agent_version": odd, "driver_version": odd}
    report["gpus"] = [{**gpu, "health": "suspect", "health_reason": odd} for gpu in report["gpus"]]
    headers = {"content-type": "application/json"}
    answer = standing.post("n1", "/v1/nodes/n1/reports", content=_json(report), headers=headers)
    storable = "\0" not in odd and "\ud800" not in odd
    assert answer.status_code == (200 if storable else 422), answer.text


@pytest.mark.parametrize(
    ("path", "want"),
    [
        pytest.param(
            "/v1/usage?since=2027-01-15T08:00:00Z&until=2027-01-15T08:00:00Z",
            (422, "invalid_request"),
            id="no time at all",
        ),
        pytest.param(
            "/v1/usage?since=2027-01-16T08:00:00Z&until=2027-01-15T08:00:00Z", (422, "invalid_request"), id="backwards"
        ),
        pytest.param("/v1/reports?by=month", (422, "invalid_request"), id="an unknown cut"),
        pytest.param("/v1/reports?by=day&by=day", (422, "invalid_request"), id="the same cut twice"),
        pytest.param("/v1/reports?by=", (422, "invalid_request"), id="no cut"),
        pytest.param("/v1/reports?since=2027-02-30", (422, "invalid_request"), id="a day that is none"),
        pytest.param("/v1/reports?since=2027-01-15T00:00:01Z", (422, "invalid_request"), id="a time for a day"),
        pytest.param("/v1/reports?since=1700000000", (422, "invalid_request"), id="a number for a day"),
        pytest.param("/v1/reports?since=2027-01-15&until=2027-01-15", (422, "invalid_request"), id="no days"),
        pytest.param(
            "/v1/reports?since=0001-01-01&until=9999-12-31", (422, "invalid_request"), id="all days there are"
        ),
        pytest.param("/v1/reports?until=0001-01-02", (422, "invalid_request"), id="before there were any"),
        pytest.param("/v1/reports?until=9999-12-31", (422, "invalid_request"), id="the end of all days"),
        pytest.param("/v1/reports?limit=10001", (422, "invalid_request"), id="more rows than a page has"),
        pytest.param("/v1/reports?cursor=W10", (422, "bad_cursor"), id="a cursor of another report"),
        pytest.param("/v1/reports?cursor=bm9uZQ", (422, "bad_cursor"), id="a cursor of none"),
        pytest.param("/v1/reports?pool=nowhere", (404, "unknown_pool"), id="a report of an unknown pool"),
        pytest.param("/v1/reports?group=nobody", (404, "unknown_group"), id="a report of an unknown group"),
        pytest.param("/v1/reports?group=Nobody%20", (422, "invalid_request"), id="a report of what is no group's name"),
        pytest.param("/v1/reports?by=group&by=group", (422, "invalid_request"), id="the same group cut twice"),
        pytest.param("/v1/usage?company=nobody", (404, "unknown_company"), id="usage of an unknown company"),
        pytest.param("/v1/calendar", (422, "invalid_request"), id="the calendar of no pool"),
        pytest.param("/v1/calendar?pool=h200", (404, "unknown_pool"), id="the calendar of an unknown pool"),
        pytest.param(
            "/v1/calendar?pool=h100&until=1970-01-01T00:00:00Z", (422, "invalid_request"), id="a calendar of the past"
        ),
        pytest.param("/v1/leases?state=paused", (422, "invalid_request"), id="an unknown state"),
        pytest.param("/v1/leases/" + "x" * 65, (422, "invalid_request"), id="an endless id"),
        pytest.param("/v1/pools/h200", (404, "unknown_pool"), id="an unknown pool"),
        pytest.param("/v1/nodes/n9", (404, "unknown_node"), id="an unknown node"),
        pytest.param("/v1/companies/nobody", (404, "unknown_company"), id="an unknown company"),
        pytest.param("/v1/companies/nobody/quotas", (404, "unknown_company"), id="quotas of an unknown company"),
    ],
)
def test_a_question_that_cannot_be_answered_is_told_why(standing: Site, path: str, want: tuple[int, str]) -> None:
    assert code(standing.get("admin", path)) == want


def test_the_edges_of_time_are_answered(standing: Site) -> None:
    with standing.client("admin") as client:
        for query in ("until=1970-01-01T00:00:01Z", "since=1970-01-01T00:00:00Z", "until=2999-12-31T23:59:59Z"):
            assert client.get(f"/v1/usage?{query}").status_code == 200, query
        assert client.get("/v1/calendar?pool=h100&since=2999-12-31T23:00:00Z").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "want"),
    [
        pytest.param("POST", "/v1/companies", {"name": "acme"}, (409, "already_exists"), id="a company again"),
        pytest.param(
            "POST", "/v1/pools?reason=new", {"name": "h100", "product": "x"}, (409, "already_exists"), id="a pool again"
        ),
        pytest.param(
            "POST",
            "/v1/pools?reason=new",
            {"name": "p", "product": "NVIDIA H100 80GB HBM3"},
            (409, "already_exists"),
            id="a product again",
        ),
        pytest.param("POST", "/v1/nodes", {"name": "n1"}, (409, "already_exists"), id="a node again"),
        pytest.param(
            "PUT", "/v1/companies/nobody/quotas/h100", {"gpus": 1}, (404, "unknown_company"), id="a quota of nobody"
        ),
        pytest.param(
            "PUT", "/v1/companies/acme/quotas/h200", {"gpus": 1}, (404, "unknown_pool"), id="a quota of nothing"
        ),
        pytest.param(
            "PUT", "/v1/companies/acme/quotas/h100", {"gpus": -1}, (422, "invalid_request"), id="less than nothing"
        ),
        pytest.param(
            "POST",
            "/v1/tokens",
            {"role": "company", "company": "nobody"},
            (404, "unknown_company"),
            id="a token for nobody",
        ),
        pytest.param(
            "POST", "/v1/tokens", {"role": "node", "node": "n9"}, (404, "unknown_node"), id="a token for no machine"
        ),
        pytest.param("POST", "/v1/tokens", {"role": "root"}, (422, "invalid_request"), id="an unknown role"),
        pytest.param("DELETE", "/v1/tokens/tok_9", None, (404, "unknown_token"), id="an unknown token"),
    ],
)
def test_a_change_that_cannot_be_made_is_told_why_and_leaves_nothing(
    standing: Site, method: str, path: str, body: Any, want: tuple[int, str]
) -> None:
    before = rows(standing)
    assert code(standing.send("admin", method, path, json=body, headers={"Idempotency-Key": "k"})) == want
    assert rows(standing) == before


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


def _quoted(text: str) -> str:
    return quote(text, safe="")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/v1/companies", {"name": "initech"}, id="a company"),
        pytest.param("/v1/pools?reason=new", {"name": "h200", "product": "NVIDIA H200"}, id="a pool"),
        pytest.param("/v1/nodes", {"name": "n3"}, id="a node"),
    ],
)
def test_of_those_who_add_the_same_at_once_one_does_and_the_others_are_told(
    site: Site, path: str, body: dict[str, Any]
) -> None:
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: site.post("admin", path, json=body), range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    assert {code(answer)[1] for answer in answers if answer.status_code == 409} == {"already_exists"}


def test_a_quota_set_by_many_at_once_is_set(site: Site) -> None:
    site.post("admin", "/v1/companies", json={"name": "initech"})
    with ThreadPoolExecutor(6) as threads:
        put = lambda gpus: site.send("admin", "PUT", "/v1/companies/initech/quotas/h100", json={"gpus": gpus})  # noqa: E731
        answers = list(threads.map(put, range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6
