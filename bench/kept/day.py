"""A day lived through the real service: asks of the Philly trace, starts, ends, plans, and what agents say of it.

Time is an argument, so a day takes minutes. Everything that it leaves in the database is what the processes would write.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import text

from bench import fleet
from bench.fleet import ADMIN, POOL, Fleet
from bench.philly.trace import CompanyJob
from dure import wire
from scheduler import days, endings
from scheduler.actor import Actor
from scheduler.service import Service
from scheduler.store import due, reports
from scheduler.store.books import Books
from scheduler.store.db import Database
from scheduler.store.times import to_wire
from scheduler.turns import queue, starts, stops

DAY_S = 86_400
ASKS_PER_GPU = 1.5 * 30_940 / 14 / 1_152
"""A day: the trace's jobs by its days and by the GPUs on which `bench philly` replays it, and half as many again, so that
the pool is full and a queue waits.
"""
EARLY = 0.3
"""The part of them that is released before the end of its box, so that plans move what waits."""
LONGEST_S = 14 * DAY_S
TOGETHER_S = 60
MOST_A_JOB = 32
UTC = ZoneInfo("UTC")

_OVER = text(
    """
    SELECT a.id, a.node, extract(epoch FROM greatest(a.opened_at, l.started_at))::bigint AS since,
           extract(epoch FROM a.ended_at)::bigint AS until
    FROM allocation a JOIN lease l ON l.id = a.lease WHERE a.closed_at IS NULL AND a.ended_at IS NOT NULL
    """
)
_READY = text(
    """
    SELECT l.id FROM lease l JOIN unnest(CAST(:leases AS text[]), CAST(:parts AS float8[])) AS e (id, part) ON e.id = l.id
    WHERE l.state = 'active' AND l.started_at + e.part * l.duration_s * interval '1 second' <= to_timestamp(:now)
    """
)
_OPEN = text("SELECT EXISTS (SELECT FROM lease WHERE state IN ('queued', 'scheduled', 'active', 'ending'))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What somebody asks for, and how long into the day."""

    after_s: int
    ask: wire.Ask
    company: str
    early: float | None
    """At which part of its length it is given back; None: it is not."""


def arrivals(jobs: Sequence[CompanyJob], companies: Sequence[str], *, gpus: int) -> list[Arrival]:
    """As many as the trace has for so many GPUs, drawn from it; chance is seeded."""
    chance = random.Random(gpus)
    picked = (chance.choice(jobs) for _ in range(round(ASKS_PER_GPU * gpus)))
    found = [_arrival(chance, job, companies) for job in picked]
    return sorted(found, key=lambda one: one.after_s)


def _arrival(chance: random.Random, job: CompanyJob, companies: Sequence[str]) -> Arrival:
    gpus = min(job.processors, MOST_A_JOB)
    shape = wire.Shape(gpus=gpus) if gpus <= fleet.GPUS_PER_NODE else wire.Shape(nodes=-(-gpus // 8), gpus_per_node=8)
    length = min(LONGEST_S, max(60, job.run_s))
    company = companies[min(int(chance.paretovariate(0.5)) - 1, chance.randrange(len(companies)))]
    ask = wire.Ask(pool=POOL, shape=shape, duration_s=length)
    early = chance.random() if chance.random() < EARLY else None
    return Arrival(after_s=chance.randrange(DAY_S), ask=ask, company=company, early=early)


class Day:
    """A pool that begins empty at `began`, and is empty again when `live` returns."""

    def __init__(self, db: Database, made: Fleet, *, began: int) -> None:
        self._db, self._nodes, self._began = db, {node.name: node for node in made.nodes}, began
        self._service = Service(Books(), lambda: float(began))
        self._seq: dict[str, int] = defaultdict(lambda: 1)
        self._early: dict[str, float] = {}

    def live(self, asked: Sequence[Arrival]) -> int:
        """When everything was over and proved empty."""
        now, left = self._began, list(reversed(asked))
        while left or self._busy():
            now = self._next(now, left)
            while left and self._began + left[-1].after_s <= now:
                self._ask(left.pop(), now)
            self._release(now)
            self._turn(now)
            self._prove(now)
        return now

    def _busy(self) -> bool:
        with self._db.snapshot() as session:
            return session.connection().execute(_OPEN).scalar_one()

    def _next(self, now: int, left: Sequence[Arrival]) -> int:
        """When somebody asks, gives back, or something is due; what comes within a minute is done at its end."""
        with self._db.snapshot() as session:
            edge = due.next_edge(session, now=now)
        asked = self._began + left[-1].after_s if left else None
        soon = [at for at in (asked, None if edge is None else int(edge) + 1) if at is not None]
        return max(now + TOGETHER_S, min(soon, default=now))

    def _ask(self, arrival: Arrival, now: int) -> None:
        actor = Actor(role=wire.Role.COMPANY, token="bench", company=arrival.company)
        with self._db.begin() as session:
            lease = self._service.ask(session, arrival.ask, actor=actor, now=now)
        if arrival.early is not None:
            self._early[lease.id] = arrival.early

    def _release(self, now: int) -> None:
        """Those that ran for as long as their companies need them."""
        with self._db.snapshot() as session:
            values = {"leases": list(self._early), "parts": list(self._early.values()), "now": now}
            ready = session.connection().execute(_READY, values).scalars().all()
        for lease in ready:
            del self._early[lease]
            with self._db.begin() as session:
                endings.release(self._service, session, lease, actor=ADMIN, now=now)

    def _turn(self, now: int) -> None:
        """What the loop does, in its order."""
        books = self._service.books
        with self._db.begin() as session:
            stops.begin_ending(session, POOL, now=now)
            stops.stop_due(session, POOL, now=now)
        with self._db.begin() as session:
            queue.expire(session, POOL, now=now)
        with self._db.begin() as session:
            self._service.replan(session, POOL, now=now)
        with self._db.begin() as session:
            starts.start_due(
                session, books, POOL, now=now, lead=starts.Leading(since=self._began, away="scheduler_away")
            )

    def _prove(self, now: int) -> None:
        """Each node whose GPUs are over tells what they did, day by day, and that nobody is on them."""
        over: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
        with self._db.snapshot() as session:
            for id_, node, since, until in session.connection().execute(_OVER):
                over[node].append((id_, since, until))
        for node, held in over.items():
            self._report(node, held, now)

    def _report(self, node: str, held: Sequence[tuple[str, int, int]], now: int) -> None:
        self._seq[node] += 1
        use = [one for id_, since, until in held for one in _used(id_, since, until)]
        sent = self._nodes[node].report(
            seq=self._seq[node],
            interval_s=fleet.FORGIVEN_S,
            knew_ended=[id_ for id_, _, _ in held],
            usage=[one.model_dump(mode="json", exclude_none=True) for one in use],
        )
        report = wire.Report.model_validate_json(sent).model_copy(update={"sent_at": float(now)})
        with self._db.begin() as session:
            reports.take(session, node, report, now=now)


def _used(allocation: str, since: int, until: int) -> Iterator[wire.AllocationUsage]:
    for day in days.meeting(since, max(since + 1, until), UTC):
        seen = max(0, min(until, day.ends_at) - max(since, day.begins_at) - 1) * 1000
        yield wire.AllocationUsage(
            allocation=allocation,
            day_began_at=to_wire(day.begins_at),
            sampled_ms=seen,
            busy_ms=seen * 6 // 10,
            energy_millijoules=seen * 500,
            memory_ms=seen,
            memory_mebibyte_s=seen * 40,
        )
