"""Housekeeping, all of it, in APScheduler. What time does to leases is the loop's."""

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from dure.errors import Unavailable
from dure.wire import Role
from scheduler.actor import Actor
from scheduler.clock import DatabaseClock
from scheduler.core.fragmentation import Mix
from scheduler.loop import Loop
from scheduler.metrics import Measured
from scheduler.presence import EVERY_S, Loops, Presence
from scheduler.retention import FOR_EVER, Keep
from scheduler.store import (
    counting,
    deliveries,
    due,
    enforced,
    idempotency,
    ledger_verified,
    node_events,
    offers,
    parts,
    pool_books,
    sums,
    violation_counts,
)
from scheduler.store.db import Database
from scheduler.store.leader import fence
from scheduler.store.snapshot import database
from scheduler.turns import counts, mix

log = structlog.get_logger()

_HOUSEKEEPING = Actor(role=Role.AUDITOR, token="housekeeping")


MEASURED_S = 60
"""So often the files of the database are looked at."""

VERIFIED_S = 900
"""So often the ledger is verified, unless the settings say otherwise."""

LOOKED_S = 10
"""So soon who takes the lead does both anew."""


def schedule(
    db: Database,
    clock: DatabaseClock,
    loop: Loop,
    measured: Measured | None = None,
    *,
    verified_s: float = VERIFIED_S,
    keep: Keep = FOR_EVER,
) -> BackgroundScheduler:
    """A started scheduler of every job. A run that comes late still runs: nothing here is worth dropping.

    `measured` is where metrics have what is read seldom; `keep` is for how long what ends by age stays.
    """
    seldom = measured or Measured()
    jobs = BackgroundScheduler(
        timezone="UTC", job_defaults={"misfire_grace_time": None, "max_instances": 1, "coalesce": True}
    )
    jobs.add_job(clock.resync, "interval", id="clock_resync", seconds=10, jitter=1)
    jobs.add_job(
        lambda: forget_answers(db, loop, clock.now()), "interval", id="forget_idempotent_answers", minutes=10, jitter=30
    )
    jobs.add_job(lambda: forget_offers(db, loop, clock.now()), "interval", id="forget_offers", minutes=10, jitter=30)
    jobs.add_job(
        lambda: forget_deliveries(db, loop, clock.now()), "interval", id="forget_deliveries", minutes=60, jitter=300
    )
    jobs.add_job(lambda: count_leases(db, loop, clock.now()), "interval", id="count_leases", minutes=1, jitter=5)
    jobs.add_job(lambda: forget_use(db, loop, clock.now()), "interval", id="forget_use", minutes=60, jitter=300)
    jobs.add_job(lambda: renew_mixes(db, loop, clock.now()), "interval", id="renew_mixes", minutes=5, jitter=30)
    jobs.add_job(lambda: count_uses(db, loop, clock.now()), "interval", id="count_uses", seconds=60, jitter=5)
    jobs.add_job(lambda: forget_pods(db, loop, clock.now()), "interval", id="forget_pods", minutes=60, jitter=300)
    jobs.add_job(
        lambda: forget_node_events(db, loop, clock.now(), keep.node_events_s),
        "interval",
        id="forget_node_events",
        minutes=60,
        jitter=300,
    )
    jobs.add_job(
        lambda: forget_violations(db, loop, clock.now()), "interval", id="forget_violations", minutes=60, jitter=300
    )
    jobs.add_job(
        lambda: measure_database(db, loop, seldom, clock.now()), "interval", id="measure_database", seconds=LOOKED_S
    )
    jobs.add_job(
        lambda: verify_ledger(db, loop, seldom, clock.now(), every_s=verified_s),
        "interval",
        id="verify_ledger",
        seconds=min(LOOKED_S, verified_s),
    )
    presence = Presence("scheduler", db, clock, lambda: loops(loop))
    jobs.add_job(presence.say, "interval", id="say_presence", seconds=EVERY_S)
    jobs.add_job(lambda: make_parts(db, loop, clock.now()), "interval", id="make_parts", minutes=60, jitter=300)
    jobs.add_job(
        lambda: forget_parts(db, loop, clock.now(), keep), "interval", id="forget_parts", minutes=60, jitter=300
    )
    jobs.add_job(lambda: write_books(db, loop, clock.now()), "interval", id="write_books", minutes=10, jitter=60)
    jobs.start()
    return jobs


def loops(loop: Loop) -> Loops:
    """How the loop is, for those who look."""
    return Loops(leads=loop.leads, turned_at=loop.counters.last_turn)


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


def make_parts(db: Database, loop: Loop, now: float) -> int:
    """Makes the parts of the next months; only the leader does. How many were missing."""
    if not loop.leads:
        return 0
    made = 0
    for month in parts.months(now):
        try:
            with db.begin() as session:
                made += parts.make(session, month)
        except Unavailable as error:
            log.warning("a part was not made now", action="part_put_off", table=month.parent, error=str(error))
    with db.snapshot() as session:
        misplaced = parts.misplaced(session)
    for table, rows in misplaced.items():
        log.error("rows are in no part of a month; is the disk full?", action="part_missing", table=table, rows=rows)
    return made


