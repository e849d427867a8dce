"""An agent under test: its clock, its scripted driver, and a real allocator to talk to over loopback."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.identity.credential import Credential
from agents.reporting.connection import Connection
from agents.reporting.report import Identity, Reporter
from agents.reporting.uplink import Uplink
from agents.sampler import Sampler
from tests.unit.agents.allocator import Allocator
from tests.unit.agents.builders import Hand, ScriptedDriver, a_gpu


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def driver() -> ScriptedDriver:
    return ScriptedDriver([a_gpu()])


@pytest.fixture
def sampler(driver: ScriptedDriver, clock: Hand) -> Sampler:
    return Sampler(driver, sample_s=1, monotonic=clock.monotonic, now=clock.wall)


@pytest.fixture
def allocator(clock: Hand) -> Iterator[Allocator]:
    found = Allocator(clock.server_time)
    yield found
    found.close()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("first")
    return path


@pytest.fixture
def connection(allocator: Allocator) -> Iterator[Connection]:
    found = Connection(allocator.url)
    yield found
    found.close()


@pytest.fixture
def uplink(connection: Connection, token: Path, clock: Hand) -> Uplink:
    return Uplink(connection, node="node-1", credential=Credential(token), monotonic=clock.monotonic, now=clock.wall)


@pytest.fixture
def reporter(sampler: Sampler, uplink: Uplink, clock: Hand) -> Reporter:
    return Reporter(
        sampler,
        uplink,
        identity=Identity(boot="boot_1", agent_version="0.1.0"),
        interval_s=10,
        monotonic=clock.monotonic,
        now=clock.wall,
        chance=random.Random(1),
    )
