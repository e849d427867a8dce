"""Builds the app out of its parts. Importing this makes nothing; two apps in one process share nothing."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from api import openapi, problems
from api.asking import Asking
from api.feed import Feed
from api.intake import Intake
from api.metrics import Metrics
from api.outward import Outward
from api.parts import Parts
from api.reporting import PlainReports
from api.routes import ROUTERS
from api.serving import Serving
from api.vouching import Vouching
from scheduler.clock import Clock
from scheduler.kube.keys import Keys
from scheduler.kube.reviews import Reviews
from scheduler.service import Service
from scheduler.store.db import Database
from scheduler.webhooks.addresses import Network
from scheduler.webhooks.sender import Sender

TAGS = [
    {"name": "leases", "description": "Asking for GPUs, and what becomes of an ask."},
    {"name": "offers", "description": "Windows to choose from."},
    {"name": "decisions", "description": "Why, and proof of it."},
    {"name": "events", "description": "Being told what happens to leases."},
    {"name": "calendar", "description": "When GPUs are free."},
    {"name": "whatif", "description": "What would be different."},
    {"name": "usage", "description": "What companies had and used."},
    {"name": "ledger", "description": "Every GPU-second, as double entry."},
    {"name": "audit", "description": "Who did what, when and why."},
    {"name": "policy", "description": "How every pool promises, version by version."},
    {"name": "pools", "description": "Interchangeable GPUs."},
    {"name": "companies", "description": "The startups, and what each may hold."},
    {"name": "tokens", "description": "Who may ask."},
    {"name": "clusters", "description": "Kubernetes clusters that enforce leases."},
    {"name": "nodes", "description": "Machines, and their agents' reports."},
    {"name": "problems", "description": "Every permanent code."},
    {"name": "health", "description": "For probes and scrapes."},
]


def create_app(
    db: Database,
    clock: Clock,
    service: Service,
    *,
    pulse: AbstractContextManager[Any] | None = None,
    networks: Sequence[Network] = (),
    keys: Keys | None = None,
    reviews: Reviews | None = None,
    enroll_by_cluster: bool = True,
) -> FastAPI:
    """`pulse` is what runs beside the requests while the app is up. Closing `db` is its owner's to do.

    `networks` are those whose addresses webhooks may have though they are not public; `keys` makes keys to clusters.
    `reviews` asks clusters about agents' tokens, and with `enroll_by_cluster` their nodes need no enrolment.
    """

    metrics = Metrics()
    db.timed, service.tell_plan = metrics.transaction, metrics.of_plan
    feed = Feed(db, clock, metrics)
    vouching = Vouching(db, clock, reviews or Reviews(()), enrols=enroll_by_cluster)
    intake = Intake(db, clock, metrics, vouching)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        app.openapi()
        with pulse or nullcontext(), feed, vouching, intake:
            yield

    app = FastAPI(
        title="Dure",
        version=version("dure"),
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        openapi_tags=TAGS,
        generate_unique_id_function=_name,
    )
    asking = Asking(db, clock, service, metrics)
    outward = Outward(Sender(networks))
    app.state.parts = Parts(
        db=db,
        clock=clock,
        service=service,
        metrics=metrics,
        asking=asking,
        feed=feed,
        intake=intake,
        outward=outward,
        keys=keys or Keys(()),
        vouching=vouching,
    )
    app.add_middleware(PlainReports, intake=intake)
    app.add_middleware(Serving, metrics=metrics)
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.openapi = lambda: openapi.document(app)
    return app


def _name(route: APIRoute) -> str:
    return route.name
