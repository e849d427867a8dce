"""`python -m scheduler` runs the loop; `migrate` brings the schema up to date; `admin-token PATH` makes the first token."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from dure import probes
from dure.environment import SettingError, read
from dure.errors import DureError, Unavailable
from dure.wire import Role, TokenIssue
from scheduler import jobs, logs
from scheduler.clock import DatabaseClock
from scheduler.loop import Loop
from scheduler.metrics import Counters, FleetCollector
from scheduler.settings import Settings
from scheduler.store import migrate, tokens
from scheduler.store.db import Database
from scheduler.warming import warm
from scheduler.webhooks.courier import Courier
from scheduler.webhooks.metrics import DeliveryCounters, WebhookCollector
from scheduler.webhooks.sender import Sender

log = structlog.get_logger()

STALLED_S = 15.0
"""A leader whose loop has not turned for this long is not ready."""


def main() -> int:
    arguments = _arguments()
    logs.configure()
    try:
        settings = read(Settings, os.environ, prefix="DURE_SCHEDULER_", shared={"database_url", "webhook_networks"})
    except SettingError as error:
        print(f"scheduler: {error}", file=sys.stderr)
        return 2
    try:
        match arguments.command:
            case "migrate":
                migrate.upgrade(settings.database_url)
            case "admin-token":
                _admin_token(settings, Path(arguments.path))
            case _:
                _run(settings)
    except (DureError, OSError) as error:
        print(f"scheduler: {error}", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scheduler", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("migrate", help="bring the database to the schema this code needs")
    first = commands.add_parser("admin-token", help="write an admin token to a file of mode 600, unless one is there")
    first.add_argument("path", help="where the token goes")
    return parser.parse_args()


def _admin_token(settings: Settings, path: Path) -> None:
    """Leaves a token that works where it is; otherwise makes one. Whoever can do this holds the database anyway."""
    db = Database(settings.database_url, pool_size=1)
    clock = DatabaseClock(db)
    with db.begin() as session:
        if path.exists():
            try:
                tokens.authenticate(session, path.read_text().strip(), clock.now())
                return
            except DureError as error:
                log.info("the admin token does not work", action="admin_token_renew", why=error.code)
        body = TokenIssue(role=Role.ADMIN, label="first admin")
        issued = tokens.issue(session, body, actor="scheduler admin-token", now=clock.now())
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(issued.secret + "\n")
    db.close()


def _run(settings: Settings) -> None:
    warm()
    db = Database(settings.database_url, pool_size=5, lock_timeout_s=2)
    clock = _clock(db)
    registry = CollectorRegistry()
    counters = Counters(registry)
    counters.watch_clock(lambda: clock.step_s)
    loop = Loop(db, clock, counters, wake_s=settings.wake_s)
    registry.register(FleetCollector(db, clock.now, lambda: loop.leads))
    registry.register(WebhookCollector(db, clock.now, lambda: loop.leads))
    courier = Courier(db, clock, Sender(settings.webhook_networks), DeliveryCounters(registry), lambda: loop.epoch)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop())
    server = probes.serve(settings.port, host=settings.host, routes=_routes(registry, db, clock, loop, counters))
    housekeeping = jobs.schedule(db, clock, loop)
    log.info("scheduler is up", action="up", port=server.port)
    with courier:
        loop.run()
    housekeeping.shutdown(wait=False)
    server.close()
    db.close()
    log.info("scheduler is down", action="down")


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
    def metrics() -> probes.Answer:
        return probes.Answer(status=200, content_type=CONTENT_TYPE_LATEST, body=generate_latest(registry))

    def ready() -> probes.Answer:
        """A standby is ready when the database answers; a leader also when its loop turns."""
        try:
            db.check()
        except Unavailable as error:
            return probes.text(503, str(error))
        stalled = loop.leads and counters.last_turn and clock.now() - counters.last_turn > STALLED_S
        return probes.text(503, "the loop is stalled") if stalled else probes.text(200, "ready")

    return {"/metrics": metrics, "/healthz": lambda: probes.text(200, "alive"), "/readyz": ready}


if __name__ == "__main__":
    sys.exit(main())
