"""A short cut of the demo while something is taken away: nothing lost, nothing doubled, every late start with its cause."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import pytest

from deploy.demo import trace
from deploy.demo.check import Findings, check
from deploy.demo.play import Play
from dure import wire
from dure.client import Client
from tests.acceptance.stack import Stack

pytestmark = pytest.mark.timeout(900)

POOL = "h100-80gb"
QUOTA = 6
HURT_AT_S = 4.0
PATIENCE_S = 400.0
"""GPUs that were not proved empty in time count as gone until they are: asks that wait meanwhile are promised one by one."""
STOPPED_S = 14.0
"""Longer than PostgreSQL waits for a leader that does not ping, so the lead is lost meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The pool and its companies, and the play: it goes on from test to test, and its checks are of all that ever was."""

    stack: Stack
    admin: Client
    play: Play

    def play_and_hurt(self, hurt: Callable[[], None]) -> Findings:
        """Plays, hurts in the middle, and waits until everything is over and proved empty. Late are those of this time."""
        self.play.released = None
        before = set(self.play.promised)
        with ThreadPoolExecutor(1) as aside:
            harm = aside.submit(_later, hurt)
            self.play.tell = partial(_told, harm)
            self.play.run(_jobs(), patience_s=PATIENCE_S)
            harm.result()
        self.until_empty()
        found = self._checked()
        assert len(self.play.promised.keys() - before) >= 20
        late = [line for line in found.late_with_cause if line.partition(":")[0] not in before]
        return replace(found, late_with_cause=late)

    def until_empty(self) -> None:
        self.stack.until(
            lambda: all(gpu.proved_empty_at for lease in self.admin.leases() for gpu in lease.gpus),
            "every GPU is proved empty",
            within_s=120,
        )

    def _checked(self) -> Findings:
        usage = self.admin.usage(since=datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))
        quotas = {(company, POOL): QUOTA for company in self.play.clients}
        return check(self.play.promised, list(self.admin.leases()), usage, quotas)


def _told(harm: Future[None], line: str) -> None:
    print(line)
    if harm.done():
        # A harm that failed is why the rest does: it ends the play, and says so first.
        harm.result()


def _later(hurt: Callable[[], None]) -> None:
    time.sleep(HURT_AT_S)
    hurt()


def _jobs() -> list[trace.Job]:
    """The first seconds of the demo's trace, its jobs cut short, on few GPUs: some start at once, some later."""
    found = [replace(job, gpus=min(job.gpus, 4), duration_s=2 + job.duration_s // 8) for job in trace.jobs(9)]
    return [replace(job, submit_s=at // 3) for at, job in enumerate(found[:30])]


@pytest.fixture(scope="module")
def founded(running: Stack) -> Iterator[Scene]:
    with ExitStack() as opened:
        admin = opened.enter_context(running.client())
        product = "NVIDIA H100 80GB HBM3"
        admin.add_pool(wire.PoolCreate(name=POOL, product=product, gap_s=2, grace_s=1))
        clients: dict[str, Client] = {}
        for name in sorted({job.company for job in _jobs()}):
            admin.add_company(wire.CompanyCreate(name=name))
            admin.set_quota(name, POOL, wire.QuotaSet(gpus=QUOTA))
            secret = admin.issue_token(wire.TokenIssue(role=wire.Role.COMPANY, company=name)).secret
            clients[name] = opened.enter_context(running.client(secret))
        play = Play(clients=clients, pools=dict.fromkeys(clients, POOL), admin=admin, tell=print)
        yield Scene(stack=running, admin=admin, play=play)


@pytest.fixture
def scene(founded: Scene) -> Scene:
    """With all GPUs free."""
    founded.stack.until(lambda: founded.admin.pool(POOL).gpus.get(wire.GpuState.FREE) == 8, "all GPUs are free")
    return founded


@pytest.mark.parametrize("victim", ["api", "scheduler", "agent-node-1"])
def test_a_process_killed_in_the_middle_of_leases_loses_nothing(running: Stack, scene: Scene, victim: str) -> None:
    found = scene.play_and_hurt(lambda: running.until_again(victim, not_pid=running.kill(victim)))
    assert found.wrong == []


def test_postgresql_stopped_and_started_again_under_load_loses_nothing(running: Stack, scene: Scene) -> None:
    def away() -> None:
        running.postgres.stop()
        time.sleep(3)
        running.postgres.start()

    found = scene.play_and_hurt(away)
    assert found.wrong == []
    causes = {line.rpartition(", ")[2] for line in found.late_with_cause}
    assert causes <= {"database_away", "gpu_not_empty", "node_unknown", "scheduler_slow"}


def test_postgresql_killed_in_the_middle_of_leases_loses_nothing(running: Stack, scene: Scene) -> None:
    def killed() -> None:
        pid = running.postgres.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        running.until(lambda: running.postgres.exited() is not None, "PostgreSQL is dead")
        running.postgres.start()

    assert scene.play_and_hurt(killed).wrong == []


def test_a_supervisor_killed_in_the_middle_of_leases_loses_nothing(running: Stack, scene: Scene) -> None:
    def killed() -> None:
        running.stop(signal.SIGKILL)
        running.start()

    assert scene.play_and_hurt(killed).wrong == []


def test_a_scheduler_stopped_for_a_while_starts_late_with_its_cause_and_the_lateness_is_a_metric(
    running: Stack, scene: Scene
) -> None:
    client, before_s = next(iter(scene.play.clients.values())), _lateness_s(running)
    running.signal("scheduler", signal.SIGSTOP)
    lease = client.ask(wire.Ask(pool=POOL, shape=wire.Shape(gpus=1), duration_s=60))
    time.sleep(STOPPED_S)
    assert scene.admin.lease(lease.id).state == wire.LeaseState.SCHEDULED
    running.signal("scheduler", signal.SIGCONT)
    started = running.until(
        lambda: (found := scene.admin.lease(lease.id)).state == wire.LeaseState.ACTIVE and found, "it starts"
    )
    assert (started.promised_start, started.ends_at) == (lease.promised_start, lease.ends_at)
    assert started.late_start_s >= STOPPED_S - 2
    assert started.late_cause in ("scheduler_away", "scheduler_slow", "database_away")
    running.until(lambda: _lateness_s(running) - before_s >= STOPPED_S - 2, "the metric has it")
    client.release(lease.id)
    scene.until_empty()


def _lateness_s(running: Stack) -> float:
    """The seconds by which leases started late since the scheduler was started."""
    metrics = httpx.get(running.metrics["scheduler"], timeout=60).text
    name = f'dure_lease_start_lateness_seconds_sum{{pool="{POOL}"}} '
    return float(metrics.partition(name)[2].split()[0]) if name in metrics else 0


def test_writes_are_answered_503_with_retry_after_while_postgresql_is_away(running: Stack, scene: Scene) -> None:
    headers = {"Authorization": f"Bearer {running.admin_token}"}
    running.postgres.stop()
    answer = httpx.post(f"{running.server}/v1/companies", json={"name": "late"}, headers=headers, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert httpx.get(f"{running.server}/healthz", timeout=60).status_code == 200
    assert httpx.get(f"{running.server}/readyz", timeout=60).status_code == 503
    running.postgres.start()
    running.until(lambda: httpx.get(f"{running.server}/readyz", timeout=60).status_code == 200, "it is ready again")
    assert scene.admin.add_company(wire.CompanyCreate(name="late")).name == "late"
