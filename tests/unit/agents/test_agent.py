"""The whole agent in one process, threads and all: simulated GPUs, a real port, a real allocator on loopback."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from agents.agent import Agent
from agents.allocations import Held
from agents.driver import Driver
from agents.identity.credential import Credential
from agents.scenario import Scenario
from agents.settings import Settings
from agents.simulated import SimulatedDriver
from tests.unit.agents.allocator import Allocator, Reply
from tests.unit.agents.builders import ScriptedDriver, a_gpu

FLEET = Scenario(gpus=2, cleanup_s=0)
TRIES = 200


class Running:
    """An agent on a thread of this process."""

    def __init__(self, driver: Driver, allocator: Allocator, token: Path) -> None:
        self.port = 0
        settings = Settings(server=allocator.url, driver="simulated", interval_s=0.1, sample_s=0.05, port=0)
        self.agent = Agent(settings, driver, node="node-1", credential=Credential(token), version="0.1.0", leave_s=2)
        self.well: bool | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.well = self.agent.run()

    def end(self) -> bool | None:
        self.agent.stop()
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.well


@pytest.fixture
def allocator() -> Iterator[Allocator]:
    found = Allocator(time.time)
    yield found
    found.close()


def _until(allocator: Allocator, true: Callable[[], bool]) -> None:
    """Waits for reports until what they say is true."""
    for _ in range(TRIES):
        if true():
            return
        allocator.came.clear()
        assert allocator.came.wait(60)
    raise AssertionError(f"not true after {TRIES} reports")


def _held(driver: Driver, *, ended: bool = False) -> Held:
    gpu = driver.read().gpus[0].uuid
    return Held(allocation="all_1", gpu=gpu, lease="lea_1", company="acme", starts_at=1.5e9, stops_at=4e9, ended=ended)


def test_a_lease_from_its_load_to_the_proof_that_its_gpu_is_empty(allocator: Allocator, token: Path) -> None:
    driver = SimulatedDriver(FLEET, node="node-1")
    held, over = _held(driver), _held(driver, ended=True)
    running = Running(driver, allocator, token)
    allocator.allocations = [held]
    _until(allocator, lambda: any(usage.sampled_ms for report in allocator.reports for usage in report.usage))
    allocator.allocations = [over]
    _until(allocator, lambda: bool(allocator.reports[-1].knew_ended) and allocator.reports[-1].gpus[0].processes == 0)
    allocator.allocations = []
    _until(allocator, lambda: allocator.reports[-1].usage == [])

    assert running.end() is True
    assert [report.seq for report in allocator.reports] == list(range(1, len(allocator.reports) + 1))


def test_the_probes_say_what_is_wrong_and_that_it_is_over(
    allocator: Allocator, token: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    allocator.replies = [Reply(503)]
    running = Running(SimulatedDriver(FLEET, node="node-1"), allocator, token)
    _until(allocator, lambda: len(allocator.reports) >= 3)
    port = next(
        record.__dict__["port"] for record in caplog.records if record.__dict__.get("action") == "agent.started"
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", verify=False, timeout=120) as probe:
        metrics, health = probe.get("/metrics"), probe.get("/healthz")
        ready = probe.get("/readyz")
        allocator.replies = [Reply(404, b"") for _ in range(50)]
        _until(allocator, lambda: len(allocator.replies) <= 49)
        _until(allocator, lambda: len(allocator.replies) <= 48)
        unready = probe.get("/readyz")
    running.end()

    assert "dure_gpu_health" in metrics.text
    assert (health.status_code, ready.status_code, unready.status_code) == (200, 200, 503)
    assert "404" in unready.text


def test_an_agent_whose_thread_dies_ends_and_says_so(
    allocator: Allocator, token: Path, caplog: pytest.LogCaptureFixture
) -> None:
    driver = ScriptedDriver([a_gpu()], during=[lambda: 1 / 0])
    running = Running(driver, allocator, token)
    running.thread.join(60)

    assert running.well is False
    assert [record.__dict__["action"] for record in caplog.records if record.levelname == "CRITICAL"] == ["agent.died"]


def test_an_agent_whose_driver_hangs_can_still_be_stopped(allocator: Allocator, token: Path) -> None:
    hung, entered = threading.Event(), threading.Event()
    driver = ScriptedDriver([a_gpu()], during=[lambda: (entered.set(), hung.wait(60))])
    running = Running(driver, allocator, token)
    assert entered.wait(60)

    assert running.end() is True
    hung.set()


class Telling(ScriptedDriver):
    """A driver that tells of an event once it is rung."""

    def __init__(self) -> None:
        super().__init__([a_gpu()])
        self.rings = threading.Event()

    def wait(self, seconds: float) -> bool:
        told = self.rings.wait(seconds)
        self.rings.clear()
        return told


def test_what_the_driver_tells_of_is_reported_without_waiting_for_the_next_sample(
    allocator: Allocator, token: Path
) -> None:
    driver = Telling()
    settings = Settings(server=allocator.url, interval_s=3600, sample_s=3600, port=0)
    agent = Agent(settings, driver, node="node-1", credential=Credential(token), version="0.1.0", leave_s=5)
    thread = threading.Thread(target=agent.run, daemon=True)
    thread.start()
    assert allocator.came.wait(60)
    allocator.came.clear()
    driver.says([a_gpu(health="unhealthy", last_xid=79, lost="lost")])
    driver.rings.set()

    assert allocator.came.wait(60)
    assert allocator.reports[-1].gpus[0].health == "unhealthy"
    agent.stop()
    thread.join(60)


def test_what_an_agent_had_not_told_is_told_by_the_next_one(allocator: Allocator, token: Path, tmp_path: Path) -> None:
    def run(*until: Callable[[], bool]) -> Agent:
        settings = Settings(server=allocator.url, interval_s=0.1, sample_s=0.05, port=0, state=tmp_path / "state")
        driver = SimulatedDriver(FLEET, node="node-1")
        allocator.allocations = [_held(driver)]
        agent = Agent(settings, driver, node="node-1", credential=Credential(token), version="0.1.0", leave_s=5)
        thread = threading.Thread(target=agent.run, daemon=True)
        thread.start()
        for each in until:
            _until(allocator, each)
            allocator.replies = [Reply(503)] * 10_000
        agent.stop()
        thread.join(60)
        assert not thread.is_alive()
        return agent

    first = run(lambda: bool(allocator.uses), lambda: len(allocator.replies) <= 9_997)
    # Of today, should midnight have passed meanwhile.
    use = first._sampler.totals.usage()[-1]
    key = use.allocation, allocator.reports[-1].boot, use.day
    before = allocator.uses[key]["sampled_ms"]
    allocator.replies = []
    run(lambda: allocator.uses[key]["sampled_ms"] == use.sampled_ms)

    assert before < use.sampled_ms
