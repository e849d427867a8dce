"""Housekeeping, all of it, in APScheduler. What time does to leases is the loop's."""

from apscheduler.schedulers.background import BackgroundScheduler

from scheduler import counted, forgetting, measuring, monthly
from scheduler.clock import DatabaseClock
from scheduler.ledger_checks import VERIFIED_S, LedgerChecks
from scheduler.loop import Loop
from scheduler.metrics import Measured
from scheduler.presence import EVERY_S, Loops, Presence
from scheduler.retention import FOR_EVER, Keep
from scheduler.store.db import Database

LOOKED_S = 10
"""So often it is looked whether the database is to be measured, and the ledger verified: who takes the lead soon does."""


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
        lambda: forgetting.forget_answers(db, loop, clock.now()),
        "interval",
        id="forget_idempotent_answers",
        minutes=10,
        jitter=30,
    )
    jobs.add_job(
        lambda: forgetting.forget_offers(db, loop, clock.now()), "interval", id="forget_offers", minutes=10, jitter=30
    )
    jobs.add_job(
        lambda: forgetting.forget_deliveries(db, loop, clock.now()),
        "interval",
        id="forget_deliveries",
        minutes=60,
        jitter=300,
    )
    jobs.add_job(
        lambda: counted.count_leases(db, loop, clock.now()), "interval", id="count_leases", minutes=1, jitter=5
    )
    jobs.add_job(
        lambda: forgetting.forget_use(db, loop, clock.now()), "interval", id="forget_use", minutes=60, jitter=300
    )
    jobs.add_job(lambda: counted.renew_mixes(db, loop, clock.now()), "interval", id="renew_mixes", minutes=5, jitter=30)
    jobs.add_job(lambda: counted.count_uses(db, loop, clock.now()), "interval", id="count_uses", seconds=60, jitter=5)
    jobs.add_job(
        lambda: forgetting.forget_pods(db, loop, clock.now()), "interval", id="forget_pods", minutes=60, jitter=300
    )
    jobs.add_job(
        lambda: forgetting.forget_node_events(db, loop, clock.now(), keep.node_events_s),
        "interval",
        id="forget_node_events",
        minutes=60,
        jitter=300,
    )
    jobs.add_job(
        lambda: forgetting.forget_violations(db, loop, clock.now()),
        "interval",
        id="forget_violations",
        minutes=60,
        jitter=300,
    )
    jobs.add_job(
        lambda: measuring.measure_database(db, loop, seldom, clock.now()),
        "interval",
        id="measure_database",
        seconds=LOOKED_S,
    )
    checks = LedgerChecks(db, loop, clock.now, every_s=verified_s)
    # Two, as the second looks that it is one too many and says nothing of it, where APScheduler would warn each time.
    jobs.add_job(checks.look, "interval", id="verify_ledger", seconds=min(LOOKED_S, verified_s), max_instances=2)
    presence = Presence("scheduler", db, clock, lambda: loops(loop))
    jobs.add_job(presence.say, "interval", id="say_presence", seconds=EVERY_S)
    jobs.add_job(lambda: monthly.make_parts(db, loop, clock.now()), "interval", id="make_parts", minutes=60, jitter=300)
    jobs.add_job(
        lambda: monthly.forget_parts(db, loop, clock.now(), keep), "interval", id="forget_parts", minutes=60, jitter=300
    )
    jobs.add_job(
        lambda: counted.write_books(db, loop, clock.now()), "interval", id="write_books", minutes=10, jitter=60
    )
    jobs.start()
    return jobs


def loops(loop: Loop) -> Loops:
    """How the loop is, for those who look."""
    return Loops(leads=loop.leads, turned_at=loop.counters.last_turn)
