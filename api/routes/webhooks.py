"""Webhooks: addresses that are told a company's events."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import answers
from api.deps import Cursor, Limit, OfCompany, PersonReads, PersonWrites, after
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import AddressRefused, TooMany, UnknownCompany, UnknownWebhook
from scheduler.store import deliveries, webhooks

router = APIRouter(prefix="/v1/webhooks", tags=["events"], route_class=StrictRoute)

OfState = Annotated[list[wire.DeliveryState], Query(description="In this state, or one of these.")]


@router.post(
    "",
    status_code=201,
    response_model=wire.IssuedWebhook,
    summary="Add a webhook",
    openapi_extra=own(UnknownCompany, AddressRefused, TooMany),
)
def add_webhook(body: wire.WebhookCreate, call: PersonWrites) -> Response:
    """It is told what happens from now on. The secret that proves who sends is in this answer and is not shown again."""
    call.check()
    call.parts.outward.check(body.url)
    return call.write(lambda at: answers.created(webhooks.add(at.session, body, actor=at.actor, now=at.now)))


@router.get("", response_model=wire.Page[wire.Webhook], summary="List webhooks", openapi_extra=own(UnknownCompany))
def list_webhooks(call: PersonReads, company: OfCompany = None, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Oldest first; a company sees its own. One that fails says since when, one that is disabled says why."""
    return call.read(
        lambda at: webhooks.page(at.session, actor=at.actor, company=company, after=after(cursor), limit=limit)
    )


@router.get("/{webhook}", response_model=wire.Webhook, summary="Show a webhook", openapi_extra=own(UnknownWebhook))
def show_webhook(webhook: wire.Id, call: PersonReads) -> Response:
    """How it is, and how much waits for it."""
    return call.read(lambda at: webhooks.get(at.session, webhook, actor=at.actor))


@router.delete("/{webhook}", response_model=wire.Webhook, summary="Remove a webhook", openapi_extra=own(UnknownWebhook))
def remove_webhook(webhook: wire.Id, call: PersonWrites) -> Response:
    """Nothing is sent to it from now on; removing it again changes nothing."""
    return call.write(lambda at: answers.ok(webhooks.remove(at.session, webhook, actor=at.actor, now=at.now)))


@router.post(
    "/{webhook}/test", response_model=wire.WebhookTest, summary="Test a webhook", openapi_extra=own(UnknownWebhook)
)
def test_webhook(webhook: wire.Id, call: PersonWrites) -> Response:
    """Sends an event of type `webhook.test` now, once, and answers what the address did; also while it is disabled."""
    target, now = call.look(lambda at: (webhooks.target(at.session, webhook, actor=at.actor, now=at.now), at.now))
    return answers.ok(call.parts.outward.ping(target, now=now)).response()


@router.post(
    "/{webhook}/rotate",
    response_model=wire.IssuedWebhook,
    summary="Change a webhook's secret",
    openapi_extra=own(UnknownWebhook),
)
def rotate_webhook(webhook: wire.Id, call: PersonWrites) -> Response:
    """The new secret is in this answer and is not shown again; the one before signs too for a day."""
    return call.write(lambda at: answers.ok(webhooks.rotate(at.session, webhook, actor=at.actor, now=at.now)))


@router.post(
    "/{webhook}/enable", response_model=wire.Webhook, summary="Enable a webhook", openapi_extra=own(UnknownWebhook)
)
def enable_webhook(webhook: wire.Id, call: PersonWrites) -> Response:
    """Sends to it again from now on, and at once where it fails; what it missed while disabled is in `/v1/events`."""
    return call.write(lambda at: answers.ok(webhooks.enable(at.session, webhook, actor=at.actor, now=at.now)))


@router.get(
    "/{webhook}/deliveries",
    response_model=wire.Page[wire.Delivery],
    summary="What became of each event",
    openapi_extra=own(UnknownWebhook),
)
def list_deliveries(
    webhook: wire.Id,
    call: PersonReads,
    state: OfState = [],  # noqa: B006 FastAPI copies it
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The newest first; those that are settled for a month."""
    states = [str(found) for found in state]
    return call.read(
        lambda at: deliveries.page(at.session, webhook, actor=at.actor, states=states, after=after(cursor), limit=limit)
    )
