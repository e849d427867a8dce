"""Real faults in a running Dure: each is told by Prometheus and Alertmanager, as the chart's rules have it, until it is repaired."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from dure import wire
from tests import servers
from tests.acceptance.stack import Stack
from tests.acceptance.watched import GPUS, NODES, POOL, SECONDS, Watched, scenario, watched

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    played = folder / "scenario.json"
    played.write_text(scenario())
    with pytest.MonkeyPatch.context() as environ, servers.folder("watched") as kept:
        environ.setenv("DURE_LOCAL_SCENARIO", str(played))
        environ.setenv("DURE_SCHEDULER_LEDGER_VERIFIED_S", "1")
        with Stack(kept, nodes=NODES, gpus=GPUS) as stack:
            stack.start()
            with watched(stack, folder, played) as found:
                yield found


@pytest.fixture
def dure(everything: Watched) -> Watched:
    """With all GPUs free, and nothing that is told."""
    everything.until_free()
    everything.stack.until(lambda: not everything.prometheus.alerts(), "nothing is told")
    return everything


def test_a_killed_agent_and_the_promise_that_its_node_breaks_are_told(dure: Watched) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=20)).replace(microsecond=0)
    dure.asks(GPUS, nodes=NODES, duration_s=12, start=soon)
    dure.scenario.write_text("an agent that is started anew does not come up")
    dure.stack.kill("agent-node-2")
    silent = dure.fires("DureNodeSilent", node="node-2")
    assert silent["labels"]["severity"] == "ticket"
    assert silent["annotations"]["runbook_url"] == f"{SECONDS['runbookUrl']}#durenodesilent"
    dure.fires("DureManyNodesSilent", severity="page")
    dure.stack.until(lambda: datetime.now(UTC) > soon + timedelta(seconds=2), "its start is past")
    dure.scenario.write_text(scenario())
    dure.fires("DurePromiseSlipped", pool=POOL)
    dure.is_over("DureNodeSilent", node="node-2")
    dure.is_over("DureManyNodesSilent")
    dure.is_over("DurePromiseSlipped", pool=POOL)


def test_a_lost_gpu_a_stranger_and_what_a_lease_leaves_behind_are_told_until_they_are_gone(dure: Watched) -> None:
    dure.befalls("node-2", {"kind": "lost", "gpu": 0}, {"kind": "intruder", "gpu": 1}, {"kind": "zombie"})
    dure.fires("DureGpuUnhealthy", node="node-2", pool=POOL)
    dure.fires("DureViolation", pool=POOL, kind="process")
    dure.asks(1, nodes=NODES, duration_s=2)
    dure.fires("DureGpuNotEmpty", pool=POOL)
    dure.befalls("node-2")
    for alert in ("DureGpuUnhealthy", "DureViolation", "DureGpuNotEmpty"):
        dure.is_over(alert, pool=POOL)


def test_a_lease_past_its_end_is_told_while_somebody_holds_the_lock_of_its_pool(dure: Watched) -> None:
    with _transaction(dure) as held:
        while not _locks_while_one_runs(dure, held):
            held.rollback()
        dure.fires("DureLeaseOverdue", pool=POOL, severity="page")
    dure.is_over("DureLeaseOverdue", pool=POOL)


def _locks_while_one_runs(dure: Watched, held: psycopg.Connection) -> bool:
    """The pool, in the midst of a short lease; False where it was over before."""
    lease = dure.asks(1, duration_s=5)
    dure.stack.until(lambda: dure.acme.lease(lease.id).state != wire.LeaseState.SCHEDULED, "the lease has started")
    held.execute("SELECT name FROM pool WHERE name = %s FOR UPDATE", [POOL])
    return held.execute("SELECT state FROM lease WHERE id = %s", [lease.id]).fetchone() == ("active",)


def test_a_ledger_that_somebody_changed_by_hand_is_told_until_it_adds_up_again(dure: Watched) -> None:
    _tampered(dure, by=7)
    assert dure.fires("DureLedgerUnbalanced")["labels"]["severity"] == "page"
    _tampered(dure, by=-7)
    dure.is_over("DureLedgerUnbalanced")


def test_a_scheduler_that_hangs_is_told_as_a_stalled_loop(dure: Watched) -> None:
    dure.stack.signal("scheduler", signal.SIGSTOP)
    try:
        dure.fires("DureLoopStalled", severity="page")
    finally:
        dure.stack.signal("scheduler", signal.SIGCONT)
    dure.is_over("DureLoopStalled")


def test_an_api_that_answers_nobody_is_told(dure: Watched) -> None:
    dure.stack.signal("api", signal.SIGSTOP)
    try:
        dure.fires("DureApiAway", severity="page")
    finally:
        dure.stack.signal("api", signal.SIGCONT)
    dure.is_over("DureApiAway")


def test_a_database_that_is_away_is_told_and_not_as_a_stalled_loop(dure: Watched) -> None:
    before = len(dure.alertmanager.told)
    dure.stack.postgres.stop()
    dure.fires("DureDatabaseAway", severity="page")
    told = {one["labels"]["alertname"] for one in dure.alertmanager.told[before:] if one["status"] == "firing"}
    assert "DureLoopStalled" not in told
    dure.stack.postgres.start()
    dure.is_over("DureDatabaseAway")


def test_a_certificate_that_is_about_to_end_is_told_until_it_is_renewed(dure: Watched) -> None:
    dure.serves(dure.authority.server("api", life=timedelta(minutes=30)))
    assert dure.fires("DureCertificateEnding", certificate="api")["labels"]["severity"] == "ticket"
    dure.serves(dure.authority.server("api"))
    dure.is_over("DureCertificateEnding", certificate="api")


@contextmanager
def _transaction(dure: Watched) -> Iterator[psycopg.Connection]:
    """As the database's superuser; it is rolled back."""
    with psycopg.connect(dure.stack.postgres.url("dure")) as connection:
        yield connection
        connection.rollback()


def _tampered(dure: Watched, *, by: int) -> None:
    """An account says other sums than its entries come to, with the database's own guards off."""
    with psycopg.connect(dure.stack.postgres.url("dure")) as connection:
        connection.execute("SET session_replication_role = replica")
        changed = "UPDATE account SET granted = granted + %s, spent = spent + %s WHERE company = 'acme' AND pool = %s"
        assert connection.execute(changed, [by, by, POOL]).rowcount == 1
