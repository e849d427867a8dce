"""A year of leases, written as they would stand in the database after it: what reports are measured on.

Leases of a minute to a week by a thousand companies, few of whom have most of them; of each GPU what its agent said of it
every day. Chance is seeded. Copied in, because making it is not what is measured.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import LiteralString

import psycopg
from psycopg.sql import SQL

from bench.fleet import POOL

DAY_S = 86_400
GPUS = (1, 1, 1, 2, 2, 4, 8)
"""Of a lease; each as likely."""

_COMPANIES = """
    INSERT INTO company (name, created_at) SELECT 'startup-' || i, now() FROM generate_series(0, %s - 1) i
"""
_DECISION = """
    INSERT INTO decision (id, at, lease, company, pool, kind, generation, policy_version, outcome, code, detail, numbers, elsewhere)
    VALUES ('dec_bench', now(), 'lea_bench', 'startup-0', %s, 'ask', 1, '1', 'scheduled', 'starts_now', '', '{}', '[]')
"""
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
_ALLOCATION = "id, lease, gpu, node, opened_at, ended_at, closed_at, given_back"
_USE = "allocation, boot, day, sampled_ms, busy_ms, energy_millijoules, memory_ms, memory_mebibyte_s"

Lease = tuple[str, str, int, int, int, bool]
"""Id, company, GPUs, when it starts and ends, and whether it runs."""


def make(database_url: str, *, leases: int, running: int, companies: int, days: int, now: int) -> None:
    """`leases` that are over, in the `days` before yesterday, and so many `running` since a month ago or less."""
    chance = random.Random(1)
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(_COMPANIES, [companies])
        cursor.execute(_DECISION, [POOL])
        cursor.execute("UPDATE pool SET created_at = to_timestamp(%s)", [now - (days + 7) * DAY_S])
        cursor.execute(_SHARES, [POOL, now - days * DAY_S, companies])
        gpus = cursor.execute("SELECT uuid, node FROM gpu ORDER BY uuid").fetchall()
        all_of = list(_leases(chance, leases, running, companies, days, now))
        _copy(cursor, f"COPY lease ({_LEASE}) FROM STDIN", (_lease(one) for one in all_of))
        held = list(_held(all_of, gpus))
        _copy(cursor, f"COPY allocation ({_ALLOCATION}) FROM STDIN", (_allocation(one, *at) for one, *at in held))
        _copy(cursor, f"COPY allocation_use ({_USE}) FROM STDIN", _used(chance, held, now))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _copy(cursor: psycopg.Cursor, into: LiteralString, rows: Iterable[Sequence[object]]) -> None:
    with cursor.copy(SQL(into)) as copy:
        for row in rows:
            copy.write_row(row)


def _leases(chance: random.Random, leases: int, running: int, companies: int, days: int, now: int) -> Iterator[Lease]:
    found = [_spread(chance, number >= leases, days, now) for number in range(leases + running)]
    for number, (starts, ends, runs) in enumerate(sorted(found)):
        company = min(int(chance.paretovariate(0.5)) - 1, chance.randrange(companies))
        yield f"lea_{number:020}", f"startup-{company}", 1 if runs else chance.choice(GPUS), starts, ends, runs


def _spread(chance: random.Random, runs: bool, days: int, now: int) -> tuple[int, int, bool]:
    """When a lease starts and ends, and whether it runs."""
    length = chance.randrange(60, 7 * DAY_S if chance.random() < 0.1 else DAY_S)
    if runs:
        return now - chance.randrange(30 * DAY_S), now + length, True
    starts = now - length - chance.randrange(DAY_S, days * DAY_S)
    return starts, starts + length, False


def _at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _lease(one: Lease) -> Sequence[object]:
    name, company, gpus, starts, ends, runs = one
    start, end, long = _at(starts), _at(ends), ends - starts
    ended = (None, None) if runs else (end, "expired")
    shape = (gpus, gpus, long, long, gpus, "reserved", "training", True, 900, "active" if runs else "ended")
    return (name, company, POOL, *shape, start, start, start, end, end, start, *ended, "dec_bench", 1)


def _held(leases: Iterable[Lease], gpus: Sequence[Sequence[str]]) -> Iterator[tuple[Lease, str, str, str]]:
    """Each GPU of each lease: the allocation, the GPU and its node. Those that run have GPUs of their own."""
    runs = 0
    for number, one in enumerate(leases):
        first = runs if one[5] else number
        runs += one[5]
        for index in range(one[2]):
            gpu, node = gpus[(first + index) % len(gpus)]
            yield one, f"alo_{number:018}{index:02}", gpu, node


def _allocation(one: Lease, name: str, gpu: str, node: str) -> Sequence[object]:
    over = None if one[5] else _at(one[4])
    return name, one[0], gpu, node, _at(one[3]), over, over, False


def _used(chance: random.Random, held: Iterable[tuple[Lease, str, str, str]], now: int) -> Iterator[Sequence[object]]:
    """All but ten seconds a day was seen, and a GPU is as busy all its lease long."""
    for one, name, _, _ in held:
        busy, at, until = chance.random(), one[3], min(one[4], now)
        while at < until:
            end = min(until, at - at % DAY_S + DAY_S)
            seen = max(0, end - at - 10)
            drawn = int(seen * (100 + 600 * busy) * 1000)
            yield name, "boot", _at(at).date(), seen * 1000, int(seen * 1000 * busy), drawn, seen * 1000, seen * 40_000
            at = end
