"""An API server that is away, slow or wrong; watches that end or lie; nodes that go; schedulers that die: it converges."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from dure import kube
from scheduler.store.db import Database
from tests.cluster import nodes as fakes
from tests.cluster.cluster import Cluster
from tests.cluster.proxy import Proxy
from tests.integration.kube.stand import Running, Stand, pod, soon, stand

PODS = "/api/v1/pods"
RELIST_S = 5


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
    lease = made.ask(8, duration_s=600)
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
    lease = made.ask(8, duration_s=300)
    proxy.faults.answer(status, method="PATCH", path="/pods/", times=3, retry_after_s=1 if status == 429 else None)
    soon(lambda: made.quota() == "8", "the quota")
    made.make(pod("tried", 1))
    soon(lambda: made.running() == {"tried"}, "the pod to run")
    proxy.faults.answer(status, method="DELETE", path="/pods/", times=2)
    made.release(lease)
    soon(lambda: not made.running(), "the end", within_s=60)


def test_a_slow_api_server_makes_nothing_early_and_nothing_twice(behind: Behind) -> None:
    made, proxy = behind.made, behind.proxy
    proxy.faults.delay_s = 0.5
    lease = made.ask(8, start_in_s=12, duration_s=120)
    soon(lambda: made.quota() == "8", "the quota")
    made.make(pod("slow", 1))
    soon(lambda: made.running() == {"slow"}, "the pod to run")
    assert made.clock.now() >= made.starts(lease)
    patches = [one for one in proxy.faults.calls if one.method == "PATCH" and one.path.endswith("/pods/slow")]
    assert len([one for one in patches if one.status == 200]) <= 3  # opened, marked with the warning


def test_a_watch_that_expires_is_begun_anew(behind: Behind) -> None:
    made, proxy = behind.made, behind.proxy
    made.ask(8, duration_s=600)
    soon(lambda: made.quota() == "8", "the quota")
    proxy.expire()
    proxy.cut()
    made.make(pod("after", 1))
    soon(lambda: made.running() == {"after"}, "the pod to run")


@contextmanager
def lied_to(database: Database, cluster: Cluster) -> Iterator[Behind]:
    """With a lease of 8 GPUs on the only node, and a reconciler that believes watches for a few seconds."""
    with (
        Proxy(cluster) as proxy,
        stand(database, cluster, count=1, url=proxy.url, relist_s=RELIST_S) as made,
        made.loop() as running,
    ):
        made.ask(8, duration_s=600)
        soon(lambda: made.quota() == "8", "the quota")
        yield Behind(made, proxy, running)


def test_a_watch_that_says_nothing_any_more_is_corrected_by_the_next_list(database: Database, cluster: Cluster) -> None:
    with lied_to(database, cluster) as behind:
        behind.proxy.faults.silent = True
        behind.made.make(pod("unheard", 1))
        soon(lambda: behind.made.running() == {"unheard"}, "the pod to run")


def test_who_takes_over_writes_nothing_anew_that_is_as_it_should_be(database: Database, cluster: Cluster) -> None:
    with Proxy(cluster) as proxy, stand(database, cluster, count=1, url=proxy.url) as made:
        with made.loop():
            made.ask(8, duration_s=600)
            made.make(pod("before", 1))
            soon(lambda: made.quota() == "8" and made.running() == {"before"}, "all of it to stand")
            soon(lambda: made.has_key(who=made.globex) and made.quota(made.globex) == "0", "the other company's too")
        before = len(proxy.faults.calls)
        with made.loop():
            for name in ("first", "second"):
                made.make(pod(name, 1))
                soon(lambda name=name: name in made.running(), f"{name}, for which the company is looked at")
        written = {one.path.partition("?")[0] for one in proxy.faults.calls[before:] if one.method == "PATCH"}
        assert written == {made.path("first"), made.path("second")}


def test_a_pod_that_watches_never_told_of_is_found_by_the_next_list(database: Database, cluster: Cluster) -> None:
    with lied_to(database, cluster) as behind:
        made, faults = behind.made, behind.proxy.faults
        faults.lose("ADDED|MODIFIED", path=PODS, name="unheard")
        lists = _lists(behind)
        made.make(pod("unheard", 1))
        made.make(pod("heard", 1))
        soon(lambda: "heard" in made.running(), "the pod that was told of")
        soon(lambda: made.running() == {"heard", "unheard"}, "the other to run")
        assert _lists(behind) > lists


def test_a_pod_that_watches_never_said_is_gone_keeps_others_out_until_the_next_list(
    database: Database, cluster: Cluster
) -> None:
    with lied_to(database, cluster) as behind:
        made, faults = behind.made, behind.proxy.faults
        made.make(pod("gone", 8))
        soon(lambda: made.running() == {"gone"}, "the pod to run")
        faults.lose("DELETED", path=PODS, name="gone")
        made.cluster.api.delete(made.path("gone")).raise_for_status()
        soon(lambda: not made.pods(), "it to be gone")
        lists = _lists(behind)
        made.make(pod("next", 8))
        soon(lambda: made.waits("next") == "full" or _lists(behind) > lists, "it to wait for one that is gone")
        soon(lambda: made.running() == {"next"}, "the next to run")
        assert _lists(behind) > lists
        soon(lambda: (row := made.row("gone")) is not None and row.ended_at is not None, "the end of the other")


def test_watches_that_tell_late_make_nothing_twice(database: Database, cluster: Cluster) -> None:
    with lied_to(database, cluster) as behind:
        made, faults = behind.made, behind.proxy.faults
        faults.hold(".*", 0.3, path=PODS, name="first|second|third")
        made.make(pod("first", 4), pod("second", 4))
        soon(lambda: made.running() == {"first", "second"}, "both to run")
        made.cluster.api.delete(made.path("first")).raise_for_status()
        soon(lambda: made.running() == {"second"}, "it to be gone")
        made.make(pod("third", 4))
        soon(lambda: made.running() == {"second", "third"}, "the third to run")
        patched = [one.path.rpartition("/")[2] for one in faults.calls if (one.method, one.status) == ("PATCH", 200)]
        # Let in, and marked with the end that is near.
        assert max(patched.count(name) for name in ("first", "second", "third")) <= 2


def _lists(behind: Behind) -> int:
    """How often all pods were listed."""
    return sum("watch=" not in one.path and one.path.startswith(PODS) for one in behind.proxy.faults.calls)


def test_two_schedulers_open_a_gate_once_and_the_second_takes_over(database: Database, cluster: Cluster) -> None:
    with stand(database, cluster) as made, made.loop() as first:
        soon(made.has_key, "the company's namespace")
        with made.loop() as second:
            made.ask(8, duration_s=600)
            soon(lambda: made.quota() == "8", "the quota")
            made.make(pod("one", 1))
            soon(lambda: made.running() == {"one"}, "the pod to run")
            assert not second.loop.leads
            soon(lambda: first.value("dure_cluster_up", cluster="main") == 1, "the cluster to be well")
            assert second.registry.get_sample_value("dure_cluster_up", {"cluster": "main"}) is None
            first.__exit__(None, None, None)
            soon(lambda: second.loop.leads, "the second to lead")
            made.make(pod("two", 1))
            soon(lambda: made.running() == {"one", "two"}, "the second pod to run")


def test_what_ended_while_nobody_led_is_ended_by_the_next(database: Database, cluster: Cluster) -> None:
    with stand(database, cluster) as made:
        with made.loop():
            soon(made.has_key, "the company's namespace")
            lease = made.ask(8, duration_s=30)
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
        made.ask(8, duration_s=30)
        soon(lambda: made.quota() == "8", "the quota")
        made.make(pod("lost", 1))
        soon(lambda: made.running() == {"lost"}, "the pod to run")
        fakes.remove(cluster, made.nodes)
        soon(lambda: not made.pods(), "it to be gone", within_s=90)


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
