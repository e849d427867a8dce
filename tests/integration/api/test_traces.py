"""A trace leads from a request to its decision, and the log says the ids of both; without a collector nothing is sent."""

import gzip
import json
import subprocess
import sys
from contextlib import AbstractContextManager
from email.message import Message
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dure import wire
from scheduler.actor import Actor
from scheduler.store import joining, pools, quotas, tokens
from scheduler.store.db import Database
from tests import ports
from tests.integration.api.test_process import answers, process, until
from tests.posted import posted

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ADMIN = Actor(role=wire.Role.ADMIN, token="tok_admin")
NOW = 1_700_000_000.0


def collector(spans: list[Any]) -> AbstractContextManager[str]:
    """A collector of OTLP over HTTP, which keeps the spans."""

    def take(body: bytes, headers: Message) -> None:
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            spans.extend(span for scope in resource.scope_spans for span in scope.spans)

    return posted(take)


def founded(database: Database) -> str:
    """The token of a company that may ask for GPUs of a pool, which has none."""
    with database.begin() as session:
        pools.add(session, wire.PoolCreate(name="h100", product="H100", gap_s=2), actor=ADMIN, now=NOW)
        joining.add(session, wire.CompanyCreate(name="acme"), actor=ADMIN, now=NOW)
        quotas.put(session, "acme", "h100", wire.QuotaSet(gpus=8), actor=ADMIN, now=NOW)
        return tokens.issue(
            session, wire.TokenIssue(role=wire.Role.COMPANY, company="acme"), actor="a test", now=NOW
        ).secret


def asked(database: Database, **environ: str) -> tuple[httpx.Response, list[dict[str, Any]]]:
    """One ask of a process that is then told to end: its answer, and the log."""
    secret, port = founded(database), ports.free(1)[0]
    with process(DURE_DATABASE_URL=database.url, DURE_API_PORT=str(port), **environ) as api:
        until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
        answer = httpx.post(
            f"http://127.0.0.1:{port}/v1/leases",
            headers={
                "Authorization": f"Bearer {secret}",
                "traceparent": f"00-{TRACE}-{CALLER}-01",
                "x-request-id": "mine-1",
            },
            json={"pool": "h100", "shape": {"gpus": 1}, "duration_s": 60},
            trust_env=False,
            timeout=120,
        )
        api.terminate()
        assert api.stderr is not None
        lines = [json.loads(line) for line in api.stderr.read().splitlines()]
    return answer, lines


def said(span: Any) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_a_trace_leads_from_the_caller_to_the_decision(database: Database) -> None:
    spans: list[Any] = []
    with collector(spans) as endpoint:
        answer, lines = asked(database, DURE_TRACES=endpoint)
    named = {span.name: span for span in spans}
    request, ask, decide = named["request"], named["ask"], named["decide"]
    assert {span.trace_id.hex() for span in (request, ask, decide)} == {TRACE}
    assert request.parent_span_id.hex() == CALLER
    assert ask.parent_span_id == request.span_id
    assert [link.span_id for link in decide.links] == [ask.span_id]
    lease = answer.json()["lease"]
    assert (said(request)["dure.request"], said(request)["dure.company"]) == ("mine-1", "acme")
    assert said(request)["dure.lease"] == said(ask)["dure.lease"] == lease
    assert said(ask)["dure.decision"] == answer.json()["decision"]["id"]
    (line,) = [one for one in lines if one["action"] == "request" and one["path"] == "/v1/leases"]
    assert (line["request_id"], line["trace_id"], line["company"], line["lease"]) == ("mine-1", TRACE, "acme", lease)


def test_without_a_collector_the_log_still_says_the_callers_trace(database: Database) -> None:
    _, lines = asked(database)
    (line,) = [one for one in lines if one["action"] == "request" and one["path"] == "/v1/leases"]
    assert (line["request_id"], line["trace_id"]) == ("mine-1", TRACE)


def test_a_collector_that_is_away_delays_nobody_and_is_told_in_lines_of_the_log(database: Database) -> None:
    answer, lines = asked(database, DURE_TRACES=f"http://127.0.0.1:{ports.free(1)[0]}")
    assert answer.json()["decision"]["code"]
    told = [line for line in lines if line["action"] == "library"]
    assert {line["logger"].partition(".")[0] for line in told} == {"opentelemetry"}


@pytest.mark.parametrize("package", ["api", "scheduler"])
def test_what_sends_traces_is_not_loaded_without_a_collector(package: str) -> None:
    program = f"import sys, {package}.process; print(sorted(name for name in sys.modules if name.startswith('opentelemetry.sdk')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
