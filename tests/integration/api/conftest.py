"""The app on a real socket and a real database, with a token of every role and time that the test sets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api import openapi
from api.app import create_app
from dure import wire
from scheduler.kube.keys import Keys
from scheduler.kube.reviews import Reviews
from scheduler.service import Service
from scheduler.store import tokens
from scheduler.store.books import Books
from scheduler.store.db import Database
from tests.integration.scheduler.conftest import ADMIN, T0, World, world_on
from tests.receiver import LOOPBACK
from tests.served import served
from tests.servers import Server


@dataclass
class SetClock:
    """The clock of a test: it stands until it is set."""

    at: float = T0

    def now(self) -> float:
        return self.at


@dataclass(frozen=True, kw_only=True)
class Site:
    """`world` does to the database what other processes would."""

    world: World
    clock: SetClock
    app: FastAPI
    url: str
    secrets: dict[str, str]

    def client(self, who: str | None = None) -> httpx.Client:
        """A client with the token of `admin`, a company or a node; without one for None."""
        headers = {} if who is None else {"Authorization": f"Bearer {self.secrets[who]}"}
        # What nothing is verified with is not read, which would take longer than most requests.
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, verify=False, timeout=120)

    def send(self, who: str | None, method: str, path: str, **more: Any) -> httpx.Response:
        with self.client(who) as client:
            return client.request(method, path, **more)

    def get(self, who: str | None, path: str, **more: Any) -> httpx.Response:
        return self.send(who, "GET", path, **more)

    def post(self, who: str | None, path: str, **more: Any) -> httpx.Response:
        return self.send(who, "POST", path, **more)

    def ask(
        self, who: str, gpus: int = 8, *, key: str | None = None, dry_run: bool = False, **more: Any
    ) -> httpx.Response:
        body = {"pool": "h100", "shape": {"gpus": gpus}, "duration_s": 100, **more}
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.post(who, "/v1/leases", json=body, headers=headers, params={"dry_run": "true"} if dry_run else None)


def token(db: Database, **of: Any) -> str:
    """The secret of a new token; `of` are the fields of `wire.TokenIssue`."""
    with db.begin() as session:
        return tokens.issue(session, wire.TokenIssue(**of), actor=ADMIN, now=T0).secret


def code(answer: httpx.Response) -> tuple[int, str]:
    """The status and code of a problem, which is one in every respect."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    found = wire.Problem.model_validate(answer.json())
    assert found.status == answer.status_code
    assert found.type == f"/v1/problems/{found.code}"
    assert found.request_id is not None
    return found.status, found.code


@pytest.fixture
def site(embedded: Server) -> Iterator[Site]:
    """Pool `h100` of two nodes with 8 GPUs each; companies `acme` and `globex` with a quota of 16."""
    with world_on(embedded) as world, opened(world) as found:
        yield found


@pytest.fixture(scope="module")
def standing(embedded: Server) -> Iterator[Site]:
    """The same, for the tests of a module that leave nothing behind."""
    with world_on(embedded) as world, opened(world) as found:
        yield found


@contextmanager
def opened(world: World, keys: Keys | None = None, reviews: Reviews | None = None) -> Iterator[Site]:
    db, clock = world.db, SetClock()
    secrets = {
        "admin": token(db, role="admin"),
        "operator": token(db, role="operator"),
        "auditor": token(db, role="auditor"),
        "acme": token(db, role="company", company="acme"),
        "globex": token(db, role="company", company="globex"),
        "n1": token(db, role="node", node="n1"),
    }
    networks = [ip_network(LOOPBACK)]
    app = described(create_app(db, clock, Service(Books()), networks=networks, keys=keys, reviews=reviews))
    with served(app) as url:
        yield Site(world=world, clock=clock, app=app, url=url, secrets=secrets)


def described(app: FastAPI) -> FastAPI:
    """The app with the OpenAPI document of the first one of this process: it is always the same, and takes a second."""
    app.openapi_schema = _DOCUMENTS[0] if _DOCUMENTS else openapi.document(app)
    _DOCUMENTS[:] = [app.openapi_schema]
    return app


_DOCUMENTS: list[dict[str, Any]] = []
