"""`make up` as a person has it: up, down, up again, killed in the middle, and in somebody's way."""

import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import psutil
import pytest

from deploy.local import ending, leftovers
from dure import wire
from tests import servers
from tests.acceptance.stack import Stack


@pytest.fixture
def folder() -> Iterator[Path]:
    with servers.folder("up") as made:
        yield made


@pytest.fixture
def stack(folder: Path) -> Iterator[Stack]:
    """Not started yet; the supervisor has its own PostgreSQL, and makes the example."""
    with Stack(folder, nodes=1, gpus=4, embedded=True, example=True) as found:
        yield found


@pytest.fixture(scope="module")
def shared() -> Iterator[Stack]:
    """The same, started once for all the tests that leave it running."""
    with servers.folder("up") as made, Stack(made, nodes=1, gpus=4, embedded=True, example=True) as found:
        found.start()
        yield found


@pytest.fixture
def alone() -> Iterator[Stack]:
    """One whose GPUs nobody else asks for."""
    with servers.folder("up") as made, Stack(made, nodes=1, gpus=4, embedded=True, example=True) as found:
        found.start()
        yield found


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every process that has to do with `folder`, by its arguments or its environment."""
    return [found for found in psutil.process_iter() if found.pid != os.getpid() and _mentions(found, str(folder))]


def _mentions(process: psutil.Process, folder: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(folder in text for text in [*process.cmdline(), *process.environ().values()])
    return False


def test_a_lease_is_where_it_was_after_ctrl_c_and_another_up(stack: Stack, folder: Path) -> None:
    stack.start()
    with stack.client() as client:
        ask = wire.Ask(pool="h100-80gb", shape=wire.Shape(gpus=3), duration_s=3600, company="acme")
        before = client.ask(ask)
        assert before.state == wire.LeaseState.SCHEDULED
    assert stack.stop(signal.SIGINT) == 0
    assert processes_of(folder) == []
    assert not (stack.data / "running.json").exists()
    lost = stack.data / "nodes" / "node-1.token"
    secret = lost.read_text()
    lost.unlink()
    stack.start()
    assert lost.read_text() != secret, "a lost token is renewed"
    with stack.client() as client:
        after = client.lease(before.id)
        assert (after.promised_start, after.ends_at, after.placement) == (
            before.promised_start,
            before.ends_at,
            before.placement,
        )
    assert stack.stop(signal.SIGTERM) == 0
    assert processes_of(folder) == []


def test_what_it_says_to_try_next_works_when_pasted(shared: Stack) -> None:
    said = shared.output.read_text()
    told = said.partition("Try next")[2].splitlines()[2:]
    # Up to the empty line: what the supervisor says afterwards of its processes is nothing to paste.
    pasted = "\n".join(line.strip() for line in takewhile(str.strip, told))
    assert pasted.count("/dure ") == 3
    clean = {"PATH": os.environ["PATH"], "HOME": str(shared.folder)}
    done = subprocess.run(["sh", "-ec", pasted], env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert shared.server in said


def test_a_lease_that_runs_gets_gpus_and_its_agent_shows_empty_what_it_gives_back(alone: Stack) -> None:
    ask = wire.Ask(
        pool="h100-80gb", shape=wire.Shape(gpus=1), duration_s=600, purpose="inference", max=3, company="acme"
    )
    with alone.client() as client:
        lease = client.ask(ask)
        alone.until(lambda: client.lease(lease.id).state == wire.LeaseState.ACTIVE, "it runs")
        assert len(client.resize(lease.id, wire.Resize(gpus=3)).lease.gpus) == 3
        assert client.resize(lease.id, wire.Resize(gpus=1)).lease.shape.gpus == 1
        alone.until(lambda: _held(client.lease(lease.id)) == 1, "the agent shows two GPUs empty")
        client.release(lease.id)
        alone.until(lambda: client.lease(lease.id).state == wire.LeaseState.ENDED, "it is over")
        assert [size.gpus for size in client.lease(lease.id).sizes] in ([1, 3], [1])


def _held(lease: wire.Lease) -> int:
    return sum(gpu.proved_empty_at is None for gpu in lease.gpus)


def test_tokens_are_readable_by_their_owner_alone(shared: Stack) -> None:
    tokens = [shared.data / "admin-token", shared.data / "acme-token", *(shared.data / "nodes").glob("*.token")]
    assert len(tokens) == 3
    assert [stat.S_IMODE(token.stat().st_mode) for token in tokens] == [0o600] * 3


def test_a_second_up_on_the_same_data_is_refused_and_the_first_goes_on(shared: Stack) -> None:
    before = shared.pids()
    first = leftovers.read(shared.data / "running.json")
    second = shared.launch()
    assert second.wait(120) == 1
    assert first is not None
    assert f"process {first.supervisor} already runs Dure on {shared.data}" in shared.output.read_text()
    assert shared.pids() == before


def test_every_process_that_is_killed_is_started_again(shared: Stack) -> None:
    for name in ("agent-node-1", "scheduler", "api", "postgres"):
        shared.until_again(name, not_pid=shared.kill(name))
    with shared.client() as client:
        shared.until(lambda: _in_order(client.pool("h100-80gb")) == 4, "all GPUs are free or leased again")


def _in_order(pool: wire.Pool) -> int:
    return pool.gpus.get(wire.GpuState.FREE, 0) + pool.gpus.get(wire.GpuState.LEASED, 0)


def test_what_a_killed_supervisor_left_is_ended_by_the_next_up(stack: Stack, folder: Path) -> None:
    stack.start()
    left = stack.pids()
    assert stack.stop(signal.SIGKILL) == -signal.SIGKILL
    assert {"postgres", "api", "scheduler", "agent-node-1"} == set(left)
    orphans = [psutil.Process(pid) for pid in left.values()]
    stack.start()
    assert not any(map(ending.is_alive, orphans))
    assert set(stack.pids()) == set(left)
    assert "ended-leftover" in stack.output.read_text()
    assert stack.stop() == 0
    assert processes_of(folder) == []


@pytest.mark.parametrize("after_s", [0.0, 1.0, 2.0, 3.5])
def test_ctrl_c_while_it_starts_leaves_nothing(stack: Stack, folder: Path, after_s: float) -> None:
    supervisor = stack.launch()
    # Before, Python itself is starting, and dies of the signal in its own ways.
    stack.until((stack.data / "lock").exists, "it has begun")
    time.sleep(after_s)
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(240) == 0
    assert processes_of(folder) == []


def test_a_taken_port_is_named_before_anything_starts(stack: Stack, folder: Path) -> None:
    port = int(stack.server.rpartition(":")[2])
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert stack.launch().wait(120) == 1
    said = stack.output.read_text()
    assert re.search(rf"port {port} is taken by .* \(process {os.getpid()}\): .*DURE_LOCAL_API_PORT", said)
    assert processes_of(folder) == []
    assert not (stack.data / "postgres").exists()
