"""The client's routes: what goes out, what comes back, and what follows a cursor."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

import dure
from dure import errors, wire
from dure.client import Client
from tests.unit.dure import answers
from tests.unit.dure.answers import NOW, SERVER, Api, answer, page

ASK = wire.Ask(pool="p", shape=wire.Shape(gpus=8), duration_s=60)
PUT = {"version", "programme", "pools"}
REPORT = wire.Report(boot="b", seq=1, sent_at=1.0, interval_s=10, agent_version="1", gpus=[])


def a_client(api: Api, **more: Any) -> Client:
    return Client(SERVER, "dure_secret", transport=api, sleep=api.slept.append, **more)


@pytest.mark.parametrize(
    ("call", "method", "path", "found"),
    [
        (lambda c: c.add_company(wire.CompanyCreate(name="acme")), "POST", "/v1/companies", answers.a_company()),
        (lambda c: c.company("acme"), "GET", "/v1/companies/acme", answers.a_company()),
        (
            lambda c: c.set_quota("acme", "p", wire.QuotaPatch(gpus=8)),
            "PATCH",
            "/v1/companies/acme/quotas/p",
            answers.a_quota(),
        ),
        (lambda c: c.remove_quota("acme", "p"), "DELETE", "/v1/companies/acme/quotas/p", answers.a_quota()),
        (lambda c: c.remove_default_quota("p"), "DELETE", "/v1/quotas/p", wire.QuotaOf(pool="p", gpus=4)),
        (
            lambda c: c.import_quotas(wire.QuotaImport(quotas=[wire.QuotaOf(pool="p", gpus=4)])),
            "PUT",
            "/v1/quotas",
            answers.an_import(answers.a_change()),
        ),
        (
            lambda c: c.issue_token(wire.TokenIssue(role=wire.Role.ADMIN)),
            "POST",
            "/v1/tokens",
            answers.an_issued_token(),
        ),
        (lambda c: c.revoke_token("tok_1"), "DELETE", "/v1/tokens/tok_1", answers.a_token()),
        (lambda c: c.add_pool(wire.PoolCreate(name="p", product="P")), "POST", "/v1/pools", answers.a_pool()),
        (lambda c: c.pool("p"), "GET", "/v1/pools/p", answers.a_pool()),
        (lambda c: c.enroll_node(wire.NodeEnroll(name="n")), "POST", "/v1/nodes", answers.an_issued_token()),
        (
            lambda c: c.make_join_token("n", wire.JoinTokenIssue()),
            "POST",
            "/v1/nodes/n/join-tokens",
            answers.an_issued_token(),
        ),
        (lambda c: c.policy(), "GET", "/v1/policy", answers.a_policy()),
        (
            lambda c: c.put_policy(wire.PolicyPut(**answers.a_policy().model_dump(include=PUT))),
            "PUT",
            "/v1/policy",
            answers.an_applied_policy(),
        ),
        (lambda c: c.node("n"), "GET", "/v1/nodes/n", answers.a_node()),
        (lambda c: c.ask(ASK), "POST", "/v1/leases", answers.a_lease()),
        (lambda c: c.lease("l"), "GET", "/v1/leases/l", answers.a_lease()),
        (lambda c: c.release("l"), "POST", "/v1/leases/l/release", answers.a_lease("ended")),
        (lambda c: c.keep("l"), "POST", "/v1/leases/l/keep", answers.a_lease("active")),
        (lambda c: c.cancel("l"), "POST", "/v1/leases/l/cancel", answers.a_lease("cancelled")),
        (
            lambda c: c.add_webhook(wire.WebhookCreate(url="https://h.example/")),
            "POST",
            "/v1/webhooks",
            answers.an_issued_webhook(),
        ),
        (lambda c: c.webhook("w"), "GET", "/v1/webhooks/w", answers.a_webhook()),
        (lambda c: c.test_webhook("w"), "POST", "/v1/webhooks/w/test", answers.a_webhook_test()),
        (lambda c: c.rotate_webhook("w"), "POST", "/v1/webhooks/w/rotate", answers.an_issued_webhook()),
        (lambda c: c.enable_webhook("w"), "POST", "/v1/webhooks/w/enable", answers.a_webhook()),
        (lambda c: c.remove_webhook("w"), "DELETE", "/v1/webhooks/w", answers.a_webhook(state="removed")),
        (lambda c: c.explain("l"), "GET", "/v1/leases/l/explain", answers.an_explanation()),
        (lambda c: c.decision("d"), "GET", "/v1/decisions/d", answers.a_record()),
        (lambda c: c.replay("d"), "POST", "/v1/decisions/d/replay", answers.a_replay()),
        (lambda c: c.what_if(wire.WhatIf(pool="p", remove_nodes=["n"])), "POST", "/v1/whatif", answers.a_what_if()),
        (lambda c: c.calendar("p"), "GET", "/v1/calendar", answers.a_calendar()),
        (lambda c: c.usage(), "GET", "/v1/usage", answers.a_usage()),
        (lambda c: c.usage_report(), "GET", "/v1/reports", answers.a_report("company", "pool")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_route_is_called_and_its_answer_read(
    api: Api, call: Callable[[Client], Any], method: str, path: str, found: Any
) -> None:
    api.on(method, path, found)
    with a_client(api) as client:
        assert call(client) == found
    assert api.seen[0].headers["authorization"] == "Bearer dure_secret"


@pytest.mark.parametrize(
    ("call", "path", "item"),
    [
        (lambda c: c.companies(), "/v1/companies", answers.a_company()),
        (lambda c: c.quotas("acme"), "/v1/companies/acme/quotas", answers.a_quota()),
        (lambda c: c.all_quotas(), "/v1/quotas", wire.QuotaOf(pool="p", gpus=4)),
        (lambda c: c.tokens(), "/v1/tokens", answers.a_token()),
        (lambda c: c.pools(), "/v1/pools", answers.a_pool()),
        (lambda c: c.nodes(), "/v1/nodes", answers.a_node()),
        (lambda c: c.leases(), "/v1/leases", answers.a_lease()),
        (lambda c: c.events(), "/v1/events", answers.an_event_told()),
        (lambda c: c.webhooks(), "/v1/webhooks", answers.a_webhook()),
        (lambda c: c.deliveries("w"), "/v1/webhooks/w/deliveries", answers.a_delivery()),
        (lambda c: c.lease_events("l"), "/v1/leases/l/events", answers.an_event()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_list_follows_its_cursors_to_the_end(api: Api, call: Callable[[Client], Any], path: str, item: Any) -> None:
    api.on("GET", path, page(item, next_cursor="a/b+"), page(item, item))
    with a_client(api) as client:
        assert list(call(client)) == [item] * 3
    assert [request.url.params.get("cursor") for request in api.seen] == [None, "a/b+"]


def test_a_list_asks_for_no_more_than_is_taken(api: Api) -> None:
    api.on("GET", "/v1/pools", page(answers.a_pool(), next_cursor="more"))
    with a_client(api) as client:
        next(client.pools())
    assert len(api.seen) == 1


def test_a_list_that_never_ends_is_an_error(api: Api) -> None:
    api.on("GET", "/v1/pools", page(answers.a_pool(), next_cursor="again"))
    with a_client(api) as client, pytest.raises(errors.DureError, match="same page"):
        list(client.pools())


def test_every_write_carries_a_key_of_its_own_and_keeps_it_when_repeated(api: Api) -> None:
    api.on("POST", "/v1/leases", httpx.ReadTimeout("slow"), answers.a_lease())
    with a_client(api) as client:
        client.ask(ASK)
        client.ask(ASK)
    first, again, second = (request.headers["idempotency-key"] for request in api.seen)
    assert first == again != second


def test_a_key_can_be_given(api: Api) -> None:
    api.on("POST", "/v1/leases", answers.a_lease())
    with a_client(api) as client:
        client.ask(ASK, idempotency_key="run-7")
    assert api.seen[0].headers["idempotency-key"] == "run-7"


@pytest.mark.parametrize(
    ("call", "path", "found"),
    [
        (lambda c: c.preview_release("l"), "/v1/leases/l/release", None),
        (lambda c: c.preview_cancel("l"), "/v1/leases/l/cancel", None),
    ],
    ids=["release", "cancel"],
)
def test_a_preview_writes_nothing(api: Api, call: Callable[[Client], Any], path: str, found: None) -> None:
    preview = wire.EndPreview(lease="l", state=wire.LeaseState.ACTIVE, stops_at=NOW, refund_gpu_seconds=5)
    api.on("POST", path, preview)
    with a_client(api) as client:
        assert call(client) == preview
    assert api.seen[0].url.params["dry_run"] == "true"
    assert "idempotency-key" not in api.seen[0].headers


def test_a_quote_is_an_ask_that_is_not_made(api: Api) -> None:
    quote = wire.Quote(
        decision=answers.a_decision(id=None), promised_start=NOW, starts_at=NOW, ends_at=NOW, placement=[]
    )
    api.on("POST", "/v1/leases", quote)
    with a_client(api) as client:
        assert client.quote(ASK) == quote
    assert api.seen[0].url.params["dry_run"] == "true"
    assert json.loads(api.seen[0].content) == json.loads(ASK.model_dump_json(exclude_none=True))


def test_a_queued_ask_is_an_answer_like_a_scheduled_one(api: Api) -> None:
    api.on("POST", "/v1/leases", answer(answers.a_lease("queued"), 202))
    with a_client(api) as client:
        assert client.ask(ASK).state is wire.LeaseState.QUEUED


def test_what_is_looked_for_goes_into_the_query(api: Api) -> None:
    api.on("GET", "/v1/leases", page())
    api.on("GET", "/v1/usage", answers.a_usage())
    with a_client(api) as client:
        list(client.leases(company="acme", states=[wire.LeaseState.ACTIVE, wire.LeaseState.ENDING], page_size=7))
        client.usage(since=datetime(2026, 11, 1, tzinfo=UTC))
    assert str(api.seen[0].url.query.decode()) == "company=acme&state=active&state=ending&limit=7"
    assert dict(api.seen[1].url.params) == {"since": "2026-11-01T00:00:00Z"}


def test_a_node_is_renewed_by_a_parameter(api: Api) -> None:
    api.on("POST", "/v1/nodes", answers.an_issued_token())
    with a_client(api) as client:
        client.enroll_node(wire.NodeEnroll(name="n"), renew=True)
    assert dict(api.seen[0].url.params) == {"renew": "true"}


def test_a_report_goes_out_compressed_without_a_key_and_once(api: Api) -> None:
    taken = wire.ReportAnswer(server_time=1.5, seq=1, allocations=[])
    api.on("POST", "/v1/nodes/n/reports", taken, httpx.ConnectError("refused"))
    with a_client(api) as client:
        assert client.report("n", REPORT) == taken
        with pytest.raises(errors.Unreachable):
            client.report("n", REPORT)
    sent = api.seen[0]
    assert wire.Report.model_validate_json(gzip.decompress(sent.content)) == REPORT
    assert sent.headers["content-encoding"] == "gzip"
    assert "idempotency-key" not in sent.headers
    assert len(api.seen) == 2


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_be_another_route_is_none(api: Api, name: str) -> None:
    with a_client(api) as client, pytest.raises(errors.NotFound, match="is no name"):
        client.pool(name)
    assert api.seen == []


def test_a_name_stays_inside_its_place_in_the_path(api: Api) -> None:
    with a_client(api) as client, pytest.raises(errors.NotFound):
        client.pool("../nodes?x#y")
    assert api.seen[0].url.raw_path == b"/v1/pools/..%2Fnodes%3Fx%23y"


def test_an_answer_of_a_newer_server_is_read_without_what_is_new(api: Api) -> None:
    body = {**json.loads(answers.a_company().model_dump_json()), "colour": "blue"}
    api.on("GET", "/v1/companies/acme", httpx.Response(200, json=body))
    with a_client(api) as client:
        assert client.company("acme") == answers.a_company()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"name": 5}'], ids=["empty", "cut off", "another kind", "another field"]
)
def test_an_answer_that_cannot_be_read_says_so(api: Api, body: bytes) -> None:
    api.on("GET", "/v1/companies/acme", httpx.Response(200, content=body, headers={"content-type": "application/json"}))
    with a_client(api) as client, pytest.raises(errors.DureError, match="cannot read as Company") as caught:
        client.company("acme")
    assert "upgrade dure" in str(caught.value)


def test_why_an_answer_cannot_be_read_is_said_in_our_own_words(api: Api) -> None:
    body = {**json.loads(answers.a_company().model_dump_json()), "created_at": "2026-11-24T00:00:00.5Z"}
    api.on("GET", "/v1/companies/acme", httpx.Response(200, json=body))
    with a_client(api) as client, pytest.raises(errors.DureError, match=r"\(created_at: times are whole seconds"):
        client.company("acme")


def test_a_lease_state_that_is_not_known_yet_says_so(api: Api) -> None:
    body = {**json.loads(answers.a_lease().model_dump_json()), "state": "asleep"}
    api.on("GET", "/v1/leases/l", httpx.Response(200, json=body))
    with a_client(api) as client, pytest.raises(errors.DureError, match=r"as Lease \(state:"):
        client.lease("l")


def test_a_server_under_a_path_is_found(api: Api) -> None:
    api.on("GET", "/gpu/v1/pools/p", answers.a_pool())
    with Client(f"{SERVER}/gpu/", "t", transport=api) as client:
        assert client.pool("p") == answers.a_pool()
        assert client.server == f"{SERVER}/gpu"


def test_dure_gives_its_client_and_nothing_else() -> None:
    assert dure.Client is Client
    with pytest.raises(AttributeError, match="no attribute 'Cliente'"):
        dure.Cliente  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


def test_importing_dure_alone_loads_nothing_heavy() -> None:
    code = "import dure, sys; print(sorted({'httpx', 'pydantic', 'typer', 'rich'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
