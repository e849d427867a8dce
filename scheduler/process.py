"""The scheduler's process: the loop, the housekeeping, the courier, and what they say of themselves."""

import signal
import sys
import time
from contextlib import ExitStack

import structlog
from prometheus_client import CollectorRegistry

from dure import probes
from dure.errors import Unavailable
from scheduler import jobs, retention, traces
from scheduler.bounded import Bounded
from scheduler.clock import DatabaseClock
from scheduler.kube.desired import Terms
from scheduler.kube.metrics import KubeCollector, KubeCounters
from scheduler.kube.reconciler import Reconciler, look
from scheduler.kube.roll import Roll
from scheduler.loop import Loop
from scheduler.metrics import Counters, FleetCollector, Measured, page
from scheduler.metrics.reading import ANSWERS_S, Reader
from scheduler.settings import Settings
from scheduler.store.db import Database
from scheduler.warming import warm
from scheduler.webhooks.courier import Courier
from scheduler.webhooks.metrics import DeliveryCounters, WebhookCollector
from scheduler.webhooks.sender import Sender

log = structlog.get_logger()

SWITCH_S = 0.0005
"""How long one thread computes while others wait to: what is to be asked of a cluster at an instant takes turns with looks at
companies, a dozen times for each call, and with Python's own 5 ms would come that much later each time.
"""

STALLED_S = 15.0
"""A leader whose loop has not turned for this long is not ready."""


def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises OSError where it cannot listen, and Unavailable."""
    traces.configure(settings.traces, "scheduler")
    warm()
    sys.setswitchinterval(SWITCH_S)
    db = Database(settings.address, pool_size=5 + 2 * len(settings.clusters), lock_timeout_s=2)
    clock = _clock(db)
    registry, counted, measured = CollectorRegistry(), CollectorRegistry(), Measured()
    counters = Counters(counted)
    reader = Reader(db)
    fleet = FleetCollector(
        db,
        clock.now,
        lambda: loop.leads,
        measured=measured,
        answers=counters.answers,
        reader=reader,
    )
    # In this order who leads is told as the database answered in this scrape.
    registry.register(fleet)
    registry.register(counted)
    counters.watch_clock(lambda: clock.step_s)
    db.timed = counters.transaction
    reconcilers: list[Reconciler] = []
    roll = Roll(db, [one.name for one in settings.clusters], lambda: loop.epoch)
    loop = Loop(db, clock, counters, wake_s=settings.wake_s, turned=lambda: _turned(reconcilers, roll))
    reconcilers += _reconcilers(settings, db, clock, KubeCounters(registry), loop)
    registry.register(KubeCollector(reconcilers))
    registry.register(WebhookCollector(db, clock.now, lambda: loop.leads, reader=reader))
    courier = Courier(db, clock, Sender(settings.webhook_networks), DeliveryCounters(registry), lambda: loop.epoch)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop())
    server = probes.serve(settings.port, host=settings.host, routes=_routes(registry, db, clock, loop, counters))
    keep = retention.keep(settings.keep_decisions_days, settings.keep_node_events_days)
    housekeeping = jobs.schedule(db, clock, loop, measured, verified_s=settings.ledger_verified_s, keep=keep)
    log.info("scheduler is up", action="up", port=server.port)
    with ExitStack() as beside:
        for one in (courier, *reconcilers):
            beside.enter_context(one)
        loop.run()
    housekeeping.shutdown(wait=False)
    server.close()
    db.close()
    log.info("scheduler is down", action="down")


def _turned(reconcilers: list[Reconciler], roll: Roll) -> None:
    look(reconcilers)
    roll.look()


def _reconcilers(
    settings: Settings, db: Database, clock: DatabaseClock, counters: KubeCounters, loop: Loop
) -> list[Reconciler]:
    terms = Terms(
        kill_margin_s=settings.kill_margin_s,
        warning_s=settings.warning_s,
        closed_networks=tuple(map(str, settings.closed_networks)),
        taint_key=settings.taint_key,
        pod_security_floor=settings.pod_security_floor,
        other_resources=settings.other_resources,
        removal_grace_s=settings.company_grace_days * 86_400,
        relist_s=settings.relist_s,
    )
    return [
        Reconciler(db, clock, one, terms, counters, lambda: loop.epoch, lambda: loop.follows)
        for one in settings.clusters
    ]


def _clock(db: Database) -> DatabaseClock:
    """Waits for the database: without its clock there is no time."""
    while True:
        try:
            return DatabaseClock(db)
        except Unavailable as error:
            log.warning("waiting for the database", action="database_away", error=str(error))
            time.sleep(1)


def _routes(
    registry: CollectorRegistry, db: Database, clock: DatabaseClock, loop: Loop, counters: Counters
) -> dict[str, probes.Route]:
    looks = Bounded()

    def ready(_: str) -> probes.Answer:
        """A standby is ready when the database answers; a leader also when its loop turns."""
        try:
            looks.within(ANSWERS_S, db.check)
        except Unavailable as error:
            return probes.text(503, str(error))
        stalled = loop.leads and counters.last_turn and clock.now() - counters.last_turn > STALLED_S
        return probes.text(503, "the loop is stalled") if stalled else probes.text(200, "ready")

    return {"/metrics": page.route(registry), "/healthz": lambda _: probes.text(200, "alive"), "/readyz": ready}
