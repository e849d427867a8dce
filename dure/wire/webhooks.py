"""Webhooks: addresses of a company's that are told its events, as Standard Webhooks says it."""

from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from dure.wire.values import CompanyName, Instant, Label, Wire


def _address(value: str) -> str:
    if not all("!" <= letter <= "~" and letter not in '"\\<>`' for letter in value):
        raise ValueError("an address has visible ASCII characters alone")
    found = urlsplit(value)
    if found.scheme not in ("https", "http") or not found.hostname or not 0 <= (found.port or 443) <= 65535:
        raise ValueError("write the whole address, with https:// before its host")
    if found.username is not None or found.fragment:
        raise ValueError(
            "an address has no user, no password and no #; that it is we who send is proved by the signature"
        )
    return value


WebhookUrl = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_address)]
"""An absolute http or https address, without user, password and fragment."""


class WebhookCreate(Wire):
    """An address to be told a company's events from now on."""

    url: WebhookUrl
    label: Label | None = None
    company: CompanyName | None = None
    """For admins, who add it in a company's name; a company's own token implies it."""


class WebhookState(StrEnum):
    ACTIVE = "active"
    FAILING = "failing"
    """The last delivery was not taken; it is sent again and again, for days."""
    DISABLED = "disabled"
    """Nothing is sent until somebody enables it again."""
    REMOVED = "removed"
    """Said by the answer to removing it, and nowhere else."""


class Webhook(Wire):
    """A webhook as it is listed: never the secret itself."""

    id: str
    company: CompanyName
    url: str
    label: str | None
    state: WebhookState
    created_at: Instant
    pending: int
    """Events that wait to be sent, or to be sent again."""
    failing_since: Instant | None
    retry_at: Instant | None
    """Nothing is sent before."""
    disabled_at: Instant | None
    disabled_reason: str | None


class IssuedWebhook(Wire):
    """The only answers that carry the secret: that of adding a webhook and that of changing its secret."""

    webhook: Webhook
    secret: str
    """`whsec_` and base64: what the receiver verifies signatures with."""


class WebhookTest(Wire):
    """What the address answered to an event of type `webhook.test` just now."""

    webhook: str
    id: str
    ok: bool
    status: int | None
    error: str | None
    duration_ms: int


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """It was given up."""


class Delivery(Wire):
    """One event on its way to one webhook."""

    event: str
    type: str
    lease: str | None
    at: Instant
    """When the event happened."""
    state: DeliveryState
    attempts: int
    next_at: Instant | None
    last_at: Instant | None
    last_status: int | None
    last_error: str | None
