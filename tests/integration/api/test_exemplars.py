"""Measurements refer to the requests that they are of, and those of decisions to the decisions, where that can be said."""

from collections.abc import Iterator
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from api.series import TABLE
from tests.integration.api.conftest import Site

OPEN = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
"""As Prometheus accepts it."""

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def scrape(site: Site, accept: str) -> tuple[str, str]:
    """The page and what it calls itself."""
    answer = site.get(None, "/metrics", headers={"Accept": accept})
    return answer.text, answer.headers["content-type"]


def exemplars(site: Site, name: str) -> Iterator[dict[str, str]]:
    page, _ = scrape(site, OPEN)
    for family in open_families(page):
        for sample in family.samples:
            if sample.name == f"{name}_bucket" and sample.exemplar is not None:
                yield sample.exemplar.labels


def asked(site: Site, **headers: str) -> dict[str, Any]:
    body = {"pool": "h100", "shape": {"gpus": 1}, "duration_s": 60}
    return site.post("acme", "/v1/leases", json=body, headers=headers).json()


def test_a_request_is_found_by_what_was_measured_of_it_and_so_is_its_decision(site: Site) -> None:
    decision = asked(site, **{"X-Request-Id": "req-42"})["decision"]["id"]
    assert {"request_id": "req-42"} in list(exemplars(site, "dure_api_request_duration_seconds"))
    assert list(exemplars(site, "dure_decision_duration_seconds")) == [{"request_id": "req-42", "decision": decision}]
    assert site.get("acme", f"/v1/decisions/{decision}").status_code == 200
    traced = asked(site, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")["decision"]["id"]
    assert {"trace_id": TRACE} in list(exemplars(site, "dure_api_request_duration_seconds"))
    assert {"trace_id": TRACE, "decision": traced} in list(exemplars(site, "dure_decision_duration_seconds"))


def test_the_longest_id_of_a_request_fits_beside_its_decision(site: Site) -> None:
    """OpenMetrics allows 128 characters in all."""
    longest = "r" * 64
    decision = asked(site, **{"X-Request-Id": longest})["decision"]["id"]
    assert list(exemplars(site, "dure_decision_duration_seconds")) == [{"request_id": longest, "decision": decision}]


def test_the_old_format_has_the_same_series_and_refers_to_nothing(site: Site) -> None:
    asked(site)
    old, old_type = scrape(site, "text/plain;version=0.0.4")
    new, new_type = scrape(site, OPEN)
    assert old_type.startswith("text/plain; version=0.0.4")
    assert new_type.startswith("application/openmetrics-text; version=1.0.0")
    assert new.endswith("# EOF\n")
    assert "} # {" not in old
    assert " # {" in new
    assert _names(plain_families(old)) == _names(open_families(new))


def test_nothing_is_exposed_that_is_not_in_the_table(site: Site) -> None:
    asked(site)
    rows = {row.name.removesuffix("_total"): row for row in TABLE}
    ours = [found for found in plain_families(scrape(site, "")[0]) if not found.name.startswith("process_")]
    assert {found.name for found in ours} <= set(rows)
    for family in ours:
        row = rows[family.name]
        assert family.type == row.kind
        assert {frozenset(sample.labels) - {"le"} for sample in family.samples} <= {frozenset(row.labels)}


def _names(families: Any) -> set[str]:
    return {sample.name for family in families for sample in family.samples}
