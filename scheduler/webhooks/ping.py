"""A test: one event that says nothing but that it is one, sent now and once, with what came of it."""

from dure import wire
from scheduler.ids import new_id
from scheduler.store.times import to_wire
from scheduler.store.webhooks import Target
from scheduler.webhooks import signing
from scheduler.webhooks.sender import Sender

TYPE = "webhook.test"


def ping(sender: Sender, target: Target, *, now: float) -> wire.WebhookTest:
    """Takes as long as the address does. Nothing is written down, and no database is held meanwhile."""
    event = wire.Event(
        id=new_id("tst", now),
        type=TYPE,
        at=to_wire(int(now)),
        company=target.company,
        pool=None,
        lease=None,
        data=wire.EventData(
            state=None,
            cause=None,
            promised_start=None,
            starts_at=None,
            stops_at=None,
            detail={"webhook": target.webhook},
        ),
    )
    body = event.model_dump_json().encode()
    with sender.to(target.url) as line:
        answer = line.post(signing.headers(event.id, body, keys=target.keys, now=now), body)
    return wire.WebhookTest(
        webhook=target.webhook,
        id=event.id,
        ok=answer.ok,
        status=answer.status,
        error=answer.error,
        duration_ms=int(answer.took_s * 1000),
    )
