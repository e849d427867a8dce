"""The API's process, until SIGTERM or SIGINT, which end it cleanly."""

import gc
import signal
from collections.abc import Callable
from threading import Event

import structlog
import uvicorn

from api.app import create_app
from api.pulse import Pulse
from api.server import Server
from api.settings import ApiSettings
from dure.errors import Unavailable
from scheduler.clock import DatabaseClock
from scheduler.kube.keys import Keys
from scheduler.kube.reviews import Reviews
from scheduler.service import Service
from scheduler.store.books import Books
from scheduler.store.db import Database
from scheduler.warming import warm

log = structlog.get_logger()

RETRY_S = 1.0
FINISH_S = 20
"""How long requests may take to be answered once the process is told to end."""

KEEP_ALIVE_S = 75
"""Longer than clients keep a connection that they do not use, so that it is theirs to close."""


def run(settings: ApiSettings) -> int:
    """The exit status: 0 when told to end."""
    stop = Event()
    _when_told_to_end(stop.set)
    warm()
    db = Database(settings.database_url, pool_size=settings.connections)
    try:
        clock = _clock(db, stop)
        return 0 if clock is None else _serve(settings, db, clock, stop)
    finally:
        db.close()


def _when_told_to_end(end: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end())


def _clock(db: Database, stop: Event) -> DatabaseClock | None:
    """The database's clock, waited for as long as the database is away; None when told to end first."""
    told = False
    while not stop.is_set():
        try:
            return DatabaseClock(db)
        except Unavailable as error:
            if not told:
                log.warning("waiting for the database", action="database_away", detail=error.detail)
            told = True
            stop.wait(RETRY_S)
    return None


def _serve(settings: ApiSettings, db: Database, clock: DatabaseClock, stop: Event) -> int:
    keys = Keys(settings.clusters, settings.cluster_urls, longest_s=settings.longest_key_s)
    service = Service(Books(), clock.now)
    app = create_app(
        db,
        clock,
        service,
        pulse=Pulse(db, clock),
        networks=settings.webhook_networks,
        keys=keys,
        reviews=Reviews(settings.clusters, agent=settings.agent_account),
        enroll_by_cluster=settings.enroll_by_cluster,
    )
    server = Server(config(app, settings.host, settings.port), app.state.parts.feed.end)
    # Uvicorn takes the signals over when it runs; until then they are kept for it.
    _when_told_to_end(lambda: setattr(server, "should_exit", True))
    if stop.is_set():
        return 0
    # What is here by now stays: going through all of it at each collection is a third of what a batch of reports takes.
    gc.collect()
    gc.freeze()
    log.info("api is starting", action="up", host=settings.host, port=settings.port)
    try:
        server.run()
    except SystemExit:  # uvicorn's, which has said why it cannot listen
        return 1
    log.info("api is down", action="down")
    return 0 if server.started else 1


def config(app: object, host: str, port: int) -> uvicorn.Config:
    """How the app is served: one worker, our own log, and nothing said of what serves it."""
    return uvicorn.Config(
        app,  # pyright: ignore[reportArgumentType]
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=FINISH_S,
    )
