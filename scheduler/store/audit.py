"""The audit log: who did what to what, when, and what it was before and after. The processes cannot change it."""

from typing import Any

from sqlmodel import Session

from scheduler.store import bulk
from scheduler.store.tables import Audit

REQUEST_ID = "request_id"
"""Where a session knows the request it serves: `session.info[REQUEST_ID]`."""


def record(
    session: Session,
    *,
    actor: object,
    action: str,
    subject: str,
    at: float,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Writes one line of the audit log in the caller's transaction, with the request that it is part of."""
    request_id = session.info.get(REQUEST_ID)
    session.add(
        Audit(
            **row(actor=actor, action=action, subject=subject, at=at, before=before, after=after, request_id=request_id)
        )
    )


def row(
    *,
    actor: object,
    action: str,
    subject: str,
    at: float,
    request_id: str | None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> bulk.Row:
    """One line as a row, for many at once."""
    return {
        "at": int(at),
        "actor": str(actor),
        "action": action,
        "subject": subject,
        "before": before,
        "after": after,
        "request_id": request_id,
    }
