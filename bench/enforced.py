"""How late a real cluster hears of it: pods at the gate of leases that start, pods of leases that end, and what that costs.

A real API server, scheduler and controllers with simulated nodes; the real scheduler process as the chart's own account;
leases asked for and reported over HTTP. Whether a pod runs is seen by a watch of our own; when an end was asked for is
what the API server wrote into its audit log as it received it.
"""

import json
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from bench import fleet
from bench.figures import percentile
from bench.fleet import GPUS_PER_NODE, INTERVAL_S, POOL, Fleet
from bench.load import Connection, threads
from bench.reporting import Reporting, reporting
from bench.results import Result, Row
from bench.stack import Stack, stack
from dure import kube, wire
from scheduler.clock import DatabaseClock
from scheduler.store.db import Database
from tests import servers
from tests.cluster import binaries, kwok, nodes
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ControlPlane
from tests.integration.kube import chart

SEED = 5
CLIENTS = 4
GRACE_S, MARGIN_S = 30, 5
STUBBORN = 10
"""Every so many-th pod takes all of its grace, so that it is ended twice."""
SECONDS_A_LEASE = 0.06
"""For asking and making its pod, before the first starts."""
READY_S = 30
RUNS_S = 60
PATIENCE_S = 120
IDLE_S = 60
SETTLE_S = 5
AGAIN = (403, 409)
RECONCILER = f"system:serviceaccount:{kube.SYSTEM_NAMESPACE}:{kube.RECONCILER_ACCOUNT}"


class TooLong(Exception):
    """What was waited for did not come."""


@dataclass(slots=True)
class Ground:
    """Everything that a run stands on."""

    stack: Stack
    cluster: Cluster
    fleet: Fleet
    clock: DatabaseClock
    server: str
    reports: Reporting
    metrics: str = ""
    """Where the scheduler says what it counts."""
    ran: dict[str, float] = field(default_factory=dict[str, float])
    """When the pod of a lease was first seen running."""


def measure(*, starts: int, ends: int, count: int, pods: int) -> Iterator[Result]:
    """So many leases that start within a minute, and so many that end within one, on `count` nodes; and idle beside `pods`.
    Each result as soon as it is there.
    """
    with _ground(count) as ground:
        settings, machine = {"nodes": count, "gpus_in_pool": ground.fleet.gpus}, ground.stack.machine
        before = len(_calls(ground))
        rows = [_started(ground, starts)]
        yield Result(measure="enforced-starts", settings={**settings, "leases": starts}, machine=machine, rows=rows)
        before_s = _lateness(ground)
        rows, notes = _ended(ground, ends), _asked_for(before_s, _lateness(ground))
        ends_of = {**settings, "leases": ends}
        yield Result(measure="enforced-ends", settings=ends_of, machine=machine, rows=rows, notes=notes)
        rows = [_cost(ground, pods, len(_calls(ground)) - before, starts + ends)]
        yield Result(measure="enforced-cost", settings={**settings, "pods": pods}, machine=machine, rows=rows)


@contextmanager
def _ground(count: int) -> Iterator[Ground]:
    binaries.ensure((*binaries.CONTROL_PLANE, "helm"))
    with ExitStack() as left:
        ground = left.enter_context(stack())
        folder = left.enter_context(servers.folder("cluster"))
        cluster = left.enter_context(ControlPlane(folder, audit=True)).cluster
        chart.install(cluster)
        with closing(Database(ground.database_url, pool_size=1)) as db:
            made = fleet.make(db, gpus=count * GPUS_PER_NODE, interval_s=INTERVAL_S)
            clock = DatabaseClock(db)
        nodes.add(cluster, [nodes.node(node.name, gpus=len(node.gpus), pool=POOL) for node in made.nodes])
        with psycopg.connect(ground.database_url, autocommit=True) as connection:
            connection.execute("UPDATE pool SET cluster = 'main', grace_s = %s", [GRACE_S])
        server = left.enter_context(ground.process("api"))
        reports = left.enter_context(reporting(server, made.nodes))
        found = Ground(stack=ground, cluster=cluster, fleet=made, clock=clock, server=server, reports=reports)
        left.enter_context(_watching(found))
        token = chart.token(cluster.api, kube.SYSTEM_NAMESPACE, kube.RECONCILER_ACCOUNT, seconds=86_400)
        environ = {"DURE_SCHEDULER_CLUSTERS": f"main={cluster.kubeconfig_for_token(token)}"}
        found.metrics = left.enter_context(ground.process("scheduler", environ)) + "/metrics"
        _until(found, lambda: _furnished(found), "the companies' namespaces")
        yield found


