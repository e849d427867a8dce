"""What agents said goes once it is counted by day, and no GPU-second with it: whatever is told late, and wherever a job is killed."""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import text
from sqlmodel import Session, select

from dure import wire
from scheduler import days
from scheduler.store import counting
from scheduler.store.tables import Allocation, AllocationUse
from tests import databases
from tests.effort import examples
from tests.integration.scheduler.conftest import World
from tests.integration.scheduler.test_lease_days import (
    AFTER,
    EVENING,
    FIRST,
    STEPS,
    SUMMED,
    ZONE,
    adds_up,
    count,
    in_zone,
    play,
    report,
)
from tests.servers import Server

DAY_S = 86_400
COUNTED_S = 31 * DAY_S
"""After which all that is over is counted, proved empty or not."""

GONE_S = COUNTED_S + counting.KEPT_S + 40 * DAY_S
MONTHS = (date(2027, 3, 1), date(2027, 4, 1), date(2027, 5, 1), AFTER)


def _told(world: World) -> dict[str, list[wire.AllocationUsage]]:
    """All that agents said so far, by node, as they would tell it again."""
    found: dict[str, list[wire.AllocationUsage]] = defaultdict(list)
    with world.db.snapshot() as session:
        query = select(AllocationUse, Allocation.node).join(Allocation)
        for use, node in session.exec(query):
            [day] = days.days(use.day, date.fromordinal(use.day.toordinal() + 1), ZONE)
            found[node].append(
                wire.AllocationUsage(
                    allocation=use.allocation,
                    day_began_at=datetime.fromtimestamp(day.begins_at, UTC),
                    sampled_ms=use.sampled_ms,
                    busy_ms=use.busy_ms,
                    energy_millijoules=use.energy_millijoules,
                    memory_ms=use.memory_ms,
                    memory_mebibyte_s=use.memory_mebibyte_s,
                )
            )
    return found


def _killed(world: World, job: Callable[[Session], int]) -> None:
    """A job that dies when it has done all and committed nothing."""
    with pytest.raises(RuntimeError, match="killed"):
        _do_and_die(world, job)


def _do_and_die(world: World, job: Callable[[Session], int]) -> None:
    with world.db.begin() as session:
        raise RuntimeError(f"killed after {job(session)}")


def _forget(world: World, now: float) -> int:
    with world.db.begin() as session:
        return counting.forget(session, now=now)


def _left(world: World) -> int:
    with world.db.snapshot() as session:
        return session.connection().execute(text("SELECT count(*) FROM allocation_use")).scalar_one()


def _by_month(world: World, now: float) -> list[int]:
    """The sums of all months, each asked for by itself."""
    totals = [report(world, "pool", now=now, since=since, until=until).total for since, until in pairwise(MONTHS)]
    return [sum(getattr(total, name) for total in totals if total is not None) for name in SUMMED]


def _total(world: World, now: float) -> list[int]:
    total = report(world, "pool", now=now, since=FIRST, until=AFTER).total
    assert total is not None
    return [getattr(total, name) for name in SUMMED]


@pytest.mark.timeout(400)
@settings(max_examples=examples(6), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS)
def test_no_gpu_second_goes_with_what_agents_said(embedded: Server, steps: list[tuple[str, int, int]]) -> None:
    with embedded.database() as url, databases.opened(url) as db:
        world = in_zone(World(db).found(at=EVENING))
        now = play(world, steps)
        before, told = adds_up(world, now), _told(world)
        assert _by_month(world, now) == _total(world, now)

        def stands() -> None:
            assert adds_up(world, now, sizes=(1, 2)) == before
            assert _by_month(world, now) == _total(world, now)

        _killed(world, lambda session: counting.count(session, now=now + COUNTED_S))
        stands()
        count(world, now=now + COUNTED_S)
        stands()
        assert _forget(world, now + COUNTED_S + 1) == 0, "it is kept for a while after it is counted"
        _killed(world, lambda session: counting.forget(session, now=now + GONE_S))
        stands()
        assert _forget(world, now + GONE_S) == sum(map(len, told.values()))
        assert _left(world) == 0
        stands()
        for boot in ("boot1", "boot2"):
            for node, usage in told.items():
                world.report(node, now=now + GONE_S + 10, usage=usage, boot=boot)
        assert _left(world) == 0, "what is counted is counted"
        stands()
