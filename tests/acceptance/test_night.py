"""One after the other is killed while leases start and end: a replica of the API, the leader, the database, Prometheus, the way
to the cluster; and a leader is stopped and goes on. Every promise is kept or slips with its cause, and what Prometheus saw of
it is what happened.
"""

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest

from deploy.demo.check import Findings, check
from deploy.demo.play import Play
from deploy.local.postgres import Embedded
from dure import kube, wire
from dure.client import Client
from scheduler.store import migrate
from tests import servers
from tests.acceptance.house import House
from tests.cluster.cluster import Cluster
from tests.cluster.proxy import Proxy
from tests.integration.kube.chart import token
from tests.integration.monitoring.dashboards import grafana
from tests.monitoring.prometheus import Prometheus, prometheus

pytestmark = pytest.mark.timeout(900)

POOL, PRODUCT = "h100", "NVIDIA H100 80GB HBM3"
NODES = ("node-1", "node-2")
GPUS = 16
"""Of both."""
PATIENCE_S = 300.0
SEEN = "4s"
"""What lasts so long is seen whichever seconds are looked at."""
ASK_EVERY_S = 1.5
QUOTA = 8
APIS, SCHEDULERS = ("api-1", "api-2"), ("scheduler-1", "scheduler-2")


class Either(httpx.BaseTransport):
    """Asks one replica, and the other where that one does not answer, as a Service does."""

    def __init__(self, addresses: Callable[[], list[str]]) -> None:
        self._addresses = addresses
        self._http = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        first, *others = self._addresses()
        try:
            return self._at(first, request)
        except httpx.TransportError:
            return self._at(others[0], request)

    def close(self) -> None:
        self._http.close()

    def _at(self, address: str, request: httpx.Request) -> httpx.Response:
        host, _, port = address.partition(":")
        request.url = request.url.copy_with(host=host, port=int(port))
        return self._http.handle_request(request)


@dataclass(kw_only=True)
class Night:
    house: House
    postgres: Embedded
    proxy: Proxy
    admin: Client
    play: Play
    began: float
    seen: Prometheus
    companies: tuple[str, ...]
    leads: list[str] = field(default_factory=list)
    """Who was seen to lead, in order."""
    took_s: dict[str, float] = field(default_factory=dict)
    """For how long nobody led, by why."""

    def leader(self) -> str | None:
        """Whoever leads now, if one does."""
        found = [name for name in SCHEDULERS if self.house.metric(name, "dure_leader") == 1]
        return found[0] if len(found) == 1 else None

    def another_leads(self, than: str) -> bool:
        other = next(name for name in SCHEDULERS if name != than)
        return self.house.metric(other, "dure_leader") == 1

    def kill_a_replica(self) -> None:
        self.house.kill("api-1")
        self.until_seen(f'max_over_time(up{{job="dure-api"}}[{SEEN}]) == 0', "Prometheus to miss the replica")
        self.house.again("api-1")
        self.until_seen('min(up{job="dure-api"}) == 1', "the replica to be back")

    def kill_the_leader(self) -> None:
        leader = self.leads_now()
        self._taken_over(leader, "killed", lambda: self.house.kill(leader))
        self.house.again(leader)
        self.house.until(lambda: self.house.metric(leader, "dure_leader") == 0, "the first to stand by")

    def stop_the_leader_and_let_it_go_on(self) -> None:
        leader = self.leads_now()
        self._taken_over(leader, "stopped", lambda: self.house.signal(leader, signal.SIGSTOP))
        self.house.signal(leader, signal.SIGCONT)
        self.house.until(lambda: self.house.metric(leader, "dure_leader") == 0, "the first to know that it was deposed")

    def _taken_over(self, leader: str, why: str, harm: Callable[[], None]) -> None:
        began = time.monotonic()
        harm()
        self.house.until(lambda: self.another_leads(leader), "the other to lead")
        self.took_s[why] = time.monotonic() - began
        print(f"a leader that is {why} was taken over from in {self.took_s[why]:.1f} s")
        self.leads.append(next(name for name in SCHEDULERS if name != leader))

    def kill_the_database(self) -> None:
        assert self.postgres.pid is not None
        os.kill(self.postgres.pid, signal.SIGKILL)
        self.house.until(lambda: self.postgres.exited() is not None, "PostgreSQL to be dead")
        self.until_seen(f"max(max_over_time(dure_database_up[{SEEN}])) == 0", "Prometheus to see that it is away")
        self.postgres.start()
        self.until_seen("min(dure_database_up) == 1 and max(dure_leader) == 1", "somebody to lead again")

    def lose_the_cluster(self) -> None:
        self.until_seen(
            'dure_cluster_up{cluster="main"} == 1', f"the cluster to be enforced: {list(self.admin.clusters())}"
        )
        self.proxy.away()
        self.until_seen(
            f'max(max_over_time(dure_cluster_up{{cluster="main"}}[{SEEN}])) == 0', "Prometheus to see that it is away"
        )
        self.proxy.back()
        self.until_seen('dure_cluster_up{cluster="main"} == 1', "it to be back")

    def kill_prometheus(self) -> None:
        self.seen.again()
        self.until_seen('min(up{job="dure-api"}) == 1', "Prometheus to scrape again")

    def leads_now(self) -> str:
        self.house.until(lambda: self.leader() is not None, "somebody to lead")
        found = self.leader()
        assert found is not None
        return found

    def until_seen(self, expression: str, what: str) -> None:
        self.house.until(lambda: bool(self.seen.query(expression)), what)

    def over_time(self, function: str, expression: str) -> float | None:
        """Of all of this night."""
        seconds = int(time.time() - self.began) + 1
        return self.seen.value(f"{function}(({expression})[{seconds}s:1s])")

    def checked(self) -> Findings:
        usage = self.admin.usage(since=datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))
        quotas = {(company, POOL): QUOTA for company in self.companies}
        return check(self.play.promised, list(self.admin.leases()), usage, quotas)


