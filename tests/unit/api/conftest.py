"""An app of open routes, to see how requests are read, and the real one with its database away."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import Response

from api import answers, problems
from api.app import create_app
from api.deps import Limit, Since
from api.metrics import Metrics
from api.reporting import ReportRoute
from api.serving import Serving
from api.strict import StrictRoute
from dure import wire
from scheduler.service import Service
from scheduler.store.books import Books
from scheduler.store.db import Database
from tests.served import client

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=1"


class StillClock:
    def now(self) -> float:
        return 1_800_000_000.0


@pytest.fixture(scope="module")
def away() -> Iterator[FastAPI]:
    """The real app; nothing listens where its database should be."""
    db = Database(NOWHERE)
    yield create_app(db, StillClock(), Service(Books()))
    db.close()


@pytest.fixture(scope="module")
def stranger(away: FastAPI) -> Iterator[httpx.Client]:
    """A client of the real app, without a token."""
    with client(away) as found:
        yield found


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture(scope="module")
def plain(metrics: Metrics) -> FastAPI:
    """Routes with the names of real ones, so that the examples are those of the real ones."""
    app = FastAPI()
    app.add_middleware(Serving, metrics=metrics)
    problems.install(app)
    strict, large = APIRouter(route_class=StrictRoute), APIRouter(route_class=ReportRoute)

    @strict.post("/asks")
    def ask(body: wire.Ask) -> Response:
        return answers.ok(body).response()

    @strict.post("/bare")
    def bare() -> Response:
        return answers.ok(wire.Shape(gpus=1)).response()

    @strict.get("/list")
    def show(limit: Limit = 50, since: Since = None, state: list[wire.LeaseState] = []) -> Response:  # noqa: B006
        return answers.ok(wire.Shape(gpus=limit)).response()

    @strict.get("/broken")
    def broken() -> Response:
        raise RuntimeError("a secret of ours")

    @large.post("/reports")
    def report_node(body: wire.Report) -> Response:
        return answers.ok(wire.Shape(gpus=len(body.gpus) + 1)).response()

    app.include_router(strict)
    app.include_router(large)
    return app


@pytest.fixture(scope="module")
def http(plain: FastAPI) -> Iterator[httpx.Client]:
    with client(plain) as found:
        yield found
