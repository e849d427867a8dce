"""Usage and ledger say the same, to the GPU-second, whatever becomes of the leases, and the ledger adds up at every moment."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from dure import wire
from dure.errors import DureError
from scheduler.store import accounts, sums, usage
from tests.effort import examples
from tests.integration.scheduler.conftest import ADMIN, T0, World, world_on
from tests.servers import Server

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "release", "cancel", "extend", "shrink", "adjust", "wait", "outage", "dirty", "sick"]),
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


def _adjust(world: World, gpu_seconds: int, *, now: float) -> None:
    """Gives, or takes as much as there is."""
    with suppress(DureError, ValueError), world.db.begin() as session:
        body = wire.LedgerAdjust(company="acme", pool="h100", gpu_seconds=gpu_seconds)
        accounts.adjust(session, body, reason="test", actor=ADMIN, now=now)


def _adds_up(world: World) -> wire.LedgerBalances:
    """What all of it comes to."""
    with world.db.snapshot() as session:
        found = sums.verify(session, company=None, pool=None, actor=ADMIN)
    assert found.faults == []
    balances = found.sums
    assert balances.granted_gpu_seconds == (
        balances.available_gpu_seconds
        + balances.committed_gpu_seconds
        + balances.spent_gpu_seconds
        + balances.expired_gpu_seconds
    )
    return balances


def _do(world: World, asked: list[wire.Lease], step: tuple[str, int, int], *, now: float) -> None:
    what, gpus, seconds = step
    standing = [(lease, world.lease(lease).state) for lease in asked]

    def first(*states: str) -> list[wire.Lease]:
        return [lease for lease, state in standing if state in states][:1]

    match what:
        case "ask":
            asked.append(world.ask(gpus, now=now, duration_s=seconds, who=("acme", "globex")[gpus % 2]))
        case "release":
            for lease in first("active"):
                world.release(lease, now=now)
        case "cancel":
            for lease in first("queued", "scheduled"):
                world.cancel(lease, now=now)
        case "extend" | "shrink":
            for lease in first("scheduled", "active"):
                with suppress(DureError):
                    (world.extend if what == "extend" else world.shrink)(lease, now=now, by_s=seconds)
        case "adjust":
            _adjust(world, (gpus - 6) * seconds, now=now)
        case _:
            pass


def _play(world: World, steps: list[tuple[str, int, int]]) -> float:
    """Plays the steps and then lets everything end; the time it is afterwards."""
    now = float(T0)
    asked: list[wire.Lease] = []
    for step in steps:
        what, _, seconds = step
        _do(world, asked, step, now=now)
        _adds_up(world)
        now += seconds
        for node in ("n1", "n2"):
            told = [found.allocation for found in world.report(node, now=now).allocations if found.ended]
            health = "unhealthy" if what == "sick" and node == "n2" else "ok"
            world.report(node, now=now, knew_ended=() if what == "dirty" else told, health=health)
        world.turn(now, led_since=now if what == "outage" else T0)
        _adds_up(world)
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
@settings(max_examples=examples(12), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS)
def test_usage_equals_the_ledger_over_any_history(embedded: Server, steps: list[tuple[str, int, int]]) -> None:
    with world_on(embedded) as world:
        now = _play(world, steps)
        found = _ledger(world)
        leased, lost = _usage(world, now)
        balances = _adds_up(world)
    commits = sum(total for key, total in found.items() if key.startswith("commit"))
    settles = sum(total for key, total in found.items() if key.startswith("settle"))
    refunds = sum(total for key, total in found.items() if key.startswith("refund"))
    returned = sum(found.get(f"refund:{cause}", 0) for cause in ("released", "cancelled", "shrunk"))
    assert commits == settles + refunds
    assert (balances.committed_gpu_seconds, balances.spent_gpu_seconds) == (0, settles)
    assert (leased, lost) == (settles, refunds - returned)
