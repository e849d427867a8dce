"""Deliveries: every event for every webhook of its company, from the moment it can be read until it was taken or given up.

Rows alone say what is to be sent. Who sends takes some for a while (`claim`); what a crash leaves is due again after that,
so everything is sent at least once.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, text
from sqlmodel import col, select

from dure import wire
from scheduler.actor import Actor
from scheduler.store import events, pages, webhooks
from scheduler.store.db import Session
from scheduler.store.events import Position
from scheduler.store.tables import LeaseEvent, Webhook, WebhookCursor, WebhookDelivery
from scheduler.store.times import to_wire
from scheduler.store.webhooks import Target

BATCH = 500
"""Events given out in one transaction."""

CLAIM_S = 60
"""How long what was claimed is left to who claimed it."""

PARCEL = 10
"""Deliveries claimed for one webhook at a time; one alone while it fails."""

KEPT_S = 30 * 24 * 3600
"""How long a settled delivery is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One event to be sent. `at` is when it happened, `attempts` how often it was sent already."""

    seq: int
    id: str
    at: int
    attempts: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What goes to one webhook, in order."""

    target: Target
    due: tuple[Due, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What there is to do: events to give out, deliveries to send."""

    fresh: bool
    due: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How webhooks and their deliveries stand. `unsent_age_s` is of the oldest event not sent yet to one that works."""

    webhooks: dict[str, int]
    pending: int
    unsent_age_s: float


_STANDING = text(
    """
    SELECT
        count(*) FILTER (WHERE disabled_at IS NULL AND failures = 0) AS active,
        count(*) FILTER (WHERE disabled_at IS NULL AND failures > 0) AS failing,
        count(*) FILTER (WHERE disabled_at IS NOT NULL) AS disabled,
        (SELECT count(*) FROM webhook_delivery WHERE state = 'pending') AS pending,
        (SELECT extract(epoch FROM to_timestamp(:now) - at)::float8 FROM lease_event WHERE seq = (
           SELECT min(d.event) FROM webhook_delivery d JOIN webhook w ON w.id = d.webhook
           WHERE d.state = 'pending' AND d.attempts = 0 AND w.failures = 0 AND w.disabled_at IS NULL)) AS unsent
    FROM webhook WHERE removed_at IS NULL
    """
)

_FRESH = """
    SELECT xid, seq, company FROM lease_event
    WHERE (xid, seq) > (:xid, :seq) AND xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    ORDER BY xid, seq
"""

_READY = """
    SELECT w.id, w.failures,
        (SELECT min(next_at) FROM webhook_delivery WHERE webhook = w.id AND state = 'pending') AS oldest
    FROM webhook w
    WHERE w.disabled_at IS NULL AND w.removed_at IS NULL AND coalesce(w.retry_at, 'epoch') <= to_timestamp(:now)
        AND w.id <> ALL(CAST(:busy AS text[]))
"""

_DUE = text(f"SELECT EXISTS (SELECT FROM ({_READY}) ready WHERE oldest <= to_timestamp(:now))")

_GIVE_OUT = text(
    f"""
    WITH fresh AS MATERIALIZED ({_FRESH} LIMIT :batch),
    given AS (
        INSERT INTO webhook_delivery (webhook, event, state, attempts, next_at)
        SELECT w.id, f.seq, 'pending', 0, to_timestamp(:now)
        FROM fresh f JOIN webhook w ON w.company = f.company AND w.disabled_at IS NULL AND w.removed_at IS NULL
        ON CONFLICT DO NOTHING
    )
    UPDATE webhook_cursor SET (xid, seq) = (SELECT xid, seq FROM fresh ORDER BY xid DESC, seq DESC LIMIT 1)
    WHERE EXISTS (SELECT FROM fresh)
    RETURNING (SELECT count(*) FROM fresh)
    """
)

_CLAIM = text(
    f"""
    WITH ready AS MATERIALIZED (
        SELECT id, failures FROM ({_READY}) r WHERE oldest <= to_timestamp(:now) ORDER BY oldest, id LIMIT :webhooks
    )
    UPDATE webhook_delivery d SET next_at = to_timestamp(:until)
    FROM ready CROSS JOIN LATERAL (
        SELECT webhook, event FROM webhook_delivery
        WHERE webhook = ready.id AND state = 'pending' AND next_at <= to_timestamp(:now)
        ORDER BY next_at, event LIMIT CASE WHEN ready.failures > 0 THEN 1 ELSE :parcel END
    ) first
    WHERE d.webhook = first.webhook AND d.event = first.event AND d.state = 'pending'
    RETURNING d.webhook, d.event, d.attempts
    """
)


def work(session: Session, *, now: float, busy: Collection[str]) -> Work:
    """Read without locks, so that a look with nothing to do disturbs nobody. `busy` are webhooks to leave out."""
    fresh = events.head(session) > _cursor(session)
    due = session.connection().execute(_DUE, {"now": now, "busy": list(busy)}).scalar_one()
    return Work(fresh=fresh, due=due)


def give_out(session: Session, *, now: float) -> bool:
    """Makes deliveries of the next events; whether there may be more."""
    values = {**_cursor(session)._asdict(), "now": now, "batch": BATCH}
    taken = session.connection().execute(_GIVE_OUT, values).scalar_one_or_none()
    return taken == BATCH


def claim(session: Session, *, now: float, busy: Collection[str], most: int) -> list[Parcel]:
    """Takes what is due for at most that many webhooks, those that wait the longest first."""
    values = {"now": now, "until": now + CLAIM_S, "busy": list(busy), "webhooks": most, "parcel": PARCEL}
    claimed: dict[str, dict[int, int]] = {}
    for webhook, seq, attempts in session.connection().execute(_CLAIM, values):
        claimed.setdefault(webhook, {})[seq] = attempts
    if not claimed:
        return []
    happened = _events(session, {seq for due in claimed.values() for seq in due})
    rows = session.exec(select(Webhook).where(col(Webhook.id).in_(claimed)).order_by(col(Webhook.id)))
    return [
        Parcel(
            target=webhooks.target_of(row, now=now),
            due=tuple(_due(happened[seq], attempts) for seq, attempts in sorted(claimed[row.id].items())),
        )
        for row in rows
    ]


def locked(session: Session, webhook: str) -> Webhook:
    """The webhook, whose deliveries nobody else settles until the transaction ends."""
    query = select(Webhook).where(col(Webhook.id) == webhook).with_for_update()
    return session.exec(query.execution_options(populate_existing=True)).one()


def delivered(session: Session, webhook: str, seq: int, *, status: int, now: float) -> None:
    found = _pending(session, webhook, seq)
    if found is not None:
        found.state, found.next_at, found.attempts = "delivered", None, found.attempts + 1
        found.last_at, found.last_status, found.last_error = int(now), status, None
        session.add(found)


def failed(
    session: Session,
    webhook: str,
    seq: int,
    *,
    status: int | None,
    error: str | None,
    again_at: float | None,
    now: float,
) -> None:
    """It was not taken: sent again at `again_at`, or given up where that is None."""
    found = _pending(session, webhook, seq)
    if found is not None:
        found.state, found.next_at, found.attempts = "pending" if again_at else "failed", again_at, found.attempts + 1
        found.last_at, found.last_status, found.last_error = int(now), status, error
        session.add(found)


def put_back(session: Session, webhook: str, seqs: Iterable[int], *, now: float) -> None:
    """What was claimed and not sent is due at once again."""
    for seq in seqs:
        found = _pending(session, webhook, seq)
        if found is not None:
            found.next_at = now
            session.add(found)


def page(
    session: Session, webhook_id: str, *, actor: Actor, states: Sequence[str] = (), after: str | None, limit: int
) -> wire.Page[wire.Delivery]:
    """Of a webhook, the newest event first. Raises UnknownWebhook, BadCursor."""
    webhooks.row(session, webhook_id, actor=actor)
    query = (
        select(WebhookDelivery, LeaseEvent)
        .join(LeaseEvent, col(LeaseEvent.seq) == col(WebhookDelivery.event))
        .where(col(WebhookDelivery.webhook) == webhook_id)
        .order_by(col(WebhookDelivery.event).desc())
        .limit(limit + 1)
    )
    if states:
        query = query.where(col(WebhookDelivery.state).in_(states))
    if after is not None:
        query = query.where(col(WebhookDelivery.event) < pages.number(after))
    rows = session.exec(query).all()
    return pages.page(rows, limit, wire=lambda row: _wire(*row), key=lambda row: str(row[0].event))


def standing(session: Session, *, now: float) -> Standing:
    """For metrics."""
    found = session.connection().execute(_STANDING, {"now": now}).mappings().one()
    states = {state: found[state] for state in ("active", "failing", "disabled")}
    return Standing(webhooks=states, pending=found["pending"], unsent_age_s=max(0.0, found["unsent"] or 0.0))


def forget(session: Session, *, now: float) -> int:
    """Removes what was settled long ago, and what came too late for a webhook that was removed; how many."""
    settled = (col(WebhookDelivery.state) != "pending") & (col(WebhookDelivery.last_at) < int(now) - KEPT_S)
    removed = select(Webhook.id).where(col(Webhook.removed_at).is_not(None))
    late = (col(WebhookDelivery.state) == "pending") & col(WebhookDelivery.webhook).in_(removed)
    statement = delete(WebhookDelivery).where(settled | late)
    return session.connection().execute(statement).rowcount


def _cursor(session: Session) -> Position:
    """Given to statements as numbers: joined to the events, it would have PostgreSQL read all of them."""
    found = session.exec(select(WebhookCursor).execution_options(populate_existing=True)).one()
    return Position(found.xid, found.seq)


def _pending(session: Session, webhook: str, seq: int) -> WebhookDelivery | None:
    """None for one that was settled meanwhile, as its webhook was disabled or removed."""
    found = session.get_one(WebhookDelivery, (webhook, seq), populate_existing=True)
    return found if found.state == "pending" else None


def _events(session: Session, seqs: Collection[int]) -> dict[int, LeaseEvent]:
    rows = session.exec(select(LeaseEvent).where(col(LeaseEvent.seq).in_(seqs)))
    return {events.at(row).seq: row for row in rows}


def _due(row: LeaseEvent, attempts: int) -> Due:
    event = events.event_to_wire(row)
    body = event.model_dump_json().encode()
    return Due(seq=events.at(row).seq, id=event.id, at=row.at, attempts=attempts, body=body)


def _wire(row: WebhookDelivery, event: LeaseEvent) -> wire.Delivery:
    told = events.event_to_wire(event)
    return wire.Delivery(
        event=told.id,
        type=told.type,
        lease=told.lease,
        at=told.at,
        state=wire.DeliveryState(row.state),
        attempts=row.attempts,
        next_at=None if row.next_at is None else to_wire(int(row.next_at)),
        last_at=to_wire(row.last_at),
        last_status=row.last_status,
        last_error=row.last_error,
    )
