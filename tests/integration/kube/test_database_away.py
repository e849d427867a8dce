"""PostgreSQL is away, or hangs, while the end of what runs in a cluster is due: nothing is done, it is told, and done afterwards."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

from deploy.local.postgres import Embedded
from tests import databases, servers
from tests.cluster.cluster import Cluster
from tests.cluster.proxy import Proxy
from tests.integration.kube.stand import MARGIN_S, Stand, pod, seconds, soon, stand
from tests.standing_still import standing_still


@contextmanager
def stopped(postgres: Embedded) -> Iterator[None]:
    """Connections are refused."""
    postgres.stop()
    try:
        yield
    finally:
        postgres.start()


@pytest.mark.parametrize("away", [stopped, standing_still])
def test_what_is_due_while_postgresql_is_away_is_a_metric_with_an_age_and_done_when_it_is_back(
    cluster: Cluster, away: Callable[[Embedded], AbstractContextManager[object]]
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(servers.server("outage"))
        database = stack.enter_context(databases.opened(stack.enter_context(server.database())))
        proxy = stack.enter_context(Proxy(cluster))
        made = stack.enter_context(stand(database, cluster, url=proxy.url))
        running = stack.enter_context(made.loop())
        soon(made.has_key, "the company's namespace and key")
        lease = made.ask(8, duration_s=35, extendable=False)
        made.make(pod("left", 1))
        soon(lambda: made.running() == {"left"}, "the pod to run")
        soon(lambda: "LeaseEnding" in made.told("left") and _deadline(made), "what is said ahead of the end")
        end = made.ends(lease)
        with away(server.embedded):
            begun = len(proxy.faults.calls)
            age, undone = "dure_kube_undone_age_seconds", "dure_kube_undone"
            soon(
                lambda: running.value(age, cluster="main") > MARGIN_S and running.value(undone, cluster="main") == 1,
                "the age of what came due",
            )
            soon(lambda: made.clock.now() > end + 1, "the end to pass")
            assert not [one for one in proxy.faults.calls[begun:] if one.method != "GET"]
            found = made.pods()["left"]
        # What a kubelet goes by, and simulated nodes do not.
        assert seconds(found["status"]["startTime"]) + found["spec"]["activeDeadlineSeconds"] <= end - MARGIN_S
        assert "deletionTimestamp" not in found["metadata"]
        soon(lambda: not made.running(), "it to be ended")
        soon(lambda: made.lease(lease).state == "ended", "its lease to end")
        soon(lambda: running.value("dure_kube_undone", cluster="main") == 0, "nothing to be undone")
        soon(lambda: running.value("dure_cluster_up", cluster="main") == 1, "the cluster to be well")
        soon(lambda: (row := made.row("left")) is not None and row.ended_at is not None, "its end to be written down")


def _deadline(made: Stand) -> int | None:
    return made.pods()["left"]["spec"].get("activeDeadlineSeconds")
