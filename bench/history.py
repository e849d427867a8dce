"""A year of leases, written as they would stand in the database after it: what reports are measured on.

Leases of a minute to a week by a thousand companies, few of whom have most of them; of each GPU what its agent said of it
every day. Chance is seeded. Copied in, because making it is not what is measured.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import LiteralString, NamedTuple

import psycopg
from psycopg.sql import SQL, Composed

from bench.fleet import POOL

DAY_S = 86_400
GPUS = (1, 1, 1, 2, 2, 4, 8)
"""Of a lease; each as likely."""

RUNS_FOR_DAYS = 30
"""The longest that one runs already."""
EARLY = 0.3
"""The part of them that is released before the end of its box."""

_COMPANIES = """
    INSERT INTO company (name, created_at) SELECT 'startup-' || i, to_timestamp(%s) FROM generate_series(0, %s - 1) i
"""
_DECISION = "id, at, lease, company, pool, kind, generation, policy_version, outcome, code, detail, numbers, elsewhere"
_SHARES = """
    INSERT INTO pool_change (pool, generation, at, kind, subject, value)
    SELECT %s, 1, to_timestamp(%s) + n * interval '100 days', 'share', 'startup-' || i,
           jsonb_build_object('company', 'startup-' || i, 'shares', 1, 'group', 'group-' || (i + n) %% 10)
    FROM generate_series(0, 3) n, generate_series(0, %s - 1) i
"""
"""Every company goes into another group every hundred days."""
_LEASE = (
    "id, company, pool, gpus, total_gpus, duration_s, asked_s, asked_size, tier, purpose, wants_queue, notice_s, state,"
    " asked_at, promised_start, starts_at, ends_at, stops_at, started_at, ended_at, end_cause, decision, generation"
)
_PLACEMENT = "lease, node, gpus"
_ALLOCATION = "id, lease, gpu, node, opened_at, ended_at, closed_at, given_back"
_USE = "allocation, boot, day, sampled_ms, busy_ms, energy_millijoules, memory_ms, memory_mebibyte_s"


class Lease(NamedTuple):
    """Its box is `[starts, ends)`, and it had its GPUs to `stops`; one that `runs` has them still."""

    id: str
    company: str
    gpus: int
    starts: int
    ends: int
    stops: int
    runs: bool
    held: tuple[tuple[str, str], ...] = ()
    """Its GPUs, each with its node."""

    @property
    def placement(self) -> Sequence[tuple[str, int]]:
        """How many of each node, by node."""
        return sorted(Counter(node for _, node in self.held).items())

    @property
    def decision(self) -> str:
        return f"dec_{self.id.removeprefix('lea_')}"


def join(database_url: str, *, companies: int, began: int) -> Sequence[str]:
    """The companies, there since the programme began, as the pool is; their names."""
    with psycopg.connect(database_url) as connection:
        connection.execute(_COMPANIES, [began, companies])
        connection.execute("UPDATE pool SET created_at = to_timestamp(%s)", [began])
    return [f"startup-{place}" for place in range(companies)]


def make(database_url: str, *, leases: int, running: int, companies: int, days: int, now: int) -> Sequence[Lease]:
    """`leases` that are over, in the `days` before yesterday, and so many `running` since a month ago or less, which are
    the same however many leases there are. In the order of their starts.
    """
    chance = random.Random(1)
    found = drawn(chance, leases=leases, running=running, companies=companies, days=days, now=now)
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(_SHARES, [POOL, now - days * DAY_S, companies])
        gpus = cursor.execute("SELECT uuid, node FROM gpu ORDER BY uuid").fetchall()
        all_of = list(_holding(found, gpus))
        copy(cursor, f"COPY decision ({_DECISION}) FROM STDIN", (_decision(one) for one in all_of))
        copy(cursor, f"COPY lease ({_LEASE}) FROM STDIN", (_lease(one) for one in all_of))
        copy(cursor, f"COPY placement ({_PLACEMENT}) FROM STDIN", _placed(all_of))
        copy(cursor, f"COPY allocation ({_ALLOCATION}) FROM STDIN", _allocations(all_of))
        copy(cursor, f"COPY allocation_use ({_USE}) FROM STDIN", _used(chance, all_of, now))
    vacuum(database_url)
    return all_of


def began_at(leases: int, days: int, now: int) -> int:
    """When a programme began that has so many leases behind it; none is older."""
    return now - (days + 8 if leases else RUNS_FOR_DAYS + 1) * DAY_S


def vacuum(database_url: str) -> None:
    """As it would have been done every now and then."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def copy(cursor: psycopg.Cursor, into: Composed | LiteralString, rows: Iterable[Sequence[object]]) -> None:
    """Writes the rows; much the fastest way there is."""
    with cursor.copy(into if isinstance(into, Composed) else SQL(into)) as left:
        for row in rows:
            left.write_row(row)


