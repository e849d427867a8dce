"""A disk that fills: what is written is refused whole, and with room it all goes on by itself.

As Compose, the chart and `make up` have it, all of PostgreSQL is on one volume. As long as its log of changes has files to go
on in, what is read is answered; at the end of the last one it dies, and is started again by whoever runs it.
"""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import psycopg
import pytest

from deploy.local.postgres import Embedded
from dure import wire
from dure.client import Client
from tests import servers
from tests.acceptance.stack import TREE, Stack

pytestmark = pytest.mark.timeout(600)

POOL = "h100-80gb"
GPUS = 4
ROOM = "224m"
MOST_ASKS = 600
SPARE = 2
"""Files of 16 MiB that the log of changes has to go on in: more than so many asks fill."""
LOGS = """DO $$ BEGIN
    FOR _ IN 1..200 LOOP PERFORM pg_logical_emit_message(false, '', repeat('x', 1 << 20)); END LOOP;
END $$"""
"""200 MiB of changes: more than all files that PostgreSQL keeps to go on in."""


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A small file system that PostgreSQL has its files on."""

    folder: Path

    def fill(self) -> None:
        """To the last byte."""
        with (self.folder / "filler").open("wb", buffering=0) as file:
            for block in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):  # there is no room for that much
                    while True:
                        file.write(b"\0" * block)

    def empty(self) -> None:
        (self.folder / "filler").unlink()


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A company that asks by plain HTTP, and remembers what it was answered under which key."""

    http: httpx.Client
    taken: dict[str, str]

    def ask(self, key: str) -> httpx.Response:
        body = {"pool": POOL, "shape": {"gpus": 1}, "duration_s": 3600, "notice_s": 0}
        answer = self.http.post("/v1/leases", json=body, headers={"Idempotency-Key": key})
        if answer.status_code == 201:
            self.taken[key] = answer.json()["id"]
        return answer

    def until_refused(self) -> tuple[str, httpx.Response]:
        """Pages have some room still; so it takes some asks."""
        for _ in range(MOST_ASKS):
            key = str(uuid.uuid4())
            answer = self.ask(key)
            if answer.status_code != 201:
                return key, answer
        raise AssertionError(f"{MOST_ASKS} asks were written on a disk that is full")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A running Dure with a pool and a company, on PostgreSQL's own settings, and a supervisor that starts again what dies."""

    stack: Stack
    disk: Disk
    admin: Client
    asking: Asking

    @property
    def url(self) -> str:
        return Embedded(self.disk.folder).url("dure")

    @property
    def supervisor_said(self) -> str:
        return self.stack.output.read_text()

    @property
    def postgres_said(self) -> str:
        return (self.stack.data / "logs" / "postgres.log").read_text()

    def booked(self) -> wire.Lease:
        """With leases on every GPU and one that waits for its start; one of those that run."""
        for _ in range(GPUS + 1):
            assert self.asking.ask(str(uuid.uuid4())).status_code == 201
        self.stack.until(lambda: len(self.active()) == GPUS, "leases run on all GPUs")
        return self.active()[0]

    def active(self) -> list[wire.Lease]:
        return [lease for lease in self.admin.leases() if lease.state is wire.LeaseState.ACTIVE]

    def promises(self) -> dict[str, datetime | None]:
        """By lease: the start that it was promised."""
        return {lease.id: lease.promised_start for lease in self.admin.leases()}


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """That of both tests, as each leaves it whole."""
    if os.geteuid():
        pytest.skip("only root mounts a file system")
    with ExitStack() as left:
        folder = left.enter_context(servers.folder("full"))
        on = folder / "data" / "postgres"
        on.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=711", "dure-test", str(on)], check=True)
        left.callback(subprocess.run, ["umount", "-l", str(on)], check=True)
        stack = left.enter_context(Stack(folder, nodes=1, gpus=GPUS, embedded=True))
        stack.start()
        admin = left.enter_context(stack.client())
        http = left.enter_context(httpx.Client(base_url=stack.server, timeout=30))
        yield Scene(stack=stack, disk=Disk(folder=on), admin=admin, asking=_founded(stack, admin, http))


def test_a_disk_that_fills_refuses_writes_whole_and_with_room_everything_goes_on(scene: Scene) -> None:
    asking, admin, running = scene.asking, scene.admin, scene.booked()
    _log_has_spare_files(scene.url)
    scene.disk.fill()
    key, refused = asking.until_refused()
    _says(refused, "no room left on its disk")
    for _ in range(3):
        again = asking.ask(key)
        assert again.status_code in (201, 503), again.text
    known = {lease.id for lease in admin.leases()}
    assert set(asking.taken.values()) <= known, "what was answered is there, and is read while the disk is full"
    scene.disk.empty()
    _goes_on(scene, key, running)
    assert "PANIC" not in scene.postgres_said


