"""Taking reports in, as a fleet sends them: 1,250 nodes of 8 GPUs over real HTTP, sampled at 1 Hz and reported every 10 s.

What the API and PostgreSQL take of a core; how soon a change of health is seen by others meanwhile; how long it takes until all
are taken when the whole fleet comes back at once; and what reading and folding a report takes beside a bare `json.loads`.
"""

import asyncio
import json
import random
import re
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

import psutil
import psycopg

from bench import fleet, floors
from bench.agents import INTERVAL_S, Agent, agents
from bench.figures import median, percentile
from bench.load import Connection
from bench.reports import leased
from bench.results import Result, Row
from bench.stack import Stack, stack
from scheduler import decoding
from scheduler.core import folding

CHANGES_A_SECOND = 4
EVENTS = 20
"""That each node kept while the allocator was away."""
AWAY_S = 3600
RUNS = 2000

_COMMITTED = "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8, health FROM gpu WHERE uuid = %s"


def measure(*, seconds: float) -> Result:
    """`seconds` of the load."""
    with stack() as ground:
        made = leased(ground)
        fleet_ = agents(made.nodes)
        with ground.process("api") as server:
            rows = [*_decoding(fleet_[0]), *asyncio.run(_all(ground, server, fleet_, seconds))]
        settings = {"nodes": len(made.nodes), "gpus_per_node": fleet.GPUS_PER_NODE, "seconds": seconds}
        return Result(measure="intake", settings=settings, machine=ground.machine, rows=rows)


def _row(what: str, value: float, unit: str, more: str = "") -> Row:
    return {"what": what, "value": round(value, 3), "unit": unit, "of": more}


def _decoding(agent: Agent) -> Iterator[Row]:
    """A whole report, and then a change of it: read and folded, beside `json.loads` of the same bytes."""
    agent.allocations = [f"alo_{k:020}" for k in range(fleet.GPUS_PER_NODE)]
    whole = json.dumps(agent.said(whole=True), separators=(",", ":")).encode()
    read = decoding.plain(whole)
    assert read is not None
    agent.base = read.seq
    change = json.dumps(agent.said(), separators=(",", ":")).encode()
    agent.base, agent.allocations = None, []
    before = (read.seq, tuple(read.gpus))

    def taken(raw: bytes) -> Callable[[], object]:
        def one() -> object:
            report = decoding.plain(raw)
            assert report is not None
            gpus = folding.readings(report, before)
            assert gpus is not None
            return folding.urgent(report, gpus, before[1]), folding.notable(gpus, {})

        return one

    for name, raw in (("whole", whole), ("change", change)):
        ours, bare = _beside(taken(raw), lambda raw=raw: json.loads(raw))
        yield _row(
            f"read and fold, {name} report", bare / ours, "x json.loads' rate", f"{len(raw)} bytes, {ours:.1f} us"
        )


