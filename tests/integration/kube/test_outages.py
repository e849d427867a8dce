"""An API server that is away, slow or wrong; watches that end or lie; nodes that go; schedulers that die: it converges."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from dure import kube
from scheduler.kube import watching
from scheduler.store.db import Database
from tests.cluster import nodes as fakes
from tests.cluster.cluster import Cluster
from tests.cluster.proxy import Proxy
from tests.integration.kube.stand import Running, Stand, pod, soon, stand


@dataclass
class Behind:
    """A stand whose reconciler comes to the cluster by a faulty way."""

    made: Stand
    proxy: Proxy
    running: Running


@pytest.fixture
def behind(database: Database, cluster: Cluster) -> Iterator[Behind]:
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(cluster))
        made = stack.enter_context(stand(database, cluster, url=proxy.url))
        running = stack.enter_context(made.loop())
        soon(made.has_key, "the company's namespace and key")
        yield Behind(made, proxy, running)


def test_while_the_api_server_is_away_leases_keep_their_times_and_it_is_a_metric(behind: Behind) -> None:
    made, proxy = behind.made, behind.proxy
    proxy.away()
    lease = made.ask(8, duration_s=60)
    soon(lambda: made.lease(lease).state == "active", "the lease to start")
    soon(lambda: behind.running.value("dure_cluster_up", cluster="main") == 0, "the metric")
    soon(
        lambda: behind.running.value("dure_kube_undone_age_seconds", cluster="main") > 0.5, "the age of what is undone"
    )
    proxy.back()
    soon(lambda: made.quota() == "8", "the quota")
    made.make(pod("late", 1))
    soon(lambda: made.running() == {"late"}, "the pod to run")
    soon(lambda: behind.running.value("dure_cluster_up", cluster="main") == 1, "the cluster to be well")
    soon(lambda: behind.running.value("dure_kube_undone", cluster="main") == 0, "nothing to be undone")


@pytest.mark.parametrize("status", [409, 429, 500])
def test_what_the_api_server_does_not_take_is_tried_again(behind: Behind, status: int) -> None:
    made, proxy = behind.made, behind.proxy
    made.ask(8, duration_s=22)
    proxy.faults.answer(status, method="PATCH", path="/pods/", times=3, retry_after_s=1 if status == 429 else None)
    soon(lambda: made.quota() == "8", "the quota")
    made.make(pod("tried", 1))
    soon(lambda: made.running() == {"tried"}, "the pod to run")
    proxy.faults.answer(status, method="DELETE", path="/pods/", times=2)
    soon(lambda: not made.running(), "the end", within_s=60)


def test_a_slow_api_server_makes_nothing_early_and_nothing_twice(behind: Behind) -> None:
    made, proxy = behind.made, behind.proxy
    proxy.faults.delay_s = 0.5
    lease = made.ask(8, start_in_s=12, duration_s=24)
    soon(lambda: made.quota() == "8", "the quota")
    made.make(pod("slow", 1))
    soon(lambda: made.running() == {"slow"}, "the pod to run")
    assert made.clock.now() >= made.starts(lease)
    patches = [one for one in proxy.faults.calls if one.method == "PATCH" and one.path.endswith("/pods/slow")]
    assert len([one for one in patches if one.status == 200]) <= 3  # opened, marked with the warning


def test_a_watch_that_expires_is_begun_anew(behind: Behind) -> None:
    made, proxy = behind.made, behind.proxy
    made.ask(8, duration_s=60)
    soon(lambda: made.quota() == "8", "the quota")
    proxy.expire()
    proxy.cut()
    made.make(pod("after", 1))
    soon(lambda: made.running() == {"after"}, "the pod to run")


def test_a_watch_that_says_nothing_any_more_is_corrected_by_the_next_list(
    database: Database, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "RELIST_S", 5)
    with Proxy(cluster) as proxy, stand(database, cluster, url=proxy.url) as made, made.loop():
        made.ask(8, duration_s=60)
        soon(lambda: made.quota() == "8", "the quota")
        proxy.faults.silent = True
        made.make(pod("unheard", 1))
        soon(lambda: made.running() == {"unheard"}, "the pod to run")


def test_two_schedulers_open_a_gate_once_and_the_second_takes_over(database: Database, cluster: Cluster) -> None:
    with stand(database, cluster) as made, made.loop() as first:
        soon(made.has_key, "the company's namespace")
        with made.loop() as second:
            made.ask(8, duration_s=120)
            soon(lambda: made.quota() == "8", "the quota")
            made.make(pod("one", 1))
            soon(lambda: made.running() == {"one"}, "the pod to run")
            assert not second.loop.leads
            first.__exit__(None, None, None)
            soon(lambda: second.loop.leads, "the second to lead")
            made.make(pod("two", 1))
            soon(lambda: made.running() == {"one", "two"}, "the second pod to run")


def test_what_ended_while_nobody_led_is_ended_by_the_next(database: Database, cluster: Cluster) -> None:
    with stand(database, cluster) as made:
        with made.loop():
            soon(made.has_key, "the company's namespace")
            lease = made.ask(8, duration_s=12)
            soon(lambda: made.quota() == "8", "the quota")
            made.make(pod("left", 1))
            soon(lambda: made.running() == {"left"}, "the pod to run")
        end = made.ends(lease)
        soon(lambda: made.clock.now() > end + 1, "its end to pass with nobody there")
        with made.loop():
            soon(lambda: not made.running(), "the next leader to end it")
            soon(lambda: (row := made.row("left")) is not None and row.ended_at is not None, "its end to be known")


def test_a_pod_on_a_node_that_is_gone_is_forced_away_at_its_lease_s_end(database: Database, cluster: Cluster) -> None:
    with stand(database, cluster, count=1) as made, made.loop():
        soon(made.has_key, "the company's namespace")
        made.ask(8, duration_s=14)
        soon(lambda: made.quota() == "8", "the quota")
        made.make(pod("lost", 1))
        soon(lambda: made.running() == {"lost"}, "the pod to run")
        fakes.remove(cluster, made.nodes)
        soon(lambda: not made.pods(), "it to be gone", within_s=40)


def test_nothing_outside_of_companies_namespaces_is_touched(behind: Behind, namespace: str) -> None:
    made, proxy = behind.made, behind.proxy
    body = {
        "metadata": {"name": "theirs"},
        "spec": {"nodeName": made.nodes[0], "containers": [{"name": "main", "image": "none"}]},
    }
    made.cluster.api.post(f"/api/v1/namespaces/{namespace}/pods", json=body).raise_for_status()
    lease = made.ask(8, duration_s=10)
    soon(lambda: made.lease(lease).state == "ended", "a lease to come and go")
    changed = {one.path for one in proxy.faults.calls if one.method != "GET"}
    assert all(f"/namespaces/{kube.namespace('')}" in path or path.endswith("/namespaces") for path in changed), changed
    assert made.get(f"/api/v1/namespaces/{namespace}/pods/theirs")
