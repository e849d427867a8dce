"""All of Dure's processes, two of each that there may be two of, and the harm that a night does to them while leases come and go."""

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count

import httpx

from deploy.demo.play import Play
from deploy.local.postgres import Embedded
from dure import kube, wire
from dure.client import Client
from tests import servers
from tests.acceptance import writers
from tests.acceptance.house import House
from tests.acceptance.takeovers import Takeovers
from tests.acceptance.way import Way
from tests.cluster.cluster import Cluster
from tests.cluster.proxy import Proxy
from tests.integration.kube.chart import token
from tests.monitoring.prometheus import Prometheus, prometheus

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
UNSEEN = 2
"""So many leases at least start and end while Prometheus is away."""


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


@dataclass(frozen=True, kw_only=True)
class Night:
    house: House
    postgres: Embedded
    proxy: Proxy
    admin: Client
    play: Play
    began: float
    seen: Prometheus
    companies: tuple[str, ...]
    takeovers: Takeovers

    def kill_a_replica(self) -> None:
        self.house.kill("api-1")
        self.until_seen(f'max_over_time(up{{job="dure-api"}}[{SEEN}]) == 0', "Prometheus to miss the replica")
        self.house.again("api-1")
        self.until_seen('min(up{job="dure-api"}) == 1', "the replica to be back")

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
        """It was away while leases started and ended, and their promises are counted all the same once it is back."""
        due = "max(dure_promises_due_total)"
        self.until_seen(due, "promises to be told")
        before = self.seen.value(due)
        assert before is not None
        self.seen.kill()
        gone = time.time()
        self.house.until(lambda: self._over_since(gone) >= UNSEEN, "leases to start and end unseen")
        meanwhile, back = self._over_since(gone), time.time()
        self.seen.again()
        # What it has from before is its answer too, for five minutes.
        for job in ("dure-api", "dure-scheduler"):
            self.until_seen(f'min(timestamp(up{{job="{job}"}})) > {back}', "Prometheus to scrape again")
        self.until_seen(f"{due} >= {before + meanwhile}", "Prometheus to see what came due while it was away")

    def _over_since(self, instant: float) -> int:
        """How many leases started since then, a second at least, and are over."""
        ended = (lease for lease in self.admin.leases() if lease.state is wire.LeaseState.ENDED)
        return sum(lease.started_at is not None and lease.started_at.timestamp() > instant for lease in ended)

    def until_seen(self, expression: str, what: str) -> None:
        self.house.until(lambda: bool(self.seen.query(expression)), what)

    def over_time(self, function: str, expression: str) -> float | None:
        """Of all of this night."""
        seconds = int(time.time() - self.began) + 1
        return self.seen.value(f"{function}(({expression})[{seconds}s:1s])")

    def while_leases_come_and_go(self, harm: Sequence[Callable[[], None]]) -> None:
        """Somebody asks for leases of some seconds until all harm is done; then they are waited for until they are over.

        What is started again is started by the thread that stays: a daemon of the tests ends with the thread that started it.
        """
        done = threading.Event()
        asking = threading.Thread(target=self._ask, args=(done,))
        asking.start()
        try:
            for one in harm:
                one()
        finally:
            done.set()
            asking.join()
        self.play.run([], patience_s=PATIENCE_S)

    def _ask(self, done: threading.Event) -> None:
        for number in count():
            shape = wire.Shape(gpus=1 + number % 3)
            body = wire.Ask(pool=POOL, shape=shape, duration_s=3 + number % 6, notice_s=0)
            self.play.ask(self.companies[number % 2], body)
            if done.wait(ASK_EVERY_S):
                return


@contextmanager
def a_night(cluster: Cluster) -> Iterator[Night]:
    """Before anybody asks for anything. The chart is in the cluster."""
    with ExitStack() as left:
        folder = left.enter_context(servers.folder("night"))
        postgres = left.enter_context(servers.migrated(folder))
        url = postgres.url("dure")
        writers.note(url)
        proxy = left.enter_context(Proxy(cluster))
        ways = {name: left.enter_context(Way(url, name)) for name in SCHEDULERS}
        house = House(folder=folder, shared={"DURE_DATABASE_URL": url})
        left.callback(house.close)
        reconciler = token(cluster.api, kube.SYSTEM_NAMESPACE, kube.RECONCILER_ACCOUNT)
        clusters = f"main={proxy.kubeconfig_for_token(reconciler)}"
        for name in SCHEDULERS:
            house.scheduler(name, DURE_SCHEDULER_CLUSTERS=clusters, DURE_DATABASE_URL=ways[name].url)
        yield left.enter_context(_begun(house, postgres, proxy, Takeovers(house=house, url=url, ways=ways)))


def _clients(house: House, admin_token: str) -> Callable[[str | None], Client]:
    turn = count()

    def addresses() -> list[str]:
        at = next(turn) % len(APIS)
        return [house.address(name) for name in (*APIS[at:], *APIS[:at])]

    return lambda secret: Client("http://127.0.0.1", secret or admin_token, transport=Either(addresses), why="a test")


@contextmanager
def _begun(house: House, postgres: Embedded, proxy: Proxy, takeovers: Takeovers) -> Iterator[Night]:
    """With a pool of two nodes that report, and two companies."""
    client = _clients(house, house.admin_token())
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
            takeovers=takeovers,
        )