def forget_parts(db: Database, loop: Loop, now: float, keep: Keep) -> list[str]:
    """Removes months of decisions, logs and what happened on nodes that are kept no longer; only the leader does.

    The parts that went.
    """
    gone = list[str]()
    if not loop.leads:
        return gone
    for parent in parts.PARENTS:
        kept_s = keep.of(parent)
        if kept_s is not None:
            gone += _forgotten(db, parent, now - kept_s)
    return gone


def _forgotten(db: Database, parent: str, before: float) -> list[str]:
    with db.snapshot() as session:
        old = parts.old(session, parent, before=before)
    gone = list[str]()
    for part in old:
        try:
            with db.begin() as session:
                dropped = parts.drop(session, part, before=before)
        except Unavailable as error:
            log.warning("a part was not removed now", action="part_put_off", part=part, error=str(error))
            continue
        log.info("a part was removed, or is needed still", action="part_forget", part=part, removed=dropped)
        gone += [part] if dropped else []
    return gone


def write_books(db: Database, loop: Loop, now: float) -> dict[str, int]:
    """Writes down the books of pools whose logs have grown; only the leader does. Their generations, by pool."""
    if not loop.leads:
        return {}
    with db.snapshot() as session:
        grown = pool_books.due(session)
    found = dict[str, int]()
    for pool in grown:
        with db.begin() as session:
            found[pool] = pool_books.write(session, pool, now=now)
    return found


def forget_violations(db: Database, loop: Loop, now: float) -> int:
    """Removes violations that were over more than two years ago; only the leader does."""
    if not loop.leads:
        return 0
    with db.begin() as session:
        return violation_counts.forget(session, now=now)


def count_leases(db: Database, loop: Loop, now: float) -> int:
    """Writes down what leases that are over had and used each day; only the leader does. How many leases."""
    epoch, counted, more = loop.epoch, 0, True
    while epoch is not None and more:
        with db.begin() as session:
            fence(session, epoch)
            found = counting.count(session, now=now)
        counted, more = counted + found, found == counting.AT_ONCE
    return counted


def forget_use(db: Database, loop: Loop, now: float) -> int:
    """Removes what agents said of leases that were counted long ago; only the leader does."""
    if not loop.leads:
        return 0
    with db.begin() as session:
        return counting.forget(session, now=now)


def renew_mixes(db: Database, loop: Loop, now: float) -> dict[str, Mix]:
    """Gives pools the newest asks, by which small shapes are placed from then on; only the leader does.

    The mixes that changed, by pool.
    """
    epoch, found = loop.epoch, dict[str, Mix]()
    if epoch is None:
        return found
    with db.snapshot() as session:
        pools = [pool.pool for pool in due.pools(session, now=now)]
    for pool in pools:
        with db.begin() as session:
            fence(session, epoch)
            renewed = mix.renew(session, loop.service.books, pool, now=now)
        if renewed is not None:
            found[pool] = renewed
            log.info("the mix of asks was renewed", action="mix_renew", pool=pool, weights=dict(renewed.weights))
    return found


def count_uses(db: Database, loop: Loop, now: float) -> list[str]:
    """Counts what companies used of contended pools, which decides whose turn it is; only the leader does.

    The pools that were counted.
    """
    epoch, found = loop.epoch, list[str]()
    if epoch is None:
        return found
    with db.snapshot() as session:
        pools = [pool.pool for pool in due.pools(session, now=now)]
    for pool in pools:
        with db.begin() as session:
            fence(session, epoch)
            if counts.count(session, loop.service.books, pool, now=now) is not None:
                found.append(pool)
    return found


def measure_database(db: Database, loop: Loop, measured: Measured, now: float) -> bool:
    """Looks how large the database is, where that was not done for a minute; only the leader does. Whether it did."""
    if not loop.leads:
        measured.forget()
        return False
    if now - measured.sized_at < MEASURED_S:
        return False
    with db.snapshot() as session:
        measured.sized(database.size(session), now)
    return True


def verify_ledger(db: Database, loop: Loop, measured: Measured, now: float, *, every_s: float) -> bool:
    """Does what `dure ledger verify` does, where that was not done for so long; only the leader does. Whether it did."""
    if not loop.leads or now - measured.verified_at < every_s:
        return False
    with db.snapshot() as session:
        found = sums.verify(session, company=None, pool=None, actor=_HOUSEKEEPING)
    measured.verified(len(found.faults), now)
    with db.begin() as session:
        ledger_verified.note(session, found, now=now)
    for fault in found.faults:
        log.error(
            "the ledger does not add up", action="ledger_fault", **fault.model_dump(mode="json", exclude_none=True)
        )
    return True
