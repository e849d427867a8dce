"""The audit log: who did what to what, when and why, and what it was before and after. The processes cannot change it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from dure import wire
from dure.errors import InvalidRequest
from scheduler.store import bulk, pages
from scheduler.store.tables import Audit
from scheduler.store.times import from_wire, to_wire

REQUEST_ID = "request_id"
"""Where a session knows the request it serves: `session.info[REQUEST_ID]`."""

REASON = "reason"
"""Where it knows why that was sent, if somebody said so."""


def record(
    session: Session,
    *,
    actor: object,
    action: wire.AuditAction,
    subject: str,
    at: float,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Writes one line of the audit log in the caller's transaction, with the request that it is part of."""
    said = {"request_id": session.info.get(REQUEST_ID), "reason": session.info.get(REASON)}
    session.add(Audit(**row(actor=actor, action=action, subject=subject, at=at, before=before, after=after, **said)))


def row(
    *,
    actor: object,
    action: wire.AuditAction,
    subject: str,
    at: float,
    request_id: str | None,
    reason: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> bulk.Row:
    """One line as a row, for many at once."""
    return {
        "at": int(at),
        "actor": str(actor),
        "action": action.value,
        "subject": subject,
        "before": before,
        "after": after,
        "request_id": request_id,
        "reason": reason,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines are read: of an actor, or of all whose names begin so up to a colon; of an action, or of all that
    begin so up to a dot or end so after it; of a subject; over `[since, until)`.
    """

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def page(session: Session, wanted: Wanted, *, after: str | None, limit: int) -> wire.Page[wire.AuditEntry]:
    """Newest first. Raises BadCursor, InvalidRequest."""
    if wanted.action is not None:
        _check(wanted.action)
    query = select(Audit).order_by(col(Audit.seq).desc()).limit(limit + 1)
    if after is not None:
        query = query.where(col(Audit.seq) < pages.number(after))
    if wanted.actor is not None:
        actor = col(Audit.actor)
        query = query.where((actor == wanted.actor) | actor.startswith(f"{wanted.actor}:", autoescape=True))
    if wanted.action is not None:
        actions = [action.value for action in wire.AuditAction if wanted.action in (action.value, *action.words)]
        query = query.where(col(Audit.action).in_(actions))
    if wanted.subject is not None:
        query = query.where(col(Audit.subject) == wanted.subject)
    if wanted.since is not None:
        query = query.where(col(Audit.at) >= from_wire(wanted.since))
    if wanted.until is not None:
        query = query.where(col(Audit.at) < from_wire(wanted.until))
    return pages.page(session.exec(query).all(), limit, wire=_wire, key=lambda row: str(row.seq))


def _check(action: str) -> None:
    """What is never done is more likely a mistake than a question."""
    words = {word for known in wire.AuditAction for word in (known.value, *known.words)}
    if action not in words:
        raise InvalidRequest.about(
            "action",
            f"{action} is none; they are {', '.join(wire.AuditAction)}, or one of the words alone, for example quota or policy",
        )


def _wire(row: Audit) -> wire.AuditEntry:
    return wire.AuditEntry(
        id=f"aud_{row.seq}",
        at=to_wire(row.at),
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        reason=row.reason,
        before=row.before,
        after=row.after,
        request_id=row.request_id,
    )
