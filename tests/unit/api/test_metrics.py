"""What a replica counts."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import Metrics
from dure import wire
from scheduler.metrics import page
from tests.unit.api.builders import a_lease

ODD = [
    "application/openmetrics-text;version=abc",
    "application/openmetrics-text; version=1..0",
    "text/plain;version=\u00b2",
    "text/plain; version=.",
]
"""What is asked for in a version that is none."""


def samples(metrics: Metrics) -> dict[str, float]:
    body, _ = metrics.render("")
    families = text_string_to_metric_families(body.decode())
    return {
        f"{found.name}{sorted(found.labels.values())}": found.value for family in families for found in family.samples
    }


def test_decisions_are_counted_by_pool_outcome_and_code() -> None:
    metrics = Metrics()
    for _ in range(2):
        metrics.decided(
            a_lease(outcome=wire.Outcome.REFUSED, code="never_fits"), took_s=0.01, exemplar={"request_id": "req_1"}
        )
    assert samples(metrics)["dure_decisions_total['h100', 'never_fits', 'refused']"] == 2


def test_two_apps_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.answered(route="/v1/pools", method="GET", status=200, seconds=0.002, exemplar={"request_id": "req_1"})
    assert samples(one)["dure_api_requests_total['/v1/pools', '200', 'GET']"] == 1
    assert "dure_api_requests_total['/v1/pools', '200', 'GET']" not in samples(other)


def test_it_says_what_runs() -> None:
    assert [value for name, value in samples(Metrics()).items() if name.startswith("dure_build_info")] == [1]


@pytest.mark.parametrize("accepts", ODD)
def test_who_asks_for_a_version_that_is_none_has_the_text_that_everybody_reads(accepts: str) -> None:
    metrics = Metrics()
    assert metrics.render(accepts)[1] == metrics.render("")[1]
    answer = page.route(CollectorRegistry())
    assert answer(accepts) == answer("")
