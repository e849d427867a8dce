"""How late a real cluster hears of it: pods at the gate of leases that start, pods of leases that end, and what that costs.

A real API server, scheduler and controllers with simulated nodes; the real scheduler process as the chart's own account;
leases asked for and reported over HTTP. Whether a pod runs is seen by a watch of our own; when an end was asked for is
what the API server wrote into its audit log as it received it.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from bench import gated
from bench.figures import percentile
from bench.gated import CLIENTS, SEED
from bench.ground import GRACE_S, PATIENCE_S, Ground, TooLong, calls, stand, until
from bench.results import Result, Row
from dure import kube
from scheduler.kube.desired import KILL_MARGIN_S

BEFORE_S = {"pod told": GRACE_S, "pod hurried": KILL_MARGIN_S, "key taken back": 0}
"""So long before the end of a lease each is due."""
RUNS_S = 60
STARTS_A_MINUTE = 400
"""Of those that are to end."""
IDLE_S = 60
SETTLE_S = 5


def measure(*, starts: int, ends: int, count: int, pods: int) -> Iterator[Result]:
    """So many leases that start within a minute, and so many that end within one, on `count` nodes; and idle beside `pods`.
    Each result as soon as it is there.
    """
    with stand(count) as ground:
        settings, machine = {"nodes": count, "gpus_in_pool": ground.fleet.gpus}, ground.stack.machine
        before = len(calls(ground))
        rows = [_started(ground, starts)]
        yield Result(measure="enforced-starts", settings={**settings, "leases": starts}, machine=machine, rows=rows)
        before_s = _lateness(ground)
        rows, notes = _ended(ground, ends), _asked_for(before_s, _lateness(ground))
        ends_of = {**settings, "leases": ends}
        yield Result(measure="enforced-ends", settings=ends_of, machine=machine, rows=rows, notes=notes)
        rows = [_cost(ground, pods, (len(calls(ground)) - before) / (starts + ends))]
        yield Result(measure="enforced-cost", settings={**settings, "pods": pods}, machine=machine, rows=rows)


def _started(ground: Ground, leases: int) -> Row:
    """From a lease's start to its pod running."""
    first = gated.first(ground, leases)
    asked = gated.asked(ground, gated.asks(leases, first, length=(RUNS_S * 2, RUNS_S * 2 + 30)), stubborn=False)
    until(
        ground,
        lambda: asked.keys() <= ground.ran.keys(),
        "all pods to run",
        first + 60 - ground.clock.now() + PATIENCE_S,
    )
    late = [ground.ran[lease] - start for lease, (start, _) in asked.items()]
    return {"what": "start to running", **_figures(late), "early": sum(one < 0 for one in late)}


def _ended(ground: Ground, leases: int) -> list[Row]:
    """From each end action's own instant to its arrival."""
    before = len(calls(ground))
    first = gated.first(ground, leases)
    # What starts is over before the first is told to end, and all end within a minute of each other.
    starts = [first + k * 60 // STARTS_A_MINUTE for k in range(leases)]
    chance = random.Random(SEED)
    last = starts[-1] + 90
    ends = sorted(last + chance.randrange(60) for _ in range(leases))
    asks = [gated.ask(start, end - start) for start, end in zip(starts, ends, strict=True)]
    asked = gated.asked(ground, asks, stubborn=True)
    with psycopg.connect(ground.stack.database_url, autocommit=True) as connection:
        until(ground, lambda: _live(connection) == 0, "all leases to end", last + 60 - ground.clock.now() + PATIENCE_S)
    time.sleep(SETTLE_S)
    return _end_rows(calls(ground)[before:], asked)


def _end_rows(made: Sequence[Mapping[str, Any]], asked: Mapping[str, tuple[int, int]]) -> list[Row]:
    """The first of each for each lease: what is in conflict or too slow is asked for again."""
    found: dict[str, dict[str, float]] = {what: {} for what in BEFORE_S}
    for lease, what, at in _deletes(made):
        if lease in asked:
            found[what].setdefault(lease, at - asked[lease][1] + BEFORE_S[what])
    return [
        {"what": what, **_figures([*late.values()]), "early": sum(one < 0 for one in late.values())}
        for what, late in found.items()
        if late
    ]


def _deletes(made: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, float]]:
    """Of pods and keys: whose, which of `BEFORE_S`, and when the API server received it."""
    for call in made:
        about = call.get("objectRef") or {}
        resource, name = about.get("resource"), str(about.get("name"))
        at = datetime.fromisoformat(call["requestReceivedTimestamp"]).timestamp()
        if call["verb"] == "delete" and resource == "rolebindings":
            yield "lea_" + name.removeprefix(kube.lease_account("")), "key taken back", at
        elif call["verb"] == "delete" and resource == "pods":
            is_cut = call["requestObject"]["gracePeriodSeconds"] <= 1
            yield "lea_" + name.removeprefix("lea-"), "pod hurried" if is_cut else "pod told", at


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


def _cost(ground: Ground, pods: int, calls_a_lease: float) -> Row:
    """What so many pods at the gate cost while nothing happens."""
    each = pods // CLIENTS
    asks = [gated.ask(gated.first(ground, 0) + 3600, 3600, gpus=each) for _ in range(CLIENTS)]
    for lease in gated.asked(ground, asks, stubborn=False, with_pods=False):
        made = [gated.pod(f"waits-{k}", lease, stubborn=False) for k in range(each)]
        gated.make(ground, [(kube.namespace(gated.company(ground, lease)), one) for one in made])
    time.sleep(SETTLE_S)
    before = len(calls(ground))
    process = _scheduler()
    used = process.cpu_times()
    time.sleep(IDLE_S)
    idle, after = calls(ground)[before:], process.cpu_times()
    return {
        "calls a lease": calls_a_lease,
        "calls an idle minute": len(idle) * 60 / IDLE_S,
        "of them lists and watches": sum(call["verb"] in ("list", "watch") for call in idle),
        "scheduler MiB": process.memory_info().rss / (1 << 20),
        "cpu s an idle minute": after.user + after.system - used.user - used.system,
        "pods": len(ground.cluster.get("/api/v1/pods")["items"]),
    }


def _live(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM lease WHERE state IN ('scheduled', 'active', 'ending')").fetchone()
    return int(row[0]) if row else 0


def _scheduler() -> psutil.Process:
    port = {"python", "-m", "scheduler"}
    for found in psutil.Process().children(recursive=True):
        if port <= {Path(word).name.rstrip("0123456789.") for word in found.cmdline()}:
            return found
    raise TooLong("the scheduler is not there")


def _figures(late_s: Sequence[float]) -> Row:
    late = [one * 1000 for one in late_s]
    return {
        "p50 ms": percentile(late, 50),
        "p99 ms": percentile(late, 99),
        "max ms": max(late),
        "least ms": min(late),
        "count": len(late),
    }