@pytest.fixture(scope="module")
def night(charted: Cluster) -> Iterator[Night]:
    with ExitStack() as left:
        folder = left.enter_context(servers.folder("night"))
        postgres = Embedded(folder / "postgres", options=servers.QUICK)
        left.callback(postgres.stop)
        postgres.start()
        postgres.create("dure")
        migrate.upgrade(postgres.url("dure"))
        proxy = left.enter_context(Proxy(charted))
        reconciler = token(charted.api, kube.SYSTEM_NAMESPACE, kube.RECONCILER_ACCOUNT)
        clusters = f"main={proxy.kubeconfig_for_token(reconciler)}"
        house = House(folder=folder, shared={"DURE_DATABASE_URL": postgres.url("dure")})
        left.callback(house.close)
        yield left.enter_context(_begun(house, postgres, proxy, clusters))


def _clients(house: House, admin_token: str) -> Callable[[str | None], Client]:
    turn = count()

    def addresses() -> list[str]:
        at = next(turn) % len(APIS)
        return [house.address(name) for name in (*APIS[at:], *APIS[:at])]

    return lambda secret: Client("http://127.0.0.1", secret or admin_token, transport=Either(addresses), why="a test")


@contextmanager
def _begun(house: House, postgres: Embedded, proxy: Proxy, clusters: str) -> Iterator[Night]:
    """With a pool of two nodes that report, and two companies."""
    client = _clients(house, house.admin_token())
    for name in SCHEDULERS:
        house.scheduler(name, DURE_SCHEDULER_CLUSTERS=clusters)
    for name in APIS:
        house.api(name)
    house.until(lambda: all(house.metric(name, "dure_api_event_streams") is not None for name in APIS), "both replicas")
    tag = uuid.uuid4().hex[:6]
    companies = (f"acme-{tag}", f"globex-{tag}")
    with ExitStack() as left:
        admin = left.enter_context(client(None))
        admin.add_pool(wire.PoolCreate(name=POOL, product=PRODUCT, gap_s=2, grace_s=1, cluster="main"))
        held: dict[str, Client] = {}
        for name in companies:
            admin.add_company(wire.CompanyCreate(name=name))
            admin.set_quota(name, POOL, wire.QuotaSet(gpus=QUOTA))
            secret = admin.issue_token(wire.TokenIssue(role=wire.Role.COMPANY, company=name)).secret
            held[name] = left.enter_context(client(secret))
        for node in NODES:
            join = admin.make_join_token(node, wire.JoinTokenIssue()).secret
            # A Service would lead them to the replica that is there; without one that is the one that is not killed.
            house.agent(node, join, f"http://{house.address(APIS[-1])}")
        house.until(lambda: house.nodes_report(admin, len(NODES)), "the nodes' first reports")
        jobs = {
            "dure-api": [house.address(name) for name in APIS],
            "dure-scheduler": [house.address(name) for name in SCHEDULERS],
            "dure-agent": [house.address(name) for name in NODES],
        }
        seen = left.enter_context(prometheus(house.folder / "prometheus", jobs, interval="1s"))
        play = Play(clients=held, pools=dict.fromkeys(companies, POOL), admin=admin, tell=print)
        yield Night(
            house=house,
            postgres=postgres,
            proxy=proxy,
            admin=admin,
            play=play,
            began=time.time(),
            seen=seen,
            companies=companies,
        )