def test_a_disk_that_postgresql_dies_of_breaks_no_promise_and_with_room_it_is_started_again(scene: Scene) -> None:
    running, promised = scene.booked(), scene.promises()
    began = len(scene.supervisor_said)
    scene.disk.fill()
    _logs_until_it_dies(scene.url)
    assert "PANIC" in scene.postgres_said
    again = lambda: scene.supervisor_said.count("again in", began)  # noqa: E731
    scene.stack.until(lambda: again() > 1, "it is started in vain")
    key, refused = scene.asking.until_refused()
    for answer in (refused, scene.asking.http.get("/v1/leases"), scene.asking.http.get("/readyz")):
        _says(answer, "try again shortly")
    _says(refused, "with the same Idempotency-Key it is done once")
    scene.disk.empty()
    _goes_on(scene, key, running)
    assert {lease: start for lease, start in scene.promises().items() if lease in promised} == promised
    _holds_together(scene.url)


def _founded(stack: Stack, admin: Client, http: httpx.Client) -> Asking:
    """A pool and a company, on a node that is heard."""
    stack.until(lambda: len(list(admin.nodes())) == 1, "the node reports")
    admin.add_pool(wire.PoolCreate(name=POOL, product="NVIDIA H100 80GB HBM3", gap_s=2, grace_s=1))
    admin.add_company(wire.CompanyCreate(name="acme"))
    admin.set_quota("acme", POOL, wire.QuotaSet(gpus=wire.MAX_GPUS))
    token = admin.issue_token(wire.TokenIssue(role=wire.Role.COMPANY, company="acme")).secret
    http.headers["Authorization"] = f"Bearer {token}"
    asking = Asking(http=http, taken={})
    stack.until(lambda: asking.ask("first").status_code == 201, "an ask is taken")
    return asking


def _log_has_spare_files(url: str) -> None:
    """As after some hours of work: what a checkpoint needs no more is kept, to be written again."""
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(2 * SPARE):
            connection.execute("SELECT pg_logical_emit_message(false, 'dure-test', 'x')")
            connection.execute("SELECT pg_switch_wal()")
        connection.execute("CHECKPOINT")
        spare = "SELECT count(*) FROM pg_ls_waldir() WHERE name > pg_walfile_name(pg_current_wal_lsn())"
        (found,) = connection.execute(spare).fetchone() or (0,)
    assert found >= SPARE


def _logs_until_it_dies(url: str) -> None:
    """As all that is written does in time: the log comes to the end of its last file, and there is no room for another."""
    with psycopg.connect(url, autocommit=True) as connection, pytest.raises(psycopg.OperationalError):
        connection.execute(LOGS)


def _says(refused: httpx.Response, what: str) -> None:
    """That, and that it is to be tried again."""
    assert refused.status_code == 503, refused.text
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["code"] == "unavailable"
    assert what in refused.json()["detail"]


def _goes_on(scene: Scene, key: str, running: wire.Lease) -> None:
    """What was refused is taken now, once; no lease is there that nobody was promised, none was lost, and the ledger adds up."""
    asking, admin = scene.asking, scene.admin
    scene.stack.until(lambda: asking.ask(key).status_code == 201, "asks are taken again")
    assert asking.ask(key).json()["id"] == asking.taken[key], "the same key is the same lease"
    assert {lease.id for lease in admin.leases()} == set(asking.taken.values())
    assert not admin.verify_ledger().faults
    assert admin.lease(running.id).state is wire.LeaseState.ACTIVE
    _ends_and_starts(scene.stack, admin, running)


def _ends_and_starts(stack: Stack, admin: Client, running: wire.Lease) -> None:
    """The loop ends what is given back and starts what waits; the agent tells what it saw meanwhile."""
    admin.release(running.id)
    stack.until(lambda: admin.lease(running.id).state is wire.LeaseState.ENDED, "a lease ends")
    stack.until(lambda: all(gpu.proved_empty_at for gpu in admin.lease(running.id).gpus), "its GPU is proved empty")
    stack.until(
        lambda: sum(lease.state is wire.LeaseState.ACTIVE for lease in admin.leases()) == GPUS,
        "what waits starts in its place",
    )
    [used] = [row for row in stack.dure("report", "--by", "lease")["rows"] if row["lease"] == running.id]
    seen = used["busy_gpu_seconds"] + used["idle_gpu_seconds"]
    assert seen >= used["leased_gpu_seconds"] - 5, f"of {used['leased_gpu_seconds']} s the agent saw {seen}"


def _holds_together(url: str) -> None:
    """As an operator makes sure of it."""
    command, environ = [sys.executable, "-m", "scheduler", "verify"], {**os.environ, "DURE_DATABASE_URL": url}
    said = subprocess.run(command, cwd=TREE, env=environ, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