def drawn(chance: random.Random, *, leases: int, running: int, companies: int, days: int, now: int) -> Iterator[Lease]:
    """The leases, of whom, when and of how many GPUs; which GPUs is another matter."""
    over, now_on = [_over(chance, days, now) for _ in range(leases)], random.Random(2)
    found = [*over, *(_runs(now_on, now) for _ in range(running))]
    for number, (starts, ends, stops, runs) in enumerate(sorted(found)):
        company = min(int(chance.paretovariate(0.5)) - 1, chance.randrange(companies))
        gpus = 1 if runs else chance.choice(GPUS)
        yield Lease(f"lea_{number:020}", f"startup-{company}", gpus, starts, ends, stops, runs)


def _over(chance: random.Random, days: int, now: int) -> tuple[int, int, int, bool]:
    """When a lease starts, when its box ends and when it stopped, and whether it runs."""
    length = _length(chance)
    starts = now - length - chance.randrange(DAY_S, days * DAY_S)
    stopped = chance.randrange(length) if chance.random() < EARLY else length
    return starts, starts + length, starts + stopped, False


def _runs(chance: random.Random, now: int) -> tuple[int, int, int, bool]:
    ends = now + _length(chance)
    return now - chance.randrange(RUNS_FOR_DAYS * DAY_S), ends, ends, True


def _length(chance: random.Random) -> int:
    return chance.randrange(60, 7 * DAY_S if chance.random() < 0.1 else DAY_S)


def _at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _decision(one: Lease) -> Sequence[object]:
    said = ("1", "scheduled", "starts_now", "", "{}", "[]")
    return (one.decision, _at(one.starts), one.id, one.company, POOL, "ask", 1, *said)


def _lease(one: Lease) -> Sequence[object]:
    start, end, stop, long = _at(one.starts), _at(one.ends), _at(one.stops), one.ends - one.starts
    ended = (None, None) if one.runs else (stop, "expired" if one.stops == one.ends else "released")
    state = "active" if one.runs else "ended"
    shape = (one.gpus, one.gpus, long, long, one.gpus, "reserved", "training", True, 900, state)
    return (one.id, one.company, POOL, *shape, start, start, start, end, stop, start, *ended, one.decision, 1)


def _holding(leases: Iterable[Lease], gpus: Sequence[tuple[str, str]]) -> Iterator[Lease]:
    """Each with its GPUs. Those that run have some of their own."""
    runs = 0
    for number, one in enumerate(leases):
        first = runs if one.runs else number
        runs += one.runs
        yield one._replace(held=tuple(gpus[(first + index) % len(gpus)] for index in range(one.gpus)))


def _placed(leases: Iterable[Lease]) -> Iterator[Sequence[object]]:
    return ((one.id, node, gpus) for one in leases for node, gpus in one.placement)


def _allocations(leases: Iterable[Lease]) -> Iterator[Sequence[object]]:
    for one in leases:
        over = None if one.runs else _at(one.stops)
        for index, (gpu, node) in enumerate(one.held):
            yield _allocation(one, index), one.id, gpu, node, _at(one.starts), over, over, False


def _allocation(one: Lease, index: int) -> str:
    return f"alo_{one.id[-18:]}{index:02}"


def _used(chance: random.Random, leases: Iterable[Lease], now: int) -> Iterator[Sequence[object]]:
    """All but ten seconds a day was seen, and a GPU is as busy all its lease long."""
    for one, index in ((lease, index) for lease in leases for index in range(lease.gpus)):
        busy, at, until = chance.random(), one.starts, min(one.stops, now)
        while at < until:
            end = min(until, at - at % DAY_S + DAY_S)
            seen = max(0, end - at - 10)
            drawn = int(seen * (100 + 600 * busy) * 1000)
            used = (seen * 1000, int(seen * 1000 * busy), drawn, seen * 1000, seen * 40_000)
            yield _allocation(one, index), "boot", _at(at).date(), *used
            at = end
