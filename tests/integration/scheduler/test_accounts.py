"""Usage and ledger say the same, to the GPU-second, whatever becomes of the leases."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from scheduler.store import usage
from tests.integration.scheduler.conftest import ADMIN, T0, World

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "release", "cancel", "wait", "outage", "dirty"]),
        st.integers(1, 12),
        st.integers(1, 60),
    ),
    min_size=3,
    max_size=14,
)


def _ledger(world: World) -> dict[str, int]:
    with world.db.snapshot() as session:
        rows = session.connection().execute(
            text("SELECT kind, cause, sum(gpu_seconds)::bigint AS total FROM ledger_entry GROUP BY kind, cause")
        )
        return {f"{row.kind}:{row.cause}": row.total for row in rows}


def _usage(world: World, now: float) -> tuple[int, int]:
    with world.db.snapshot() as session:
        shown = usage.show(
            session,
            actor=ADMIN,
            company=None,
            since=datetime.fromtimestamp(0, UTC),
            until=datetime.fromtimestamp(now, UTC) + timedelta(days=1),
            now=now,
        )
    return sum(row.leased_gpu_seconds for row in shown.rows), sum(row.lost_gpu_seconds for row in shown.rows)


def _play(world: World, steps: list[tuple[str, int, int]]) -> float:
    """Plays the steps and then lets everything end; the time it is afterwards."""
    now = float(T0)
    asked = []
    for what, gpus, seconds in steps:
        if what == "ask":
            asked.append(world.ask(gpus, now=now, duration_s=seconds, who=("acme", "globex")[gpus % 2]))
        elif what in ("release", "cancel"):
            wanted = {"release": ("active",), "cancel": ("queued", "scheduled")}[what]
            fitting = [lease for lease in asked if world.lease(lease).state in wanted]
            for lease in fitting[:1]:
                (world.release if what == "release" else world.cancel)(lease, now=now)
        now += seconds
        for node in ("n1", "n2"):
            told = [found.allocation for found in world.report(node, now=now).allocations if found.ended]
            world.report(node, now=now, knew_ended=() if what == "dirty" else told)
        world.turn(now, led_since=now if what == "outage" else T0)
    for _ in range(60):
        now += 30
        for node in ("n1", "n2"):
            told = [found.allocation for found in world.report(node, now=now).allocations if found.ended]
            world.report(node, now=now, knew_ended=told)
        world.turn(now)
        if all(world.lease(lease).state not in ("queued", "scheduled", "active", "ending") for lease in asked):
            return now
    raise AssertionError("leases are not over")


@pytest.mark.timeout(300)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS)
def test_usage_equals_the_ledger_over_any_history(embedded: object, steps: list[tuple[str, int, int]]) -> None:
    from scheduler.store.db import Database

    with embedded.database() as url:  # type: ignore[attr-defined]
        world = World(Database(url)).found()
        now = _play(world, steps)
        found = _ledger(world)
        leased, lost = _usage(world, now)
        with world.db.snapshot() as session:
            committed = (
                session.connection().execute(text("SELECT coalesce(sum(committed), 0) FROM account")).scalar_one()
            )
        world.db.close()
    commits = sum(total for key, total in found.items() if key.startswith("commit"))
    settles = sum(total for key, total in found.items() if key.startswith("settle"))
    refunds = sum(total for key, total in found.items() if key.startswith("refund"))
    returned = sum(found.get(f"refund:{cause}", 0) for cause in ("released", "cancelled"))
    assert commits == settles + refunds
    assert committed == 0
    assert (leased, lost) == (settles, refunds - returned)
