"""Upgrades of a running Dure: the release before on the new schema, back and forth with leases running, and migrations that fail."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dure import wire
from dure.client import Client
from tests import releases, servers
from tests.acceptance.stack import TREE, Stack

pytestmark = pytest.mark.timeout(900)

POOL = "h100-80gb"

ADDS = releases.expand(
    releases.sql("ALTER TABLE lease ADD COLUMN colour text"),
    releases.sql("ALTER TABLE node ADD COLUMN colour text NOT NULL DEFAULT 'grey'"),
    releases.sql("CREATE TABLE wish (id text PRIMARY KEY, lease text REFERENCES lease (id))"),
)
FAILS = releases.expand(
    releases.sql("ALTER TABLE wish ADD COLUMN at timestamptz"),
    releases.sql("SELECT 1 / 0"),
)
HANGS = releases.expand(
    releases.sql("ALTER TABLE wish ADD COLUMN at timestamptz"),
    releases.sql("SELECT pg_sleep(600)"),
)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return releases.before(tmp_path_factory.mktemp("releases") / "before")


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("releases") / "later"


@pytest.fixture(scope="module")
def stack(before: Path) -> Iterator[Stack]:
    """One node of four GPUs, and first of all the release before this one."""
    with servers.folder("upgrade") as folder, Stack(folder, nodes=1, gpus=4, tree=before) as found:
        found.start()
        with found.client() as admin:
            product = "NVIDIA H100 80GB HBM3"
            admin.add_pool(wire.PoolCreate(name=POOL, product=product, gap_s=1, grace_s=1))
            admin.add_company(wire.CompanyCreate(name="acme"))
            admin.set_quota("acme", POOL, wire.QuotaSet(gpus=4))
        yield found


def asked(client: Client, *, duration_s: int = 3600, key: str | None = None) -> wire.Lease:
    ask = wire.Ask(pool=POOL, shape=wire.Shape(gpus=1), duration_s=duration_s, company="acme")
    return client.ask(ask, idempotency_key=key)


def lives_a_life(stack: Stack, client: Client) -> None:
    """An ask is granted, starts, is extended, released, ends, proved empty by the agent; and every GPU-second adds up."""
    # Its node was silent for as long as an API took to start.
    stack.until(lambda: client.pool(POOL).gpus.get(wire.GpuState.FREE), "a GPU is free")
    lease = asked(client)
    stack.until(lambda: client.lease(lease.id).state == wire.LeaseState.ACTIVE, "it runs")
    client.extend(lease.id, wire.Extend(by_s=600))
    client.release(lease.id)
    stack.until(lambda: client.lease(lease.id).state == wire.LeaseState.ENDED, "it is over")
    stack.until(lambda: all(gpu.proved_empty_at for gpu in client.lease(lease.id).gpus), "its agent shows it empty")
    assert client.verify_ledger().faults == []


def is_ready(stack: Stack) -> bool:
    try:
        return all(
            httpx.get(f"{one.removesuffix('/metrics')}/readyz", timeout=120).status_code == 200
            for one in stack.metrics.values()
        )
    except httpx.HTTPError:
        return False


def change_to(stack: Stack, tree: Path) -> None:
    assert stack.stop() == 0
    stack.tree = tree
    stack.start()


def test_the_release_before_runs_on_the_new_schema_and_leases_outlive_the_change_to_the_new_one_and_back(
    stack: Stack, before: Path
) -> None:
    url = stack.postgres.url("dure")
    with stack.client() as client:
        running = asked(client, key="once")
        stack.until(lambda: client.lease(running.id).state == wire.LeaseState.ACTIVE, "it runs")
        held = [gpu.uuid for gpu in client.lease(running.id).gpus]
        assert held
        assert releases.migrate(TREE, url).returncode == 0
        stack.until(lambda: is_ready(stack), "it is ready")
        lives_a_life(stack, client)
        stack.until_again("scheduler", not_pid=stack.kill("scheduler"))
        lives_a_life(stack, client)
        assert releases.migrate(before, url).returncode == 0, "its own migrations find nothing to do"
        for tree in (TREE, before):
            change_to(stack, tree)
            lives_a_life(stack, client)
            found = client.lease(running.id)
            assert found.state == wire.LeaseState.ACTIVE
            assert (found.ends_at, [gpu.uuid for gpu in found.gpus]) == (running.ends_at, held)
            assert asked(client, key="once").id == running.id
        client.release(running.id)
        stack.until(lambda: client.lease(running.id).state == wire.LeaseState.ENDED, "it is over")


def test_asks_go_on_while_migrations_fail_are_killed_and_succeed_and_stop_once_one_takes_something_away(
    stack: Stack, later: Path
) -> None:
    if stack.tree != TREE:
        change_to(stack, TREE)
    url = stack.postgres.url("dure")
    with stack.client() as client:
        tree = releases.later(later, {"later_1": ADDS, "later_2": FAILS})
        assert "division by zero" in releases.migrate(tree, url).stderr
        stack.until(lambda: is_ready(stack), "it is ready")
        lives_a_life(stack, client)
        tree = releases.later(later, {"later_1": ADDS, "later_2": HANGS})
        with releases.migrating(tree, url) as migration:
            stack.until(lambda: "pg_sleep" in _running(stack), "it is in the middle")
            lives_a_life(stack, client)
            migration.kill()
        stack.until(lambda: is_ready(stack), "it is ready")
        stack.postgres.stop()  # and the server with what was left of it
        stack.postgres.start()
        stack.until(lambda: is_ready(stack), "it is ready again")
        tree = releases.later(later, {"later_1": ADDS, "later_2": releases.INDEXES})
        assert releases.migrate(tree, url).returncode == 0
        stack.until(lambda: is_ready(stack), "it is ready")
        lives_a_life(stack, client)
        stack.until_again("scheduler", not_pid=stack.kill("scheduler"))
        lives_a_life(stack, client)
        tree = releases.later(later, {"later_1": ADDS, "later_2": releases.INDEXES, "later_3": releases.TAKES_AWAY})
        assert releases.migrate(tree, url).returncode == 0
    answer = httpx.get(f"{stack.server}/readyz", timeout=120)
    assert (answer.status_code, "run a newer release" in answer.json()["detail"]) == (503, True)


def _running(stack: Stack) -> str:
    run = ["-X", "-h", str(stack.postgres.folder / "run"), "-U", "postgres", "-d", "dure", "-Atqc"]
    query = "SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active'"
    return stack.postgres.engine.run("psql", [*run, query], cwd=Path("/"))
