"""What ends by age goes, row by row; each is a job of the leader's. What goes by the month is in `scheduler.monthly`."""

from scheduler.loop import Loop
from scheduler.store import counting, deliveries, enforced, idempotency, node_events, offers, violation_counts
from scheduler.store.db import Database


def forget_answers(db: Database, loop: Loop, now: float) -> int:
    """Removes idempotent answers older than a day; only the leader does."""
    if not loop.leads:
        return 0
    with db.begin() as session:
        return idempotency.forget(session, now=now)


def forget_offers(db: Database, loop: Loop, now: float) -> int:
    """Removes offers that could be claimed until a day ago; only the leader does."""
    if not loop.leads:
        return 0
    with db.begin() as session:
        return offers.forget(session, now=now)


def forget_deliveries(db: Database, loop: Loop, now: float) -> int:
    """Removes deliveries to webhooks that were settled a month ago; only the leader does."""
    if not loop.leads:
        return 0
    with db.begin() as session:
        return deliveries.forget(session, now=now)


def forget_pods(db: Database, loop: Loop, now: float) -> int:
    """Removes what was seen of pods that were over a week ago; only the leader does."""
    if not loop.leads:
        return 0
    with db.begin() as session:
        return enforced.forget(session, now=now)


def forget_node_events(db: Database, loop: Loop, now: float, kept_s: int = node_events.KEPT_S) -> int:
    """Removes what happened on nodes more than two years ago, or as many days as is set, and is in no part of a month; only
    the leader does.
    """
    if not loop.leads:
        return 0
    with db.begin() as session:
        return node_events.forget(session, now=now, kept_s=kept_s)


def forget_violations(db: Database, loop: Loop, now: float) -> int:
    """Removes violations that were over more than two years ago; only the leader does."""
    if not loop.leads:
        return 0
    with db.begin() as session:
        return violation_counts.forget(session, now=now)


def forget_use(db: Database, loop: Loop, now: float) -> int:
    """Removes what agents said of leases that were counted long ago; only the leader does."""
    if not loop.leads:
        return 0
    with db.begin() as session:
        return counting.forget(session, now=now)
