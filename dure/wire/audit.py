"""The audit log: who did what, when and why."""

from typing import Any

from dure.wire.values import Instant, Wire


class AuditEntry(Wire):
    """One act. `actor` is role and token, between them the company or node that the token speaks for."""

    id: str
    at: Instant
    actor: str
    action: str
    """A noun and a verb, for example `quota.set`."""
    subject: str
    """The id or name of what it was done to."""
    reason: str | None
    """Why, where who did it said so."""
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None
