"""dure webhook."""

import json

import pytest

from dure import wire
from tests.unit.dure.answers import (
    Api,
    a_delivery,
    a_webhook,
    a_webhook_test,
    an_issued_webhook,
    in_s,
    page,
    problem,
)
from tests.unit.dure.conftest import Run

HOOKS = "/v1/webhooks"
URL = "https://hooks.acme.example/dure"


def test_a_webhook_is_added_and_its_secret_shown_once(api: Api, run: Run) -> None:
    api.on("POST", HOOKS, an_issued_webhook())
    shown = run("webhook", "add", URL, "--label", "on-call").stdout
    assert "whsec_c2VjcmV0" in shown
    assert "keep it now" in shown
    assert "dure webhook test whk_1" in shown
    assert json.loads(api.seen[0].content) == {"url": URL, "label": "on-call"}


@pytest.mark.parametrize("url", ["hooks.acme.example", "https://user:x@hooks.acme.example/", "https://" + "x" * 500])
def test_what_is_no_address_is_not_sent(api: Api, run: Run, url: str) -> None:
    result = run("webhook", "add", url)
    assert (result.exit_code, api.seen) == (2, [])
    assert result.stderr.startswith("error: URL: ")
    assert "for example https://hooks.example.com/dure" in result.stderr


def test_an_address_that_the_server_refuses_is_said(api: Api, run: Run) -> None:
    api.on("POST", HOOKS, problem("address_refused", 422, "url: 10.0.0.1 leads to an address that is not public"))
    result = run("webhook", "add", "https://10.0.0.1/")
    assert result.exit_code == 7
    assert "not public" in result.stderr


def test_webhooks_are_listed_with_how_they_are(api: Api, run: Run) -> None:
    dead = a_webhook(
        id="whk_2", state="disabled", disabled_at=in_s(-60), disabled_reason="nothing was taken for 3 days", label=None
    )
    failing = a_webhook(id="whk_3", state="failing", failing_since=in_s(-60), pending=7)
    api.on("GET", HOOKS, page(a_webhook(), dead, failing))
    shown = run("webhook", "list", "--company", "acme").stdout
    assert "nothing was taken for 3 days" in shown
    assert "failing since 24 Nov 09:47:44" in shown
    assert dict(api.seen[0].url.params) == {"company": "acme", "limit": "200"}
    api.on("GET", HOOKS, page())
    assert "dure webhook add URL" in run("webhook", "list").stdout


def test_one_is_shown_with_what_became_of_the_last_events(api: Api, run: Run) -> None:
    api.on("GET", f"{HOOKS}/whk_1", a_webhook(state="failing", failing_since=in_s(-60), retry_at=in_s(5), pending=1))
    waiting = a_delivery(state="pending", attempts=2, next_at=in_s(300), last_status=503, last_error="answered 503")
    api.on("GET", f"{HOOKS}/whk_1/deliveries", page(waiting, a_delivery(event="evt_1206")))
    shown = run("webhook", "show", "whk_1").stdout
    assert "answered 503" in shown
    assert "evt_1206" in shown
    assert "1 event\n" in shown
    assert wire.Webhook.model_validate_json(run("webhook", "show", "whk_1", "--json").stdout).id == "whk_1"


def test_a_disabled_one_says_why_and_what_to_do(api: Api, run: Run) -> None:
    dead = a_webhook(state="disabled", disabled_at=in_s(-60), disabled_reason="nothing was taken for 3 days")
    api.on("GET", f"{HOOKS}/whk_1", dead).on("GET", f"{HOOKS}/whk_1/deliveries", page())
    shown = run("webhook", "show", "whk_1").stdout
    assert "nothing was taken for 3 days" in shown
    assert "dure webhook enable whk_1" in shown


def test_deliveries_are_listed(api: Api, run: Run) -> None:
    api.on("GET", f"{HOOKS}/whk_1/deliveries", page(a_delivery()))
    assert "delivered" in run("webhook", "deliveries", "whk_1", "--limit", "5").stdout
    assert dict(api.seen[0].url.params) == {"limit": "5"}
    api.on("GET", f"{HOOKS}/whk_1/deliveries", page())
    assert "nothing was to be sent yet" in run("webhook", "deliveries", "whk_1").stdout


def test_a_test_says_what_came_of_it_and_exits_with_it(api: Api, run: Run) -> None:
    api.on("POST", f"{HOOKS}/whk_1/test", a_webhook_test())
    good = run("webhook", "test", "whk_1")
    assert (good.exit_code, good.stdout) == (0, "taken: it answered 204 in 84 ms to tst_1\n")
    api.on("POST", f"{HOOKS}/whk_1/test", a_webhook_test(ok=False, status=500, error="answered 500"))
    bad = run("webhook", "test", "whk_1")
    assert (bad.exit_code, bad.stdout) == (6, "not taken: it answered 500 (in 84 ms)\n")


def test_a_secret_is_changed_a_webhook_enabled_and_removed(api: Api, run: Run) -> None:
    api.on("POST", f"{HOOKS}/whk_1/rotate", an_issued_webhook())
    api.on("POST", f"{HOOKS}/whk_1/enable", a_webhook())
    api.on("DELETE", f"{HOOKS}/whk_1", a_webhook(state="removed"))
    assert "whsec_c2VjcmV0" in run("webhook", "rotate", "whk_1").stdout
    assert "active" in run("webhook", "enable", "whk_1").stdout
    assert "removed" in run("webhook", "remove", "whk_1").stdout


def test_what_is_no_id_is_not_sent(api: Api, run: Run) -> None:
    for verb in ("show", "deliveries", "test", "rotate", "enable", "remove"):
        result = run("webhook", verb, "../leases")
        assert (result.exit_code, api.seen) == (2, []), verb
        assert "dure webhook list" in result.stderr
