"""From a fault on a GPU to an allocator that grants it to nobody: a real agent with simulated GPUs, a real API, one database.

The agent samples once a second, as it does on nodes. Each fault is an XID on a GPU that was well; the time is from the instant at
which the driver begins to tell of it until the allocator's row of the GPU, looked at every two milliseconds, is not `ok`.
"""

import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg

from agents.agent import Agent
from agents.identity.credential import Credential
from agents.scenario import Fault, Scenario
from agents.settings import Settings
from agents.simulated import SimulatedDriver
from bench.figures import percentile
from bench.fleet import ADMIN, POOL, PRODUCT
from bench.results import Result, Row
from bench.stack import Stack, stack
from dure import wire
from scheduler.clock import DatabaseClock
from scheduler.store import nodes, pools
from scheduler.store.db import Database

NODE = "node-1"
XIDS = {"no new leases": 80, "leases moved": 48}
"""By what the table of health has done about them."""
LOOK_S = 0.002
PATIENCE_S = 60.0
AIM_MS = 1000.0
HEALTH = "SELECT health FROM gpu WHERE uuid = %s"


def measure(*, faults: int) -> Result:
    """`faults` of each kind, each on a GPU of its own, at instants that have nothing to do with the agent's samples."""
    chance = random.Random(7)
    logging.getLogger("agents").setLevel(logging.CRITICAL)  # each fault is a line or two
    with stack() as ground, ground.process("api") as server:
        driver = SimulatedDriver(Scenario(product=PRODUCT, gpus=faults * len(XIDS)), node=NODE)
        uuids = [gpu.uuid for gpu in driver.read().gpus]
        with _agent(ground, server, driver), psycopg.connect(ground.database_url, autocommit=True) as connection:
            _until(connection, uuids[-1], sick=False)
            rows: list[Row] = []
            for kind, xid in XIDS.items():
                mine = range(len(rows) * faults, (len(rows) + 1) * faults)
                took = [_struck(connection, driver, uuids[gpu], gpu, xid, chance) for gpu in mine]
                rows.append(_row(kind, xid, took))
        settings = {"faults": faults, "sample_s": 1.0}
        return Result(measure="faults", settings=settings, machine=ground.machine, rows=rows)


def _struck(
    connection: psycopg.Connection, driver: SimulatedDriver, uuid: str, gpu: int, xid: int, chance: random.Random
) -> float:
    """Milliseconds until the allocator knows."""
    time.sleep(chance.uniform(0.5, 1.5))
    began = time.monotonic()
    driver.fail(Fault(kind="xid", xid=xid, gpu=gpu))
    _until(connection, uuid, sick=True)
    return (time.monotonic() - began) * 1000


def _row(kind: str, xid: int, took: list[float]) -> Row:
    p50, p99 = percentile(took, 50), percentile(took, 99)
    return {"what follows": kind, "xid": xid, "x a second p99": p99 / AIM_MS, "p50 ms": p50, "p99 ms": p99}


def _until(connection: psycopg.Connection, uuid: str, *, sick: bool) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = connection.execute(HEALTH, [uuid]).fetchone()
        if found is not None and (found[0] != "ok") is sick:
            return
        time.sleep(LOOK_S)
    raise TimeoutError(f"the allocator did not hear of {uuid} within {PATIENCE_S:.0f} s")


@contextmanager
def _agent(ground: Stack, server: str, driver: SimulatedDriver) -> Iterator[None]:
    """An agent at work on a thread, its node enrolled and its GPUs in a pool."""
    token = ground.folder / "token"
    token.write_text(_enrolled(ground))
    settings = Settings(server=server, node=NODE, token_file=token, driver="simulated", port=0)
    agent = Agent(settings, driver, node=NODE, credential=_credential(token), version="bench")
    thread = threading.Thread(target=agent.run, name="agent", daemon=True)
    thread.start()
    try:
        yield
    finally:
        agent.stop()
        thread.join()


def _credential(token: Path) -> Credential:
    return Credential(token)


def _enrolled(ground: Stack) -> str:
    with closing(Database(ground.database_url, pool_size=1)) as db, db.begin() as session:
        now = DatabaseClock(db).now()
        pools.add(session, wire.PoolCreate(name=POOL, product=PRODUCT), actor=ADMIN, now=now)
        return nodes.enroll(session, wire.NodeEnroll(name=NODE), actor=ADMIN, now=now).secret
