"""What leases had and used each day adds up whatever it is cut by, to the second, before they are counted and after."""

from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import combinations, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from dure import wire
from dure.errors import DureError
from scheduler import days
from scheduler.core.charge import charge
from scheduler.store import counting, leases, shares, summaries, usage
from scheduler.store.summaries import Wanted
from scheduler.store.tables import Lease
from tests import databases
from tests.effort import examples
from tests.integration.scheduler.conftest import ADMIN, World
from tests.integration.scheduler.test_policy_versions import put, wanted
from tests.servers import Server

HOUR = 3600
ZONE = ZoneInfo("Europe/Berlin")
EVENING = int(datetime(2027, 3, 27, 20, tzinfo=UTC).timestamp())
"""Of the day before the clocks go forward."""

FIRST, AFTER = date(2027, 3, 1), date(2027, 6, 1)
SUMMED = tuple(name for name in wire.Used.model_fields if name not in ("energy_joules", "leases"))


def report(
    world: World,
    *by: wire.ReportCut,
    now: float,
    since: date = FIRST,
    until: date = AFTER,
    limit: int = 10_000,
    **of: str,
) -> wire.UsageReport:
    wanted = Wanted(by=by, since=since, until=until, **of)
    with world.db.snapshot() as session:
        return summaries.report(session, wanted, actor=ADMIN, now=now, after=None, limit=limit)


def count(world: World, *, now: float) -> int:
    with world.db.begin() as session:
        return counting.count(session, now=now)


def in_zone(world: World, zone: ZoneInfo = ZONE) -> World:
    put(world, wanted(world, zone=zone.key), now=EVENING, why="it is there")
    return world


def in_group(world: World, who: str, group: str | None, *, now: float) -> None:
    with world.db.begin() as session:
        if group is not None:
            shares.put_group(session, "h100", group, wire.ShareGroupSet(shares=1), actor=ADMIN, now=now)
        shares.put(session, who, "h100", wire.ShareSet(shares=1, group=group), actor=ADMIN, now=now)


@dataclass
class Agents:
    """What the agents of a world saw: half of the time they worked, and, where they were `blind`, nothing."""

    world: World
    seen: dict[str, dict[tuple[str, int], int]] = field(default_factory=lambda: defaultdict(Counter))
    ended: set[str] = field(default_factory=set)

    def look(self, since: float, until: float, *, blind: bool = False) -> None:
        for node in ("n1", "n2"):
            answer = self.world.report(node, now=until)
            edges = [int(midnight.timestamp()) for midnight in answer.midnights]
            for found in answer.allocations if not blind else []:
                for begin, end in pairwise(edges):
                    starts, stops = found.starts_at.timestamp(), found.stops_at.timestamp()
                    seconds = int(min(until, end, stops) - max(since, begin, starts))
                    if seconds > 0:
                        self.seen[node][found.allocation, begin] += seconds

    def tell(self, now: float) -> None:
        """All that they saw since the beginning, twice, with what was proved empty."""
        for node in ("n1", "n2"):
            totals = [
                wire.AllocationUsage(
                    allocation=allocation,
                    day_began_at=datetime.fromtimestamp(day, UTC),
                    sampled_ms=seconds * 1000,
                    busy_ms=seconds * 500,
                    energy_millijoules=seconds * 1000,
                    memory_ms=seconds * 1000,
                    memory_mebibyte_s=seconds * 1024,
                )
                for (allocation, day), seconds in self.seen[node].items()
            ]
            told = [found.allocation for found in self.world.report(node, now=now).allocations if found.ended]
            for _ in range(2):
                self.world.report(node, now=now, knew_ended=told, usage=totals)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "release", "resize", "extend", "blind", "silent", "group", "wait"]),
        st.integers(1, 12),
        st.integers(1, 20 * HOUR),
    ),
    min_size=3,
    max_size=9,
)


def _do(world: World, asked: list[wire.Lease], what: str, gpus: int, seconds: int, now: float) -> None:
    running = [lease for lease in asked if world.lease(lease).state == "active"]
    with suppress(DureError):
        if what == "ask":
            who = ("acme", "globex")[gpus % 2]
            asked.append(world.ask(gpus, now=now, who=who, duration_s=seconds, purpose="inference", max=16))
        elif what == "group":
            in_group(world, ("acme", "globex")[gpus % 2], ("seed", "scale", None)[gpus % 3], now=now)
        elif running and what == "release":
            world.release(running[0], now=now)
        elif running and what == "resize":
            world.resize(running[-1], now=now, gpus=gpus)
        elif running and what == "extend":
            world.extend(running[0], now=now, by_s=seconds)


