"""The database of a running Dure is destroyed and put back to an instant: what had been promised by then is kept, by all of it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from dure import wire
from dure.client import Client
from dure.errors import DureError, NotFound, Unreachable
from tests import servers
from tests.acceptance.stack import TREE, Stack
from tests.recovering import Recovering

pytestmark = pytest.mark.timeout(900)

POOL = "h100-80gb"
SOON_S = 40
"""Later than all that happens before the database is destroyed."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A Dure whose PostgreSQL archives, an admin's client, and every event that a stream was told since the beginning."""

    stack: Stack
    server: Recovering
    admin: Client
    told: list[wire.Event]

    def ask(self, *, gpus: int = 1, start: datetime | None = None, key: str | None = None) -> wire.Lease:
        shape = wire.Shape(gpus=gpus)
        ask = wire.Ask(pool=POOL, shape=shape, duration_s=3600, company="acme", start=start)
        return self.admin.ask(ask, idempotency_key=key)

    def until_state(self, lease: wire.Lease, state: wire.LeaseState) -> wire.Lease:
        return self.stack.until(
            lambda: (found := self.admin.lease(lease.id)).state == state and found, f"{lease.id} is {state}"
        )

    def promises(self) -> dict[str, tuple[object, ...]]:
        return {
            one.id: (one.state, one.promised_start, one.starts_at, one.ends_at, one.placement, len(one.gpus))
            for one in self.admin.leases()
        }


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with servers.folder("recovery") as folder, Stack(folder, nodes=1, gpus=8) as stack, ExitStack() as opened:
        server = Recovering.at(folder)
        stack.postgres = server.postgres
        stack.start()
        admin, follower = opened.enter_context(stack.client()), opened.enter_context(stack.client())
        product = "NVIDIA H100 80GB HBM3"
        admin.add_pool(wire.PoolCreate(name=POOL, product=product, gap_s=1, grace_s=1))
        admin.add_company(wire.CompanyCreate(name="acme"))
        admin.set_quota("acme", POOL, wire.QuotaSet(gpus=8))
        told: list[wire.Event] = []
        threading.Thread(target=_follow, args=(follower, told), daemon=True).start()
        yield Scene(stack=stack, server=server, admin=admin, told=told)


def _follow(follower: Client, told: list[wire.Event]) -> None:
    with suppress(RuntimeError, Unreachable):  # it ends with its client
        told.extend(follower.follow_events(after="evt_0"))


@dataclass(frozen=True, kw_only=True)
class Before:
    """As it was at the instant that the database was put back to: leases by their id, and how many entries the ledger had.

    Of what came after it, what was `lost`, and the last event that readers saw. The start of `soon` passed meanwhile.
    """

    kept: dict[str, tuple[object, ...]]
    entries: int
    runs: wire.Lease
    soon: wire.Lease
    lost: wire.Lease
    cursor: wire.Event
    heard_at: datetime


@pytest.fixture(scope="module")
def before(scene: Scene) -> Before:
    stack, server, admin = scene.stack, scene.server, scene.admin
    runs, ends = scene.ask(key="runs"), scene.ask()
    for lease in (runs, ends):
        scene.until_state(lease, wire.LeaseState.ACTIVE)
    server.run("base")
    admin.extend(runs.id, wire.Extend(by_s=600))
    admin.release(ends.id)
    scene.until_state(ends, wire.LeaseState.ENDED)
    stack.until(lambda: all(gpu.proved_empty_at for gpu in admin.lease(ends.id).gpus), "its GPU is proved empty")
    soon = scene.ask(start=datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=SOON_S), key="soon")
    kept, entries = scene.promises(), admin.verify_ledger().entries
    target = server.now()

    admin.extend(runs.id, wire.Extend(by_s=600))
    lost = scene.ask(key="lost")
    scene.until_state(lost, wire.LeaseState.ACTIVE)
    admin.release(runs.id)
    scene.until_state(runs, wire.LeaseState.ENDED)
    cursor = list(admin.events())[-1]
    stack.until(lambda: cursor.id in [one.id for one in scene.told], f"{cursor.id} is told: {scene.told}")
    heard_at = admin.node("node-1").last_report_at
    assert heard_at is not None
    server.archived()

    server.destroy()
    stack.until(lambda: soon.starts_at and datetime.now(UTC) > soon.starts_at + timedelta(seconds=2), "a start passes")
    print(f"restored within {server.restore(target):.1f} s")
    assert server.settle().endswith("everything holds\n")
    stack.until(lambda: _answers(admin), "the API answers again")
    return Before(kept=kept, entries=entries, runs=runs, soon=soon, lost=lost, cursor=cursor, heard_at=heard_at)


def _answers(admin: Client) -> bool:
    try:
        admin.pool(POOL)
    except DureError:
        return False
    return True


def test_what_had_been_promised_is_kept_and_nothing_of_what_came_after_is_left(scene: Scene, before: Before) -> None:
    found = scene.promises()
    soon = before.soon.id
    assert found.keys() == before.kept.keys()
    assert {**found, soon: None} == {**before.kept, soon: None}
    with pytest.raises(NotFound):
        scene.admin.lease(before.lost.id)
    checked = scene.admin.verify_ledger()
    assert checked.faults == []
    assert checked.entries >= before.entries


def test_keys_that_were_used_by_then_are_remembered(scene: Scene, before: Before) -> None:
    assert (scene.ask(key="runs").id, _soon(scene, before, key="soon").id) == (before.runs.id, before.soon.id)


def _soon(scene: Scene, before: Before, *, key: str) -> wire.Lease:
    return scene.ask(start=before.soon.start, key=key)


def test_a_start_that_passed_meanwhile_is_late_for_a_reason_and_keeps_its_promise(scene: Scene, before: Before) -> None:
    started = scene.until_state(before.soon, wire.LeaseState.ACTIVE)
    assert started.late_cause in ("database_away", "scheduler_away")
    assert (started.promised_start, started.ends_at) == (before.soon.promised_start, before.soon.ends_at)


def test_agents_that_went_on_counting_are_listened_to(scene: Scene, before: Before) -> None:
    scene.stack.until(
        lambda: (at := scene.admin.node("node-1").last_report_at) and at > before.heard_at, "its agent is heard"
    )
    assert scene.admin.node("node-1").state == wire.NodeState.OK


def test_readers_go_on_behind_what_is_lost_and_no_id_comes_twice(scene: Scene, before: Before) -> None:
    again = scene.ask(key="lost")
    assert again.id != before.lost.id
    scene.until_state(again, wire.LeaseState.ACTIVE)
    scene.admin.release(again.id)
    scene.until_state(again, wire.LeaseState.ENDED)
    behind = [one for one in scene.admin.events(after=before.cursor.id) if one.lease == again.id]
    assert [one.type for one in behind][-1] == "lease.ended"
    scene.stack.until(lambda: any(one.id == behind[-1].id for one in scene.told), "the stream goes on")
    ids = [one.id for one in scene.told]
    assert len(ids) == len(set(ids))
    assert scene.admin.verify_ledger().faults == []
    assert verified(scene) == 0


def verified(scene: Scene) -> int:
    """What `python -m scheduler verify` exits with."""
    command = [sys.executable, "-m", "scheduler", "verify"]
    environ = {"PATH": os.environ["PATH"], "DURE_DATABASE_URL": scene.server.url}
    return subprocess.run(command, cwd=TREE, env=environ, check=False).returncode
