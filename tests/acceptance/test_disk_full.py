"""A disk that fills: what is written is refused whole, what is read is answered, and with room it all goes on by itself."""

import contextlib
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from deploy.local.postgres import Embedded
from dure import wire
from dure.client import Client
from tests import servers
from tests.acceptance.stack import Stack
from tests.servers import QUICK

pytestmark = pytest.mark.timeout(600)

POOL = "h100-80gb"
ROOM = "224m"
OPTIONS = {**QUICK, "max_wal_size": "64MB", "min_wal_size": "48MB", "checkpoint_timeout": "30min"}
"""The log of changes has its files before the disk fills, as on a disk of its own: else PostgreSQL stops, and is started again
by whoever runs it once there is room.
"""
MOST_ASKS = 600


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


@pytest.fixture(scope="module")
def disk() -> Iterator[tuple[Stack, Disk]]:
    """A running Dure whose database is on it."""
    if os.geteuid():
        pytest.skip("only root mounts a file system")
    with ExitStack() as left:
        folder = left.enter_context(servers.folder("full"))
        on = folder / "postgres"
        on.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=711", "dure-test", str(on)], check=True)
        left.callback(subprocess.run, ["umount", "-l", str(on)], check=True)
        stack = left.enter_context(Stack(folder, nodes=1, gpus=4))
        stack.postgres = Embedded(on, options=OPTIONS, log=folder / "postgres.log")
        stack.start()
        yield stack, Disk(folder=on)


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


def test_a_disk_that_fills_refuses_writes_whole_and_with_room_everything_goes_on(disk: tuple[Stack, Disk]) -> None:
    stack, on = disk
    with stack.client() as admin, httpx.Client(base_url=stack.server, timeout=30) as http:
        asking = _founded(stack, admin, http)
        running = admin.lease(asking.taken["runs"])
        assert running.state is wire.LeaseState.ACTIVE
        on.fill()
        key, refused = asking.until_refused()
        _says_that_it_is_tried_again(refused)
        for _ in range(3):
            again = asking.ask(key)
            assert again.status_code in (201, 503), again.text
        known = {lease.id for lease in admin.leases()}
        assert set(asking.taken.values()) <= known, "what was answered is there, and is read while the disk is full"
        on.empty()
        stack.until(lambda: asking.ask(key).status_code == 201, "asks are taken again")
        assert asking.ask(key).json()["id"] == asking.taken[key], "the same key is the same lease"
        _is_whole(admin, asking)
        _goes_on(stack, admin, running)


def _founded(stack: Stack, admin: Client, http: httpx.Client) -> Asking:
    """A pool, a company and a lease of an hour that runs."""
    stack.until(lambda: len(list(admin.nodes())) == 1, "the node reports")
    admin.add_pool(wire.PoolCreate(name=POOL, product="NVIDIA H100 80GB HBM3", gap_s=2, grace_s=1))
    admin.add_company(wire.CompanyCreate(name="acme"))
    admin.set_quota("acme", POOL, wire.QuotaSet(gpus=wire.MAX_GPUS))
    token = admin.issue_token(wire.TokenIssue(role=wire.Role.COMPANY, company="acme")).secret
    http.headers["Authorization"] = f"Bearer {token}"
    asking = Asking(http=http, taken={})
    stack.until(lambda: asking.ask("runs").status_code == 201, "an ask is taken")
    stack.until(lambda: admin.lease(asking.taken["runs"]).state is wire.LeaseState.ACTIVE, "it runs")
    return asking


def _says_that_it_is_tried_again(refused: httpx.Response) -> None:
    assert refused.status_code == 503, refused.text
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["code"] == "unavailable"
    assert "no room left on its disk" in refused.json()["detail"]


def _is_whole(admin: Client, asking: Asking) -> None:
    """No lease that nobody was promised, none that was lost, and a ledger that adds up."""
    assert {lease.id for lease in admin.leases()} == set(asking.taken.values())
    assert not admin.verify_ledger().faults


def _goes_on(stack: Stack, admin: Client, running: wire.Lease) -> None:
    """The loop ends what is given back and starts what waits; the agent tells what it saw meanwhile."""
    admin.release(running.id)
    stack.until(lambda: admin.lease(running.id).state is wire.LeaseState.ENDED, "a lease ends")
    stack.until(lambda: all(gpu.proved_empty_at for gpu in admin.lease(running.id).gpus), "its GPU is proved empty")
    stack.until(
        lambda: sum(lease.state is wire.LeaseState.ACTIVE for lease in admin.leases()) == 4,
        "what waits starts in its place",
    )
    [used] = [row for row in stack.dure("report", "--by", "lease")["rows"] if row["lease"] == running.id]
    seen = used["busy_gpu_seconds"] + used["idle_gpu_seconds"]
    assert seen >= used["leased_gpu_seconds"] - 3, f"of {used['leased_gpu_seconds']} s the agent saw {seen}"
