"""How long a plan of the whole queue takes us: the core alone, to the second, over the same 14 days.

Every GPU is held, and the very gangs wait that wait for Slurm. Three plans are timed, of which the first is what Slurm's cycle is:

- *afresh*: none of them has a start; each gets a promise and a slot;
- *all to the earliest*: each has a slot, is lifted out of the plan in turn, and put back where it can start soonest;
- *after an end*: one running lease ended before its box, and everybody is looked at again, as the loop does it.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from bench import machine
from bench.figures import median
from bench.gangs import GPUS_PER_NODE, Gang, Load
from bench.lines import DURE
from bench.plans import Plan
from scheduler.core import model
from scheduler.core.book import Book, Draft
from scheduler.core.calendar import Box, fits
from scheduler.core.lease import advance, queued
from scheduler.core.model import Ask, Cause, CompanyId, Instant, Lease, LeaseId, Node, NodeId, Policy, PoolId, State
from scheduler.core.replan import expectation, replan
from scheduler.core.rules import pencilled

NOW = Instant(1_800_000_000)
COMPANY = CompanyId("acme")
POLICY = Policy(version="bench", horizon_s=14 * 24 * 3600, gap_s=30)
Queue = list[tuple[LeaseId, Ask, Instant]]


class NotHeld(Exception):
    """An ask that was to hold its GPUs found no room."""


def ours_plan(load: Load, *, nodes: int, runs: int) -> Iterator[Plan]:
    """Of what waits; each figure is the median of `runs`. Raises NotHeld."""
    empty = Book.of(POLICY, _fleet(nodes), quotas={COMPANY: nodes * GPUS_PER_NODE})
    queue: Queue = [(LeaseId(f"lea_{k:05}"), _ask(gang), NOW) for k, gang in enumerate(load.asks)]
    held = _held(empty, queue[: len(load.held)])
    book = empty.put_leases(held)
    left = queue[len(load.held) :]
    planned = replan(book, left, NOW).book
    later = Instant(NOW + 60)
    ended = planned.put_lease(_ended(held[0], later))
    yield _timed("afresh", len(left), runs, lambda: replan(book, left, NOW))
    yield _timed("all to the earliest", len(left), runs, lambda: expectation(planned, (), NOW))
    yield _timed("after an end", len(left), runs, lambda: replan(ended, (), later))


def _fleet(nodes: int) -> list[Node]:
    return [Node(id=NodeId(f"n{k:04}"), capacity=GPUS_PER_NODE, nominal=GPUS_PER_NODE) for k in range(nodes)]


def _ask(gang: Gang) -> Ask:
    shape = model.Gang(nodes=gang.nodes, gpus_per_node=gang.gpus_per_node)
    return Ask(company=COMPANY, pool=PoolId("h100-80gb"), shape=shape, duration_s=gang.duration_s)


def _held(empty: Book, queue: Queue) -> list[Lease]:
    """All of them running, one after the other put beside those before it."""
    draft, held = Draft(empty), list[Lease]()
    for lease_id, ask, asked_at in queue:
        if not fits(draft, Box.of(draft, ask.company, ask.shape, ask.duration_s), NOW):
            raise NotHeld(f"{ask.shape} found no room beside the {len(held)} before it")
        lease = pencilled(draft, queued(lease_id, ask, asked_at), NOW)
        held.append(advance(lease, State.ACTIVE, Cause.STARTED, NOW))
        draft.put(held[-1])
    return held


def _ended(lease: Lease, at: Instant) -> Lease:
    ending = advance(lease, State.ENDING, Cause.RELEASED, at)
    return replace(advance(ending, State.ENDED, Cause.RELEASED, at), ended_at=at)


def _timed(what: str, jobs: int, runs: int, plan: Callable[[], object]) -> Plan:
    busy, each_s, busy_s = machine.load(), list[float](), list[float]()
    for _ in range(runs):
        began, used = time.perf_counter(), time.process_time()
        plan()
        each_s.append(time.perf_counter() - began)
        busy_s.append(time.process_time() - used)
    return Plan(who=DURE, what=what, jobs=jobs, seconds=median(each_s), busy_s=median(busy_s), load=busy)
