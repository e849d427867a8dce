"""The API's process, until SIGTERM or SIGINT, which end it cleanly."""

import gc
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import Event

import structlog
import uvicorn

from api.app import create_app
from api.metrics import Metrics
from api.pulse import Pulse
from api.repeating import Repeating
from api.server import Server
from api.settings import ApiSettings
from api.tls import LOOK_S, Certificate, Unusable
from dure.environment import SettingError
from dure.errors import Unavailable
from scheduler import traces
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
    """The exit status: 0 when told to end. Raises SettingError for a certificate that cannot be used."""
    certificate = _certificate(settings)
    stop = Event()
    _when_told_to_end(stop.set)
    traces.configure(settings.traces, "api")
    warm()
    db = Database(settings.address, pool_size=settings.connections)
    try:
        clock = _clock(db, stop)
        return 0 if clock is None else _serve(settings, db, clock, stop, certificate)
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


def _certificate(settings: ApiSettings) -> Certificate | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    try:
        return Certificate(settings.tls_certificate, settings.tls_key)
    except Unusable as error:
        raise SettingError(f"DURE_API_TLS_CERTIFICATE: {error}") from None


def _serve(
    settings: ApiSettings, db: Database, clock: DatabaseClock, stop: Event, certificate: Certificate | None
) -> int:
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
    configured = config(app, settings.host, settings.port, settings.tls_certificate, settings.tls_key)
    server = Server(configured, app.state.parts.feed.end)
    # Uvicorn takes the signals over when it runs; until then they are kept for it.
    _when_told_to_end(lambda: setattr(server, "should_exit", True))
    if stop.is_set():
        return 0
    # What is here by now stays: going through all of it at each collection is a third of what a batch of reports takes.
    gc.collect()
    gc.freeze()
    log.info("api is starting", action="up", host=settings.host, port=settings.port, tls=certificate is not None)
    try:
        with _renewed(certificate, configured, app.state.parts.metrics):
            server.run()
    except SystemExit:  # uvicorn's, which has said why it cannot listen
        return 1
    log.info("api is down", action="down")
    return 0 if server.started else 1


def _renewed(
    certificate: Certificate | None, configured: uvicorn.Config, metrics: Metrics
) -> AbstractContextManager[object]:
    """While the server runs, what it serves is kept as the files are."""
    if certificate is None:
        return nullcontext()
    configured.load()
    assert configured.ssl is not None
    certificate.serve(configured.ssl)
    metrics.registry.register(certificate)
    return Repeating("certificate", certificate.look, every_s=LOOK_S)


def config(
    app: object, host: str, port: int, certificate: Path | None = None, key: Path | None = None
) -> uvicorn.Config:
    """How the app is served: one worker, our own log, and nothing said of what serves it."""
    return uvicorn.Config(
        app,  # pyright: ignore[reportArgumentType]
        host=host,
        port=port,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=FINISH_S,
    )
