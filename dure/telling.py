"""The client's part of being told: events, read or followed, and webhooks."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from dure import errors, wire
from dure.sending import PAGE_SIZE, Sending, as_time, segment
from dure.stream import Message, messages

LONGEST_SILENCE_S = 300
"""How long a server may be away before a follower gives up."""

WAIT_S = 2
"""Between two tries to come back."""


def _nobody(error: errors.DureError) -> None:
    """Who follows without a word for it hears of no break."""


class Telling(Sending):
    """Routes about events."""

    def events(
        self,
        *,
        company: str | None = None,
        pool: str | None = None,
        since: datetime | None = None,
        after: str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[wire.Event]:
        """Oldest first, from the beginning, `since`, or after the event of that id, up to now."""
        found = {"company": company, "pool": pool, "since": as_time(since), "after": after}
        return self._items("/v1/events", wire.Page[wire.Event], params=found, page_size=page_size)

    def follow_events(
        self,
        *,
        company: str | None = None,
        pool: str | None = None,
        since: datetime | None = None,
        after: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        broken: Callable[[errors.DureError], None] = _nobody,
    ) -> Iterator[wire.Event]:
        """Events as they come, for ever, none missed: a stream that breaks is taken up after the last one.

        Begins now, or as `events` does. `broken` is told when it breaks. Raises what the server says of the
        request, and Unreachable or Unavailable once nothing was heard for five minutes.
        """
        params = {"company": company, "pool": pool, "since": as_time(since), "after": after}
        last, heard, away = None, now(), False
        while True:
            try:
                for message in self._messages(params, last):
                    heard, away = now(), False
                    if message.data:
                        yield self._parsed(message.data.encode(), wire.Event)
                    last = message.id or last
            except (errors.Unavailable, errors.Unreachable) as error:
                if (now() - heard).total_seconds() > LONGEST_SILENCE_S:
                    raise
                if not away:
                    broken(error)
                away = True
            self._sleep(WAIT_S)

    def _messages(self, params: dict[str, str | None], last: str | None) -> Iterator[Message]:
        headers = {"Accept": "text/event-stream", **({} if last is None else {"Last-Event-ID": last})}
        return messages(self._connection.stream("/v1/events", params=params, headers=headers))

    def add_webhook(self, body: wire.WebhookCreate) -> wire.IssuedWebhook:
        """The answer has the secret, and no other has it."""
        return self._post("/v1/webhooks", body, wire.IssuedWebhook)

    def webhooks(self, *, company: str | None = None) -> Iterator[wire.Webhook]:
        """Oldest first."""
        return self._items("/v1/webhooks", wire.Page[wire.Webhook], params={"company": company})

    def webhook(self, webhook_id: str) -> wire.Webhook:
        return self._get(f"/v1/webhooks/{segment(webhook_id)}", wire.Webhook)

    def test_webhook(self, webhook_id: str) -> wire.WebhookTest:
        """Sends it an event of type `webhook.test` now; what it answered, also where that is an error."""
        path = f"/v1/webhooks/{segment(webhook_id)}/test"
        return self._parsed(self._connection.send("POST", path, repeatable=False), wire.WebhookTest)

    def rotate_webhook(self, webhook_id: str) -> wire.IssuedWebhook:
        """A new secret; the one before signs too for a day."""
        return self._post(f"/v1/webhooks/{segment(webhook_id)}/rotate", None, wire.IssuedWebhook)

    def enable_webhook(self, webhook_id: str) -> wire.Webhook:
        return self._post(f"/v1/webhooks/{segment(webhook_id)}/enable", None, wire.Webhook)

    def remove_webhook(self, webhook_id: str) -> wire.Webhook:
        path = f"/v1/webhooks/{segment(webhook_id)}"
        return self._delete(path, wire.Webhook)

    def deliveries(self, webhook_id: str, *, page_size: int = PAGE_SIZE) -> Iterator[wire.Delivery]:
        """What became of each event for it, the newest first."""
        path = f"/v1/webhooks/{segment(webhook_id)}/deliveries"
        return self._items(path, wire.Page[wire.Delivery], page_size=page_size)
