"""An API process killed between deciding and committing, while another one waits for the same pool.

Nothing is lost, doubled or promised twice: what was not committed never was, what was is told again under its key.
"""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from subprocess import Popen
from typing import Any

import httpx
import psycopg
import pytest

from api.app import create_app
from scheduler.clock import DatabaseClock
from scheduler.service import Service
from scheduler.store.books import Books
from scheduler.store.db import Database
from tests import ports
from tests.integration.api.conftest import token
from tests.integration.api.test_process import answers, process, until
from tests.integration.scheduler.conftest import GAP_S, World
from tests.served import served

HOUR = 3600
START_S = 120.0
"""A busy machine takes long to start a process."""

BEFORE, AFTER = "before its rows are written", "after its commit was sent"

_AT_COMMIT = """
CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN IF NEW.company = ''acme'' THEN PERFORM pg_advisory_xact_lock(1); END IF; RETURN NULL; END';
CREATE CONSTRAINT TRIGGER wait_at_commit AFTER INSERT ON lease DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION wait_at_commit();
"""
_WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = ANY(%s)"
_PROMISED = """
SELECT l.company, p.node, extract(epoch FROM l.starts_at)::int, extract(epoch FROM l.ends_at)::int
FROM lease l JOIN placement p ON p.lease = l.id WHERE l.state = 'scheduled' ORDER BY l.starts_at
"""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One node with 8 GPUs, companies that may have all of them, and the addresses of two replicas: one is a process."""

    admin: psycopg.Connection
    process: Popen[str]
    victim: str
    other: str
    secrets: dict[str, str]

    def post(self, who: str, path: str, body: dict[str, Any], key: str, *, to: str | None = None) -> httpx.Response:
        """To the replica that lives, or to another one."""
        headers = {"Authorization": f"Bearer {self.secrets[who]}", "Idempotency-Key": key}
        return httpx.post(
            (to or self.other) + path, json=body, headers=headers, timeout=120, trust_env=False, verify=False
        )

    def killed(self, stage: str, path: str, body: dict[str, Any]) -> httpx.Response:
        """Acme's request is decided by the victim, which then dies; what globex, which came after it, got meanwhile."""
        with ThreadPoolExecutor(2) as threads, _held(self.admin, stage):
            lost: Future[httpx.Response] = threads.submit(self.post, "acme", path, body, "mine", to=self.victim)
            self._wait_for(["relation"] if stage == BEFORE else ["advisory"])
            theirs = threads.submit(self.post, "globex", "/v1/leases", an_ask(), "theirs")
            self._wait_for(["transactionid", "tuple"])
            self.process.kill()
            self.process.wait()
            with suppress(psycopg.Error):
                self.admin.rollback()
            with pytest.raises(httpx.TransportError):
                lost.result(30)
            return theirs.result(30)

    def promised(self) -> list[tuple[str, str, int, int]]:
        return [tuple(row) for row in self.admin.execute(_PROMISED).fetchall()]

    def _wait_for(self, kinds: list[str]) -> None:
        with psycopg.connect(self.admin.info.dsn, password=self.admin.info.password, autocommit=True) as look:
            until(lambda: (found := look.execute(_WAITS, [kinds]).fetchone()) is not None and found[0] > 0)


def an_ask() -> dict[str, Any]:
    return {"pool": "h100", "shape": {"gpus": 8}, "duration_s": HOUR}


@contextmanager
def _held(admin: psycopg.Connection, stage: str) -> Iterator[None]:
    """Acme's transaction gets no further until the test rolls back."""
    if stage == AFTER:
        admin.execute(_AT_COMMIT)
        admin.commit()
        admin.execute("SELECT pg_advisory_xact_lock(1)")
    else:
        admin.execute("LOCK TABLE audit IN SHARE MODE")
    try:
        yield
    finally:
        admin.rollback()


@pytest.fixture
def scene(database: Database) -> Iterator[Scene]:
    world = World(database).found(nodes_=("n1",), gpus=8, at=int(time.time()))
    secrets = {who: token(database, role="company", company=who) for who in ("acme", "globex")}
    app, port = create_app(database, DatabaseClock(database), Service(Books())), ports.free(1)[0]
    with (
        process(DURE_DATABASE_URL=database.url, DURE_API_PORT=str(port)) as victim,
        served(app) as other,
        psycopg.connect(world.db.url) as admin,
    ):
        until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), within_s=START_S)
        yield Scene(admin=admin, process=victim, victim=f"http://127.0.0.1:{port}", other=other, secrets=secrets)


def check_nothing_twice(scene: Scene, *companies: str) -> None:
    promised = scene.promised()
    assert [company for company, *_ in promised] == list(companies)
    for (*_, end), (*_, start, _) in pairwise(promised):
        assert start >= end + GAP_S


def test_an_ask_whose_process_died_before_its_commit_never_was(scene: Scene) -> None:
    theirs = scene.killed(BEFORE, "/v1/leases", an_ask())
    assert (theirs.status_code, theirs.json()["decision"]["code"]) == (201, "starts_now")
    check_nothing_twice(scene, "globex")
    again = scene.post("acme", "/v1/leases", an_ask(), "mine")
    assert (again.status_code, again.headers.get("idempotency-replayed")) == (201, None)
    check_nothing_twice(scene, "globex", "acme")


def test_an_ask_whose_process_died_after_its_commit_is_told_again_under_its_key(scene: Scene) -> None:
    theirs = scene.killed(AFTER, "/v1/leases", an_ask())
    assert (theirs.status_code, theirs.json()["decision"]["code"]) == (201, "starts_later")
    check_nothing_twice(scene, "acme", "globex")
    again = scene.post("acme", "/v1/leases", an_ask(), "mine")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    check_nothing_twice(scene, "acme", "globex")


def test_a_claim_whose_process_died_after_its_commit_is_told_again_without_its_key(scene: Scene) -> None:
    offer = searched(scene)
    theirs = scene.killed(AFTER, f"/v1/offers/{offer['id']}/claim", {})
    assert theirs.status_code == 201
    check_nothing_twice(scene, "acme", "globex")
    lease = scene.post("acme", f"/v1/offers/{offer['id']}/claim", {}, "another-key").json()
    assert lease["starts_at"] == lease["promised_start"] == offer["starts_at"]
    check_nothing_twice(scene, "acme", "globex")


def test_a_claim_whose_process_died_before_its_commit_may_be_made_again(scene: Scene) -> None:
    offer = searched(scene)
    theirs = scene.killed(BEFORE, f"/v1/offers/{offer['id']}/claim", {})
    assert theirs.status_code == 201
    check_nothing_twice(scene, "globex")
    gone = scene.post("acme", f"/v1/offers/{offer['id']}/claim", {}, "mine")
    assert (gone.status_code, gone.json()["code"]) == (409, "offer_gone")
    fresh = f"/v1/offers/{gone.json()['offers'][0]['id']}/claim"
    claimed = scene.post("acme", fresh, {}, "fresh")
    assert claimed.status_code == 201
    check_nothing_twice(scene, "globex", "acme")
    assert scene.post("acme", fresh, {}, "once-more").json()["id"] == claimed.json()["id"]


def searched(scene: Scene) -> dict[str, Any]:
    """The soonest offer to acme."""
    wanted = {"pools": ["h100"], "shape": {"gpus": 8}, "duration_s": HOUR}
    return scene.post("acme", "/v1/offers", wanted, "search").json()["items"][0]
