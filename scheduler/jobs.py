"""Housekeeping, all of it, in APScheduler. What time does to leases is the loop's."""

from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from dure.errors import Unavailable
from scheduler import counted, forgetting, measuring, monthly
from scheduler.clock import DatabaseClock
from scheduler.ledger_checks import VERIFIED_S, LedgerChecks
from scheduler.loop import Loop
from scheduler.metrics import Measured
from scheduler.presence import EVERY_S, Loops, Presence
from scheduler.retention import FOR_EVER, Keep
from scheduler.store.db import Database
from scheduler.store.leader import Deposed
from scheduler.store.metric_totals import TOLD_S

log = structlog.get_logger()

Work = Callable[[Database, Loop, float], object]
"""What looks by itself whether we lead; it is given the time."""

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

    def every(job: Callable[[], object], name: str, *, jitter: int | None = None, **interval: Any) -> None:
        jobs.add_job(lambda: _tried(job, name), "interval", id=name, jitter=jitter, **interval)

    def led(work: Work, name: str, *, jitter: int | None = None, **interval: Any) -> None:
        every(lambda: work(db, loop, clock.now()), name, jitter=jitter, **interval)

    every(clock.resync, "clock_resync", seconds=10, jitter=1)
    led(forgetting.forget_answers, "forget_idempotent_answers", minutes=10, jitter=30)
    led(forgetting.forget_offers, "forget_offers", minutes=10, jitter=30)
    led(forgetting.forget_deliveries, "forget_deliveries", minutes=60, jitter=300)
    led(counted.count_leases, "count_leases", minutes=1, jitter=5)
    led(counted.tell_totals, "tell_totals", seconds=TOLD_S)
    led(counted.fold_totals, "fold_totals", minutes=10, jitter=60)
    led(forgetting.forget_use, "forget_use", minutes=60, jitter=300)
    led(counted.renew_mixes, "renew_mixes", minutes=5, jitter=30)
    led(counted.count_uses, "count_uses", seconds=60, jitter=5)
    led(forgetting.forget_pods, "forget_pods", minutes=60, jitter=300)
    node_events = partial(forgetting.forget_node_events, kept_s=keep.node_events_s)
    led(node_events, "forget_node_events", minutes=60, jitter=300)
    led(forgetting.forget_violations, "forget_violations", minutes=60, jitter=300)
    led(partial(measuring.measure_database, measured=seldom), "measure_database", seconds=LOOKED_S)
    checks = LedgerChecks(db, loop, clock.now, every_s=verified_s)
    # Two, as the second looks that it is one too many and says nothing of it, where APScheduler would warn each time.
    every(checks.look, "verify_ledger", seconds=min(LOOKED_S, verified_s), max_instances=2)
    presence = Presence("scheduler", db, clock, lambda: loops(loop))
    every(presence.say, "say_presence", seconds=EVERY_S)
    led(monthly.make_parts, "make_parts", minutes=60, jitter=300)
    led(partial(monthly.forget_parts, keep=keep), "forget_parts", minutes=60, jitter=300)
    led(counted.write_books, "write_books", minutes=10, jitter=60)
    jobs.start()
    return jobs


def _tried(job: Callable[[], object], name: str) -> None:
    """What the database's absence, or another leader, is in the way of is done when it is next due."""
    try:
        job()
    except (Unavailable, Deposed) as error:
        log.warning("a job was put off", action="job_put_off", job=name, error=str(error))


def loops(loop: Loop) -> Loops:
    """How the loop is, for those who look."""
    return Loops(leads=loop.leads, turned_at=loop.counters.last_turn)
