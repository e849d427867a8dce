"""One after the other is killed while leases start and end: a replica of the API, the leader, the database, Prometheus, the way
to the cluster; and a leader is stopped, one is cut off, and both go on. Every promise is kept or slips with its cause, another
leads as soon as is promised, and what Prometheus saw of it is what happened.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from deploy.demo.check import Findings, check
from dure import wire
from tests.acceptance import promises_told, writers
from tests.acceptance.night import APIS, GPUS, POOL, QUOTA, SCHEDULERS, Night, a_night
from tests.acceptance.takeovers import ALLOWED_S, WITHIN_S
from tests.cluster.cluster import Cluster
from tests.integration.monitoring.dashboards import grafana

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def night(charted: Cluster) -> Iterator[Night]:
    with a_night(charted) as begun:
        yield begun


def test_promises_hold_whoever_is_killed_and_what_was_told_of_it_is_true(night: Night) -> None:
    """One test, as what comes later looks back on the same night."""
    _every_promise_is_kept_or_slips_with_its_cause(night)
    _another_led_as_soon_as_is_promised_and_nobody_else_did(night)
    _prometheus_saw_what_happened_and_nothing_else(night)
    _the_dashboards_told_it_truly(night)
    _the_promises_that_were_told_are_those_of_the_leases(night)


def _every_promise_is_kept_or_slips_with_its_cause(night: Night) -> None:
    # What rises is told of by its first value too: it has to be there before there is anything to count.
    due = "dure_promises_due_total"
    night.until_seen(
        f"max(timestamp({due})) > {night.began + 1} and max({due}) == 0", "it to be seen that nothing came due"
    )
    night.takeovers.led.append(night.takeovers.who())
    night.while_leases_come_and_go(
        [
            night.kill_a_replica,
            night.takeovers.kill,
            night.kill_prometheus,
            night.takeovers.stop,
            night.takeovers.cut_off,
            night.kill_the_database,
            night.lose_the_cluster,
        ],
    )
    found = _checked(night)
    assert found.wrong == []
    assert found.kept >= 10
    causes = {line.rpartition(", ")[2] for line in found.late_with_cause}
    assert causes <= {"database_away", "scheduler_away", "scheduler_slow", "gpu_not_empty", "node_unknown"}
    assert night.admin.verify_ledger().faults == []


def _checked(night: Night) -> Findings:
    usage = night.admin.usage(since=datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))
    quotas = {(company, POOL): QUOTA for company in night.companies}
    return check(night.play.promised, list(night.admin.leases()), usage, quotas)


def _another_led_as_soon_as_is_promised_and_nobody_else_did(night: Night) -> None:
    took_s = night.takeovers.took_s
    assert took_s.keys() == WITHIN_S.keys()
    assert {why: took for why, took in took_s.items() if took > ALLOWED_S[why]} == {}
    wrote = writers.noted(night.takeovers.url, SCHEDULERS)
    took = night.takeovers.epochs()
    assert len(wrote) > len(WITHIN_S)
    assert wrote == {epoch: {took[epoch]} for epoch in wrote}, "somebody wrote who did not lead any more"


def _prometheus_saw_what_happened_and_nothing_else(night: Night) -> None:
    assert night.over_time("min_over_time", 'min(up{job="dure-api"})') == 0
    assert night.seen.value('sum(up{job="dure-api"})') == len(APIS)
    assert night.over_time("min_over_time", "max(dure_database_up)") == 0
    assert night.over_time("min_over_time", 'max(dure_cluster_up{cluster="main"})') == 0
    assert set(night.takeovers.led) == set(SCHEDULERS)
    assert night.over_time("min_over_time", "sum(dure_leader)") == 0
    night.until_seen("sum(dure_leader) == 1", "one to lead")
    night.until_seen("sum(dure_ledger_faults) == 0", "the ledger to add up")


def _the_dashboards_told_it_truly(night: Night) -> None:
    """What their numbers were in every second of the night, and what they are now."""
    gpus = _numbers(night, "dure-fleet")
    for state in ("Free", "Held", "Sick", "Not heard of"):
        most = night.over_time("max_over_time", gpus[state])
        assert most is not None
        assert most <= GPUS, f"{state} counts GPUs twice"
    night.house.until(
        lambda: night.admin.pool(POOL).gpus.get(wire.GpuState.FREE) == GPUS, "all GPUs to be proved empty"
    )
    night.house.until(lambda: night.seen.value(gpus["Free"]) == GPUS, "the dashboard to say so")
    itself = _numbers(night, "dure-itself")
    for panel in ("Dure is", "Leaders", "Database", "Clusters"):
        assert night.over_time("min_over_time", itself[panel]) == 0, f"{panel} did not tell"
    now = {"Dure is": 2, "Leaders": 1, "Database": 1, "Clusters": 1, "Ledger": 0}
    night.house.until(
        lambda: {panel: night.seen.value(itself[panel]) for panel in now} == now, "it to say that all is well"
    )


def _the_promises_that_were_told_are_those_of_the_leases(night: Night) -> None:
    """Though leaders came and went: of what became of promises exactly, of starts up to what a killed process took with it."""
    leases, found = list(night.admin.leases()), _checked(night)
    had = promises_told.had(night.admin, leases)
    assert had.late == {line.partition(":")[0] for line in found.late_with_cause}
    assert had.due >= len(had.late) + found.kept

    def told(panel: str) -> float | None:
        return night.seen.value(_numbers(night, "dure-promises")[panel])

    night.house.until(lambda: round(told("Broken") or 0) == had.broken, f"the dashboard to tell of {had.broken} broken")
    kept = pytest.approx(1 - had.broken / had.due, abs=0.002)
    night.house.until(lambda: told("Promises kept") == kept, f"the dashboard to tell of {kept} kept")
    killed = {night.house.address(name): at for name, at in night.takeovers.killed.items()}
    started = promises_told.starts(night.seen, POOL, killed, since=night.began, until=time.time())
    assert started.fits(leases), f"{started.counted} starts were counted, unseen at {started.unseen}"


def _numbers(night: Night, name: str) -> dict[str, str]:
    """What each number of a dashboard asks, all being chosen that can be."""
    found = grafana.dashboard(name)
    values = grafana.everything(found, grafana.chosen(grafana.choices(found, night.seen)))
    range_s = time.time() - night.began
    return {
        one.panel: grafana.put(one.expression, values, range_s=range_s) for one in grafana.asked(found) if one.instant
    }