def play(world: World, steps: list[tuple[str, int, int]]) -> float:
    """Plays the steps and lets everything end; the time it is afterwards."""
    now, asked, agents, waiting = float(EVENING), list[wire.Lease](), Agents(world), False
    steps = [*steps, *[("wait", 1, 30 * HOUR)] * 12]
    for what, gpus, seconds in steps:
        _do(world, asked, what, gpus, seconds, now)
        world.turn(now + 1)
        agents.look(now, now + seconds, blind=what == "blind")
        now += seconds
        world.turn(now)
        # A node that cannot reach anybody tells it later, with all the rest.
        waiting = what == "silent"
        if not waiting:
            agents.tell(now)
            world.turn(now)
        adds_up(world, now, sizes=(1, len(CUTS)))
    agents.tell(now)
    assert {world.lease(lease).state for lease in asked} <= {"ended", "cancelled", "expired", "refused"}
    return now


CUTS: tuple[wire.ReportCut, ...] = ("lease", "company", "pool", "day", "group")
EVERY = tuple(range(1, len(CUTS) + 1))


def adds_up(world: World, now: float, sizes: tuple[int, ...] = EVERY) -> dict[tuple[str, date], tuple[int, ...]]:
    """Every cut has the same sums, of as many at once as said; the lease-days, which are the finest one."""
    finest = report(world, "lease", "day", now=now)
    total = finest.total
    assert total is not None
    for size in sizes:
        for by in combinations(CUTS, size):
            found = report(world, *by, now=now)
            assert found.total == total, by
            assert _sums(found.rows) == _sums([total]), by
            if not {"day", "group"} & set(by):
                assert sum(row.leases for row in found.rows) == total.leases, by
    for row in report(world, "group", now=now).rows:
        assert row.group is not None
        only = report(world, "day", "lease", now=now, group=row.group).total
        assert only == wire.ReportSum(**row.model_dump(include=set(wire.ReportSum.model_fields)))
    for row in [*finest.rows, total]:
        parts = (row.busy_gpu_seconds, row.idle_gpu_seconds, row.unknown_gpu_seconds)
        assert min(parts) >= 0
        assert row.leased_gpu_seconds == sum(parts)
    with world.db.snapshot() as session:
        ever = usage.show(session, actor=ADMIN, company=None, since=wire.EARLIEST, until=wire.LATEST, now=now)
    assert _sums(ever.rows) == _sums([total])
    return {(row.lease or "", row.day or FIRST): tuple(getattr(row, name) for name in SUMMED) for row in finest.rows}


def _sums(rows: "list[wire.ReportRow] | list[wire.ReportSum] | list[wire.CompanyUsage]") -> list[int]:
    return [
        *(sum(getattr(row, name) for row in rows) for name in SUMMED),
        sum(row.energy_joules or 0 for row in rows),
    ]


def _by_the_core(world: World) -> dict[tuple[str, date], int]:
    """What each lease had each day, by the pure rules that settle it."""
    with world.db.snapshot() as session:
        rows = session.exec(select(Lease).where(col(Lease.state) == "ended")).all()
        found = leases.with_core(session, rows)
    return {
        (row.id, day.day): had
        for row, lease in found
        for day in days.days(FIRST, AFTER, ZONE)
        if (had := charge(lease, day.begins_at, day.ends_at).delivered)
    }


@pytest.mark.timeout(400)
@settings(max_examples=examples(8), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS)
def test_every_cut_of_every_history_adds_up(embedded: Server, steps: list[tuple[str, int, int]]) -> None:
    with embedded.database() as url, databases.opened(url) as db:
        world = in_zone(World(db).found(at=EVENING))
        now = play(world, steps)
        before = adds_up(world, now)
        assert {key: row[0] for key, row in before.items() if row[0]} == _by_the_core(world)
        over = len({lease for lease, _ in before})
        assert count(world, now=now + 31 * 86_400) >= over
        assert adds_up(world, now) == before, "what is written is what was worked out"