def _beside(ours: Callable[[], object], bare: Callable[[], object]) -> tuple[float, float]:
    """Microseconds of each, turn by turn."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(RUNS):
        for each, call in zip(found, (ours, bare), strict=True):
            began = time.perf_counter()
            call()
            each.append(time.perf_counter() - began)
    return median(found[0]) * 1e6, median(found[1]) * 1e6


async def _all(ground: Stack, server: str, fleet_: Sequence[Agent], seconds: float) -> list[Row]:
    healthz = await asyncio.to_thread(floors.healthz, server, clients=1, seconds=1.0)
    # Once round, so that everybody is connected and known.
    await _paced(server, fleet_, INTERVAL_S)
    rows = [_row("GET /healthz, p50", healthz.p50_ms, "ms")]
    rows += await _steady(ground, server, fleet_, seconds)
    rows += await _sick(ground, server, fleet_, seconds)
    rows += await _back(ground, server, fleet_)
    return rows


async def _paced(server: str, fleet_: Sequence[Agent], seconds: float) -> list[float]:
    """Every agent reports each ten seconds, spread evenly; how long each answer took."""
    each: list[float] = []
    until = time.monotonic() + seconds

    async def one(place: int, agent: Agent) -> None:
        due = time.monotonic() + INTERVAL_S * place / len(fleet_)
        while due < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            began = time.perf_counter()
            await agent.taken(server)
            each.append((time.perf_counter() - began) * 1000)
            due += INTERVAL_S

    await _each(one(place, agent) for place, agent in enumerate(fleet_))
    return each


async def _each(jobs: Iterator[Coroutine[Any, Any, object]]) -> None:
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(job)


async def _steady(ground: Stack, server: str, fleet_: Sequence[Agent], seconds: float) -> list[Row]:
    before, began, ours = _cpu(ground, server), time.monotonic(), time.process_time()
    each = await _paced(server, fleet_, seconds)
    took, ours = time.monotonic() - began, time.process_time() - ours
    shares = [100 * (late - soon) / took for soon, late in zip(before, _cpu(ground, server), strict=True)]
    return [
        _row("reports", len(each) / took, "a second"),
        _row("processor, API", shares[0], "% of a core", f"{10 * shares[0] * took / len(each):.2f} ms a report"),
        _row("processor, PostgreSQL", shares[1], "% of a core", f"{10 * shares[1] * took / len(each):.2f} ms a report"),
        _row("processor, the agents' load", 100 * ours / took, "% of a core"),
        _row("answer to a regular report, p50", percentile(each, 50), "ms", f"p99 {percentile(each, 99):.1f}"),
    ]


async def _sick(ground: Stack, server: str, fleet_: Sequence[Agent], seconds: float) -> list[Row]:
    """The same load, and the last fifty fall sick now and then, and so report when they have to."""
    sick, calm = fleet_[-50:], fleet_[:-50]
    _, seen = await asyncio.gather(_paced(server, calm, seconds), _changes(ground, server, sick, seconds))
    answered, committed = [one[0] for one in seen], [one[1] for one in seen]
    return [
        _row("change of health, committed, p50", percentile(committed, 50), "ms", _said(committed)),
        _row("change of health, answered, p50", percentile(answered, 50), "ms", _said(answered)),
    ]


def _said(each: Sequence[float]) -> str:
    return f"p99 {percentile(each, 99):.1f} of {len(each)}"


async def _changes(ground: Stack, server: str, fleet_: Sequence[Agent], seconds: float) -> list[tuple[float, float]]:
    """Now and then a GPU falls sick or is well again: when it was answered and when it was committed, in ms after it was sent."""
    chance, found = random.Random(2), list[tuple[float, float]]()
    until = time.monotonic() + seconds
    with psycopg.connect(ground.database_url, autocommit=True) as connection:
        while time.monotonic() < until:
            await asyncio.sleep(chance.expovariate(CHANGES_A_SECOND))
            agent, place = chance.choice(fleet_), chance.randrange(fleet.GPUS_PER_NODE)
            agent.health[place] = "ok" if agent.health[place] == "suspect" else "suspect"
            began = time.time()
            await agent.taken(server)
            answered = time.time()
            row = connection.execute(_COMMITTED, [agent.node.gpus[place]]).fetchone()
            assert row is not None
            assert row[1] == agent.health[place]
            found.append(((answered - began) * 1000, (row[0] - began) * 1000))
    return found


def _cpu(ground: Stack, server: str) -> tuple[float, float]:
    """Seconds of the processor that the API and PostgreSQL took so far."""
    text = Connection(server).get("/metrics").decode()
    [api] = re.findall(r"^process_cpu_seconds_total ([0-9.e+-]+)$", text, re.MULTILINE)
    return float(api), sum(_took(process) for process in _postgres(ground))


def _postgres(ground: Stack) -> list[psutil.Process]:
    pid = int((ground.folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def _took(process: psutil.Process) -> float:
    try:
        return sum(process.cpu_times()[:2]) + (process.cpu_times().children_user if process.children() else 0.0)
    except psutil.NoSuchProcess:
        return 0.0


async def _back(ground: Stack, server: str, fleet_: Sequence[Agent]) -> list[Row]:
    """All nodes are silent for an hour, and come back in the same second with all that they kept."""
    await asyncio.to_thread(_silence, ground)
    began, each, turned_away = time.monotonic(), list[float](), 0

    async def one(agent: Agent) -> None:
        nonlocal turned_away
        agent.base = None
        events = [
            {"id": k, "at": time.time() - AWAY_S + k, "kind": "xid", "gpu": agent.node.gpus[0], "detail": {"xid": 13}}
            for k in range(1, EVENTS + 1)
        ]
        turned_away += await agent.taken(server, events=events)
        each.append(time.monotonic() - began)

    await _each(one(agent) for agent in fleet_)
    took = time.monotonic() - began
    with psycopg.connect(ground.database_url) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM node_event), (SELECT count(*) FROM node WHERE state = 'ok')"
        ).fetchone()
    assert row == (EVENTS * len(fleet_), len(fleet_)), row
    told = f"p50 {percentile(each, 50):.1f} s, {turned_away} times turned away, {EVENTS * len(fleet_)} events kept"
    return [_row("a fleet back after an hour, all taken", took, "s", told)]


def _silence(ground: Stack) -> None:
    """As the loop would have marked them, one after the other."""
    with psycopg.connect(ground.database_url) as connection:
        connection.execute(
            "UPDATE node SET state = 'unknown', last_report_at = last_report_at - %s * interval '1 second'", [AWAY_S]
        )
        connection.execute("UPDATE pool_node SET open = false, lost_at = now() - %s * interval '1 second'", [AWAY_S])
