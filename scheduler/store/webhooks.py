"""Webhooks: whom a company is told by, and how each of these addresses is."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, update
from sqlmodel import col, select

from dure import wire
from dure.errors import Forbidden, InvalidRequest, TooMany, UnknownWebhook
from scheduler.actor import Actor
from scheduler.ids import new_id
from scheduler.store import adding, audit, companies, events, pages, records
from scheduler.store.db import Session
from scheduler.store.tables import Webhook, WebhookDelivery
from scheduler.store.times import to_wire

MOST = 20
"""Webhooks of a company."""

OLD_SECRET_S = 24 * 3600
"""How long the secret before signs too, so that a receiver can be changed in peace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to send, and the secrets that sign, the newest first."""

    webhook: str
    company: str
    url: str
    keys: tuple[str, ...]


def add(session: Session, body: wire.WebhookCreate, *, actor: Actor, now: float) -> wire.IssuedWebhook:
    """The secret is in this answer. Raises Forbidden, InvalidRequest, UnknownCompany, TooMany."""
    company = _company(session, body, actor)
    adding.alone(session, f"webhook.{company}")
    of_company = (col(Webhook.company) == company, col(Webhook.removed_at).is_(None))
    if session.exec(select(func.count()).select_from(Webhook).where(*of_company)).one() >= MOST:
        raise TooMany(f"{company} has {MOST} webhooks, which is the most; remove one first", numbers={"most": MOST})
    row = Webhook(
        id=new_id("whk", now),
        company=company,
        url=body.url,
        label=body.label,
        secret=_new_secret(),
        created_at=int(now),
    )
    session.add(row)
    session.flush()
    audit.record(session, actor=actor, action=wire.AuditAction.WEBHOOK_ADD, subject=row.id, at=now, after=_kept(row))
    return _issued(session, row)


def row(session: Session, webhook_id: str, *, actor: Actor, lock: bool = False) -> Webhook:
    """Raises UnknownWebhook, the same for one that is not there and one that is not the actor's."""
    query = select(Webhook).where(col(Webhook.id) == webhook_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = session.exec(query).one_or_none()
    if found is None or (actor.company is not None and actor.company != found.company):
        raise UnknownWebhook(f"there is no webhook {webhook_id} of yours; `dure webhook list` shows those there are")
    return found


def get(session: Session, webhook_id: str, *, actor: Actor) -> wire.Webhook:
    """Raises UnknownWebhook."""
    return to_wires(session, [_there(session, webhook_id, actor)])[0]


def page(
    session: Session, *, actor: Actor, company: str | None, after: str | None, limit: int
) -> wire.Page[wire.Webhook]:
    """Oldest first, without those that were removed. Raises UnknownCompany."""
    if company is not None:
        companies.row(session, company)
    query = select(Webhook).where(col(Webhook.removed_at).is_(None), col(Webhook.id) > (after or ""))
    for wanted in (actor.company, company):
        if wanted is not None:
            query = query.where(col(Webhook.company) == wanted)
    rows = session.exec(query.order_by(col(Webhook.id)).limit(limit + 1)).all()
    shown = {found.id: found for found in to_wires(session, rows)}
    return pages.page(rows, limit, wire=lambda found: shown[found.id], key=lambda found: found.id)


def remove(session: Session, webhook_id: str, *, actor: Actor, now: float) -> wire.Webhook:
    """Nothing is sent to it any more; removing it again changes nothing. Raises UnknownWebhook."""
    found = row(session, webhook_id, actor=actor, lock=True)
    if found.removed_at is None:
        found.removed_at, found.secret, found.old_secret, found.old_secret_until = int(now), None, None, None
        session.add(found)
        _abandon(session, found.id, "the webhook was removed", now)
        audit.record(
            session, actor=actor, action=wire.AuditAction.WEBHOOK_REMOVE, subject=found.id, at=now, before=_kept(found)
        )
    return to_wires(session, [found])[0]


def rotate(session: Session, webhook_id: str, *, actor: Actor, now: float) -> wire.IssuedWebhook:
    """A new secret; the one before signs too for a day. Raises UnknownWebhook."""
    found = _there(session, webhook_id, actor, lock=True)
    found.old_secret, found.old_secret_until = found.secret, int(now) + OLD_SECRET_S
    found.secret = _new_secret()
    session.add(found)
    after = _kept(found) | {"old_secret_until": records.time(found.old_secret_until)}
    audit.record(session, actor=actor, action=wire.AuditAction.WEBHOOK_ROTATE, subject=found.id, at=now, after=after)
    return _issued(session, found)


def enable(session: Session, webhook_id: str, *, actor: Actor, now: float) -> wire.Webhook:
    """It is sent to again from now on, and at once where it failed. Raises UnknownWebhook."""
    found = _there(session, webhook_id, actor, lock=True)
    if found.disabled_at is not None:
        audit.record(
            session,
            actor=actor,
            action=wire.AuditAction.WEBHOOK_ENABLE,
            subject=found.id,
            at=now,
            before={"disabled_at": records.time(found.disabled_at), "reason": found.disabled_reason},
            after=_kept(found),
        )
    found.disabled_at = found.disabled_reason = None
    well(session, found)
    return to_wires(session, [found])[0]


def target(session: Session, webhook_id: str, *, actor: Actor, now: float) -> Target:
    """Where a test is sent to, also while it is disabled. Raises UnknownWebhook."""
    return target_of(_there(session, webhook_id, actor), now=now)


def target_of(found: Webhook, *, now: float) -> Target:
    old = found.old_secret if (found.old_secret_until or 0) > now else None
    keys = tuple(key for key in (found.secret, old) if key is not None)
    return Target(webhook=found.id, company=found.company, url=found.url, keys=keys)


def well(session: Session, found: Webhook) -> None:
    """Something was taken, or somebody says that it will be."""
    found.failures, found.failing_since, found.retry_at = 0, None, None
    session.add(found)


def ailing(session: Session, found: Webhook, *, now: float, retry_at: float) -> None:
    """One more was not taken; nothing is sent before `retry_at`."""
    found.failures += 1
    found.failing_since = int(now) if found.failing_since is None else found.failing_since
    found.retry_at = retry_at
    session.add(found)


def disable(session: Session, found: Webhook, *, cause: str, reason: str, now: float) -> None:
    """Gives up what waits for it, and says so: in its listing, in the audit log, and to its company as an event."""
    found.disabled_at, found.disabled_reason, found.retry_at = int(now), reason, None
    session.add(found)
    _abandon(session, found.id, "the webhook was disabled", now)
    audit.record(
        session,
        actor="scheduler",
        action=wire.AuditAction.WEBHOOK_DISABLE,
        subject=found.id,
        at=now,
        after=_kept(found) | {"reason": reason},
    )
    detail: dict[str, int | str | None] = {"webhook": found.id, "url": found.url, "reason": reason}
    events.company_event(session, found.company, "webhook.disabled", at=now, cause=cause, detail=detail)


def to_wires(session: Session, rows: Sequence[Webhook]) -> list[wire.Webhook]:
    """With how many events wait for each."""
    query = (
        select(WebhookDelivery.webhook, func.count())
        .where(col(WebhookDelivery.webhook).in_([found.id for found in rows]), col(WebhookDelivery.state) == "pending")
        .group_by(WebhookDelivery.webhook)
    )
    waiting: Mapping[str, int] = dict(session.exec(query).all())
    return [_wire(found, waiting.get(found.id, 0)) for found in rows]


def _there(session: Session, webhook_id: str, actor: Actor, *, lock: bool = False) -> Webhook:
    found = row(session, webhook_id, actor=actor, lock=lock)
    if found.removed_at is not None:
        raise UnknownWebhook(f"webhook {webhook_id} was removed; `dure webhook add` makes another")
    return found


def _abandon(session: Session, webhook: str, why: str, now: float) -> None:
    statement = (
        update(WebhookDelivery)
        .where(col(WebhookDelivery.webhook) == webhook, col(WebhookDelivery.state) == "pending")
        .values(state="failed", next_at=None, last_at=int(now), last_error=why)
        .execution_options(synchronize_session=False)
    )
    session.flush()
    session.connection().execute(statement)


def _company(session: Session, body: wire.WebhookCreate, actor: Actor) -> str:
    if actor.company is not None:
        if body.company not in (None, actor.company):
            raise Forbidden(f"this token adds webhooks of {actor.company} alone, not of {body.company}")
        return actor.company
    if body.company is None:
        message = 'an admin says whose webhook it is, for example "company": "acme"'
        raise InvalidRequest(f"company: {message}", errors=[wire.FieldError(field="company", message=message)])
    return companies.row(session, body.company).name


def _kept(found: Webhook) -> dict[str, Any]:
    """What the audit log says of it: which it is, and never a secret."""
    return {"company": found.company, "url": found.url, "label": found.label}


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _issued(session: Session, found: Webhook) -> wire.IssuedWebhook:
    assert found.secret is not None
    return wire.IssuedWebhook(webhook=to_wires(session, [found])[0], secret=found.secret)


def _wire(found: Webhook, waiting: int) -> wire.Webhook:
    return wire.Webhook(
        id=found.id,
        company=found.company,
        url=found.url,
        label=found.label,
        state=_state(found),
        created_at=to_wire(found.created_at),
        pending=waiting,
        failing_since=to_wire(found.failing_since),
        retry_at=None if found.retry_at is None else to_wire(int(found.retry_at)),
        disabled_at=to_wire(found.disabled_at),
        disabled_reason=found.disabled_reason,
    )


def _state(found: Webhook) -> wire.WebhookState:
    if found.removed_at is not None:
        return wire.WebhookState.REMOVED
    if found.disabled_at is not None:
        return wire.WebhookState.DISABLED
    return wire.WebhookState.FAILING if found.failures else wire.WebhookState.ACTIVE
