"""Reports by groups of companies: who was in which when a day ended, and what is over stays as it was."""

from datetime import date

import pytest

from dure import wire
from dure.errors import UnknownGroup
from scheduler.actor import Actor
from scheduler.store import pools, shares, summaries
from scheduler.store.db import Database
from scheduler.store.summaries import Wanted
from tests.integration.scheduler.conftest import ADMIN, T0, World, company
from tests.integration.scheduler.test_lease_days import AFTER, FIRST, in_group, report

DAY = 86_400
MORNING = T0 - T0 % DAY
"""Of the day of T0, in UTC, which is the programme's zone here."""


def leased(world: World, hours: int, *, who: str = "acme") -> wire.Lease:
    """One GPU from eight in the evening on, for so long."""
    lease = world.ask(1, who=who, now=MORNING + 20 * 3600, duration_s=hours * 3600)
    world.turn(MORNING + 20 * 3600)
    return lease


def by(
    world: World, *cuts: wire.ReportCut, now: float, group: str | None = None, who: str | None = None
) -> list[tuple[object, ...]]:
    """Keys, leases and hours of each row."""
    wanted = Wanted(by=cuts, since=date(2027, 1, 1), until=date(2027, 2, 1), group=group, company=who)
    with world.db.snapshot() as session:
        found = summaries.report(session, wanted, actor=ADMIN, now=now, after=None, limit=100)
    return [(*(getattr(row, cut) for cut in cuts), row.leases, row.leased_gpu_seconds / 3600) for row in found.rows]


def over(world: World, at: int) -> float:
    """Every lease has ended by then."""
    world.turn(at)
    world.turn(at + 1)
    return at + 1


@pytest.fixture
def early(database: Database) -> World:
    """16 GPUs from the morning on."""
    return World(database).found(at=MORNING)


def test_a_day_is_of_the_group_that_its_company_was_in_when_it_ended(early: World) -> None:
    in_group(early, "acme", "seed", now=MORNING)
    leased(early, 28)
    in_group(early, "acme", "scale", now=MORNING + DAY + 7 * 3600)
    now = over(early, MORNING + 3 * DAY)
    assert by(early, "group", now=now) == [("scale", 1, 24), ("seed", 1, 4)]
    assert [(str(day), *rest) for day, *rest in by(early, "day", "group", now=now)] == [
        ("2027-01-15", "seed", 1, 4),
        ("2027-01-16", "scale", 1, 24),
    ]
    found = report(early, "group", now=now, since=FIRST.replace(month=1))
    assert found.total is not None
    assert found.total.leases == 1, "it is one lease, in the rows of both groups"


def test_a_lease_whose_company_comes_back_to_a_group_counts_once_there(early: World) -> None:
    for day, group in enumerate(("seed", "scale", "seed")):
        in_group(early, "acme", group, now=MORNING + day * DAY)
        if day == 0:
            leased(early, 40)
    now = over(early, MORNING + 3 * DAY)
    assert by(early, "group", now=now) == [("scale", 1, 24), ("seed", 1, 16)]
    total = report(early, "group", now=now, since=FIRST.replace(month=1), group="scale").total
    assert total is not None
    assert (total.leases, total.leased_gpu_seconds) == (1, 24 * 3600)


def test_a_report_of_days_that_are_over_does_not_change_with_who_joins_later(early: World) -> None:
    in_group(early, "acme", "seed", now=MORNING)
    leased(early, 2)
    now = over(early, MORNING + DAY)
    was = by(early, "group", "company", now=now)
    in_group(early, "acme", None, now=now)
    in_group(early, "globex", "seed", now=now)
    assert by(early, "group", "company", now=now + 60) == was == [("seed", "acme", 1, 2)]


def test_of_the_changes_of_one_day_the_last_counts_and_without_shares_a_company_is_in_none(early: World) -> None:
    leased(early, 2)
    leased(early, 1, who="globex")
    for hour, group in enumerate(("seed", None, "scale")):
        in_group(early, "acme", group, now=MORNING + 21 * 3600 + hour)
    now = over(early, MORNING + DAY - 3600)
    assert by(early, "group", now=now) == [("none", 1, 1), ("scale", 1, 2)]
    with early.db.begin() as session:
        shares.remove(session, "acme", "h100", actor=ADMIN, now=now)
    assert by(early, "group", now=now) == [("none", 2, 3)], "the day is not over"


def test_a_report_of_one_group_has_its_companies_alone(early: World) -> None:
    in_group(early, "acme", "seed", now=MORNING)
    for who in ("acme", "globex"):
        leased(early, 2, who=who)
    now = over(early, MORNING + DAY)
    assert by(early, "company", now=now, group="seed") == [("acme", 1, 2)]
    assert by(early, "company", now=now, group=wire.NO_GROUP) == [("globex", 1, 2)]
    assert [row[-1] for row in by(early, "lease", now=now, group="seed")] == [2]
    assert by(early, "group", now=now, who="globex") == [("none", 1, 2)]


@pytest.mark.parametrize(
    ("actor", "more"),
    [
        pytest.param(ADMIN, {"group": "nobody"}, id="there is none"),
        pytest.param(ADMIN, {"group": "seed", "pool": "a100"}, id="none in that pool"),
        pytest.param(company("globex"), {"group": "seed"}, id="a company that was never in it"),
    ],
)
def test_a_group_that_is_not_there_is_said(early: World, actor: Actor, more: dict[str, str]) -> None:
    in_group(early, "acme", "seed", now=MORNING)
    with early.db.begin() as session:
        body = wire.PoolCreate(name="a100", product="NVIDIA A100", gap_s=30)
        pools.add(session, body, actor=ADMIN, now=MORNING)
    wanted = Wanted(by=["group"], since=FIRST, until=AFTER, **more)
    with early.db.snapshot() as session, pytest.raises(UnknownGroup):
        summaries.report(session, wanted, actor=actor, now=T0, after=None, limit=10)