def test_promises_hold_whoever_is_killed_and_what_was_told_of_it_is_true(night: Night) -> None:
    """One test, as what comes later looks back on the same night."""
    _every_promise_is_kept_or_slips_with_its_cause(night)
    _prometheus_saw_what_happened_and_nothing_else(night)
    _the_dashboards_told_it_truly(night)


def _every_promise_is_kept_or_slips_with_its_cause(night: Night) -> None:
    night.leads.append(night.leads_now())
    _while_leases_come_and_go(
        night,
        [
            night.kill_a_replica,
            night.kill_the_leader,
            night.kill_prometheus,
            night.stop_the_leader_and_let_it_go_on,
            night.kill_the_database,
            night.lose_the_cluster,
        ],
    )
    found = night.checked()
    assert found.wrong == []
    assert found.kept >= 10
    causes = {line.rpartition(", ")[2] for line in found.late_with_cause}
    assert causes <= {"database_away", "scheduler_away", "scheduler_slow", "gpu_not_empty", "node_unknown"}
    assert night.admin.verify_ledger().faults == []


def _prometheus_saw_what_happened_and_nothing_else(night: Night) -> None:
    assert night.over_time("min_over_time", 'min(up{job="dure-api"})') == 0
    assert night.seen.value('sum(up{job="dure-api"})') == len(APIS)
    assert night.over_time("min_over_time", "max(dure_database_up)") == 0
    assert night.over_time("min_over_time", 'max(dure_cluster_up{cluster="main"})') == 0
    assert set(night.leads) == set(SCHEDULERS)
    assert night.over_time("min_over_time", "sum(dure_leader)") == 0
    assert night.seen.value("sum(dure_leader)") == 1
    assert night.seen.value("sum(dure_ledger_faults)") == 0
    started = night.over_time("max_over_time", f'sum(dure_lease_start_lateness_seconds_count{{pool="{POOL}"}})')
    assert started is not None
    assert started > 5


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
    now = {panel: night.seen.value(itself[panel]) for panel in ("Dure is", "Leaders", "Database", "Clusters", "Ledger")}
    assert now == {"Dure is": 2, "Leaders": 1, "Database": 1, "Clusters": 1, "Ledger": 0}


def _numbers(night: Night, name: str) -> dict[str, str]:
    """What each number of a dashboard asks, all being chosen that can be."""
    found = grafana.dashboard(name)
    values = grafana.everything(found, grafana.chosen(grafana.choices(found, night.seen)))
    range_s = time.time() - night.began
    return {
        one.panel: grafana.put(one.expression, values, range_s=range_s) for one in grafana.asked(found) if one.instant
    }


def _while_leases_come_and_go(night: Night, harm: Sequence[Callable[[], None]]) -> None:
    """Somebody asks for leases of some seconds until all harm is done; then they are waited for until they are over.

    What is started again is started by the thread that stays: a daemon of the tests ends with the thread that started it.
    """
    done = threading.Event()

    def ask() -> None:
        for number in count():
            shape = wire.Shape(gpus=1 + number % 3)
            body = wire.Ask(pool=POOL, shape=shape, duration_s=3 + number % 6, notice_s=0)
            night.play.ask(night.companies[number % 2], body)
            if done.wait(ASK_EVERY_S):
                return

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for one in harm:
            one()
    finally:
        done.set()
        asking.join()
    night.play.run([], patience_s=PATIENCE_S)