def _started(ground: Ground, leases: int) -> Row:
    """From a lease's start to its pod running."""
    first = _first(ground, leases)
    asked = _asked(ground, _asks(leases, first, length=(RUNS_S * 2, RUNS_S * 2 + 30)), stubborn=False)
    _until(
        ground,
        lambda: asked.keys() <= ground.ran.keys(),
        "all pods to run",
        first + 60 - ground.clock.now() + PATIENCE_S,
    )
    late = [ground.ran[lease] - start for lease, (start, _) in asked.items()]
    return {"what": "start to running", **_figures(late), "early": sum(one < 0 for one in late)}


def _ended(ground: Ground, leases: int) -> list[Row]:
    """From each end action's own instant to its arrival."""
    before = len(_calls(ground))
    first = _first(ground, leases)
    # All start early and end within a minute of each other.
    chance = random.Random(SEED)
    last = first + 90
    ends = sorted(last + chance.randrange(60) for _ in range(leases))
    asks = [_ask(first + k * 60 // leases, end - (first + k * 60 // leases)) for k, end in enumerate(ends)]
    asked = _asked(ground, asks, stubborn=True)
    with psycopg.connect(ground.stack.database_url, autocommit=True) as connection:
        _until(ground, lambda: _live(connection) == 0, "all leases to end", last + 60 - ground.clock.now() + PATIENCE_S)
    return _end_rows(_calls(ground)[before:], asked)


def _end_rows(calls: Sequence[Mapping[str, Any]], asked: Mapping[str, tuple[int, int]]) -> list[Row]:
    """The first of each for each lease: what is in conflict or too slow is asked for again."""
    found: dict[str, dict[str, float]] = {"pod told": {}, "pod hurried": {}, "key taken back": {}}
    for lease, resource, at in _deletes(calls):
        if lease not in asked:
            continue
        late = at - asked[lease][1]
        if resource == "rolebindings":
            found["key taken back"].setdefault(lease, late)
        elif lease not in found["pod told"]:
            found["pod told"][lease] = late + GRACE_S
        elif late + MARGIN_S > -1:
            found["pod hurried"].setdefault(lease, late + MARGIN_S)
    return [
        {"what": what, **_figures([*late.values()]), "early": sum(one < 0 for one in late.values())}
        for what, late in found.items()
        if late
    ]


def _deletes(calls: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, float]]:
    """Pods and keys that were to go: whose, what, and when the API server received it."""
    prefixes = {"pods": "lea-", "rolebindings": kube.lease_account("")}
    for call in calls:
        about = call.get("objectRef") or {}
        resource, name = str(about.get("resource")), str(about.get("name"))
        if call["verb"] == "delete" and resource in prefixes:
            at = datetime.fromisoformat(call["requestReceivedTimestamp"]).timestamp()
            yield "lea_" + name.removeprefix(prefixes[resource]), resource, at


def _lateness(ground: Ground) -> Counter[str]:
    """How often the scheduler asked for an end at most so late, by its own count, and in all (`+Inf`)."""
    said = httpx.get(ground.metrics, timeout=PATIENCE_S).raise_for_status().text
    samples = (one for family in text_string_to_metric_families(said) for one in family.samples)
    return Counter(
        {one.labels["le"]: int(one.value) for one in samples if one.name == "dure_kube_end_lateness_seconds_bucket"}
    )


def _asked_for(before: Counter[str], after: Counter[str]) -> Row:
    """What the scheduler says itself of when it asked; what the API server wrote down is when that was read."""
    count = {most: after[most] - before[most] for most in after}
    return {f"asked for within {most} s": f"{count[most]} of {count['+Inf']}" for most in ("0.025", "0.05", "0.1")}


def _cost(ground: Ground, pods: int, calls: int, leases: int) -> Row:
    """What so many pods at the gate cost while nothing happens."""
    each = pods // CLIENTS
    asks = [_ask(_first(ground, 0) + 3600, 3600, gpus=each) for _ in range(CLIENTS)]
    for lease in _asked(ground, asks, stubborn=False, make=False):
        made = [_pod(f"waits-{k}", lease, stubborn=False) for k in range(each)]
        _make(ground, [(kube.namespace(_company(ground, lease)), one) for one in made])
    time.sleep(SETTLE_S)
    before = len(_calls(ground))
    process = _scheduler()
    used = process.cpu_times()
    time.sleep(IDLE_S)
    idle, after = _calls(ground)[before:], process.cpu_times()
    return {
        "calls a lease": calls / leases,
        "calls an idle minute": len(idle) * 60 / IDLE_S,
        "of them lists and watches": sum(call["verb"] in ("list", "watch") for call in idle),
        "scheduler MiB": process.memory_info().rss / (1 << 20),
        "cpu s an idle minute": after.user + after.system - used.user - used.system,
        "pods": len(ground.cluster.get("/api/v1/pods")["items"]),
    }


def _first(ground: Ground, leases: int) -> int:
    return math.ceil(ground.clock.now()) + READY_S + math.ceil(leases * SECONDS_A_LEASE)


def _ask(start: int, length: int, gpus: int = 1) -> wire.Ask:
    at = datetime.fromtimestamp(start, UTC)
    return wire.Ask(pool=POOL, shape=wire.Shape(gpus=gpus), duration_s=length, start=at)


def _asks(leases: int, first: int, *, length: tuple[int, int]) -> list[wire.Ask]:
    chance = random.Random(SEED)
    return [
        _ask(start, chance.randint(*length)) for start in sorted(first + chance.randrange(60) for _ in range(leases))
    ]


def _asked(
    ground: Ground, asks: Sequence[wire.Ask], *, stubborn: bool, make: bool = True
) -> dict[str, tuple[int, int]]:
    """Asks for all, and makes a pod for each, which waits; start and end by lease."""
    tokens = list(ground.fleet.companies.items())
    found: dict[str, tuple[int, int]] = {}

    def some(part: int) -> None:
        made: list[tuple[str, dict[str, Any]]] = []
        with ExitStack() as left:
            mine = [
                (company, left.enter_context(closing(Connection(ground.server, token))))
                for company, token in tokens[part::CLIENTS]
            ]
            for k, ask in enumerate(asks[part::CLIENTS]):
                company, connection = mine[k % len(mine)]
                answer = connection.post("/v1/leases", ask.model_dump_json(exclude_none=True).encode(), status=201)
                lease = wire.Lease.model_validate_json(answer)
                assert lease.starts_at is not None and lease.ends_at is not None  # noqa: PT018
                found[lease.id] = (int(lease.starts_at.timestamp()), int(lease.ends_at.timestamp()))
                pod = _pod(lease.id.replace("_", "-"), lease.id, stubborn=stubborn and k % STUBBORN == 0)
                made.append((kube.namespace(company), pod))
        if make:
            _make(ground, made)

    with threads(CLIENTS) as (pool, _):
        for share in [pool.submit(some, part) for part in range(min(CLIENTS, len(asks)))]:
            share.result()
    return found


def _company(ground: Ground, lease: str) -> str:
    with psycopg.connect(ground.stack.database_url) as connection:
        row = connection.execute("SELECT company FROM lease WHERE id = %s", [lease]).fetchone()
    assert row is not None
    return str(row[0])


def _pod(name: str, lease: str, *, stubborn: bool) -> dict[str, Any]:
    container = {"name": "main", "image": "none", "resources": {"limits": {kube.DEFAULT_RESOURCE: "1"}}}
    annotations = {kwok.STUBBORN: "true"} if stubborn else {}
    metadata = {"name": name, "labels": {kube.LEASE_LABEL: lease}, "annotations": annotations}
    return {"metadata": metadata, "spec": {"terminationGracePeriodSeconds": GRACE_S, "containers": [container]}}


def _make(ground: Ground, bodies: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """As the administrator. The quota counts what was just promised a moment later, and may change under the API server's
    own counting: refused, and in conflict, is tried again as a controller does.
    """
    with ground.cluster.http() as client:
        for namespace, body in bodies:
            until = time.monotonic() + PATIENCE_S
            while (answer := client.post(f"/api/v1/namespaces/{namespace}/pods", json=body)).status_code in AGAIN:
                if time.monotonic() > until:
                    raise TooLong(answer.text)
                time.sleep(0.1)
            answer.raise_for_status()


@contextmanager
def _watching(ground: Ground) -> Iterator[None]:
    """Notes when pods are first seen running, until the `with` is left."""
    over = threading.Event()

    def watch() -> None:
        version = ground.cluster.get("/api/v1/pods")["metadata"]["resourceVersion"]
        with ground.cluster.http() as client:
            while not over.is_set():
                # It goes with the cluster.
                with suppress(httpx.HTTPError):
                    version = _watched(ground, client, version)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def _watched(ground: Ground, client: httpx.Client, version: str) -> str:
    """Half a minute of it, after `version`; the last there was."""
    params = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "30", "allowWatchBookmarks": "true"}
    with client.stream("GET", "/api/v1/pods", params=params, timeout=60) as answer:
        for line in answer.iter_lines():
            at = ground.clock.now()
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise TooLong(str(event))
            pod = event["object"]
            version = pod["metadata"]["resourceVersion"]
            lease = pod["metadata"].get("labels", {}).get(kube.PLACEMENT_LABEL)
            if lease and pod.get("status", {}).get("phase") == "Running":
                ground.ran.setdefault(lease, at)
    return version


def _calls(ground: Ground) -> list[dict[str, Any]]:
    return [call for call in ground.cluster.audited() if call["user"]["username"] == RECONCILER]


def _furnished(ground: Ground) -> bool:
    found = ground.cluster.get("/apis/rbac.authorization.k8s.io/v1/rolebindings")["items"]
    made = Counter(one["metadata"]["name"] for one in found)
    return made[kube.COMPANY_KEY] >= len(ground.fleet.companies)


def _live(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM lease WHERE state IN ('scheduled', 'active', 'ending')").fetchone()
    return int(row[0]) if row else 0


def _scheduler() -> psutil.Process:
    port = {"python", "-m", "scheduler"}
    for found in psutil.Process().children(recursive=True):
        if port <= {Path(word).name.rstrip("0123456789.") for word in found.cmdline()}:
            return found
    raise TooLong("the scheduler is not there")


def _until(ground: Ground, condition: Any, what: str, within_s: float = PATIENCE_S) -> None:
    until = time.monotonic() + within_s
    while not condition():
        ground.reports.check()
        if time.monotonic() > until:
            raise TooLong(f"waited {within_s:.0f} s for {what}")
        time.sleep(0.5)


def _figures(late_s: Sequence[float]) -> Row:
    late = [one * 1000 for one in late_s]
    return {
        "p50 ms": percentile(late, 50),
        "p99 ms": percentile(late, 99),
        "max ms": max(late),
        "least ms": min(late),
        "count": len(late),
    }
