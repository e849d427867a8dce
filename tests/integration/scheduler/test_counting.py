"""When a lease is counted, what is told late or twice, pages of reports, and who sees what."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from dure import wire
from scheduler.store import counting, pages, summaries, usage
from scheduler.store.db import Database
from scheduler.store.summaries import Wanted
from tests.integration.scheduler.conftest import ADMIN, DAY, T0, World, company
from tests.integration.scheduler.test_lease_days import AFTER, EVENING, HOUR, count, in_zone, report


def _told(
    world: World, node: str, *, now: float, seconds: int, day: datetime = DAY, proved: bool = False, boot: str = "boot1"
) -> None:
    """Of each of the node's GPUs `seconds` were seen, and it was busy in all of them."""
    held = world.report(node, now=now, boot=boot).allocations
    usage = [
        wire.AllocationUsage(
            allocation=one.allocation, day_began_at=day, sampled_ms=seconds * 1000, busy_ms=seconds * 1000
        )
        for one in held
    ]
    over = [one.allocation for one in held if one.ended] if proved else []
    world.report(node, now=now, usage=usage, knew_ended=over, boot=boot)


def _ran(world: World, gpus: int = 8, seconds: int = 100) -> tuple[wire.Lease, str]:
    """A lease from T0 on that is over, none of whose GPUs is proved empty, and its node."""
    lease = world.ask(gpus, duration_s=seconds)
    world.turn(T0)
    world.turn(T0 + seconds)
    return lease, lease.placement[0].node


def test_a_lease_is_counted_once_its_gpus_are_proved_empty_and_what_they_may_still_tell_is_told(world: World) -> None:
    _, node = _ran(world)
    assert count(world, now=T0 + 5 * HOUR) == 0
    _told(world, node, now=T0 + 5 * HOUR, seconds=90, proved=True)
    assert count(world, now=T0 + 5 * HOUR + counting.SETTLES_S - 1) == 0
    assert count(world, now=T0 + 5 * HOUR + counting.SETTLES_S) == 1
    assert count(world, now=T0 + 6 * HOUR) == 0
    [row] = report(world, "lease", now=T0 + 6 * HOUR, since=date(2027, 1, 1)).rows
    assert (row.leased_gpu_seconds, row.busy_gpu_seconds, row.unknown_gpu_seconds) == (800, 720, 80)


def test_a_lease_whose_node_is_gone_for_good_is_counted_after_a_month(world: World) -> None:
    _ran(world)
    assert count(world, now=T0 + 100 + counting.LATEST_S - 1) == 0
    assert count(world, now=T0 + 100 + counting.LATEST_S) == 1


def test_one_that_runs_is_not_counted(world: World) -> None:
    world.ask(8, duration_s=40 * 86_400)
    world.turn(T0)
    assert count(world, now=T0 + 39 * 86_400) == 0


def test_what_is_told_late_is_of_its_own_day_and_after_counting_it_is_not_counted_again(world: World) -> None:
    _, node = _ran(world, seconds=20 * HOUR)
    next_day = DAY + timedelta(days=1)
    _told(world, node, now=T0 + 60 * HOUR, seconds=HOUR)
    _told(world, node, now=T0 + 61 * HOUR, seconds=2 * HOUR, day=next_day, proved=True)

    def busy() -> dict[date | None, int]:
        rows = report(world, "day", now=T0 + 70 * HOUR, since=date(2027, 1, 1)).rows
        return {row.day: row.busy_gpu_seconds for row in rows}

    want = {DAY.date(): 8 * HOUR, next_day.date(): 8 * 2 * HOUR}
    assert busy() == want
    _told(world, node, now=T0 + 62 * HOUR, seconds=HOUR)
    assert busy() == want
    with world.db.snapshot() as session:
        told = session.connection().execute(text("SELECT id FROM allocation")).scalars().all()
    assert count(world, now=T0 + 70 * HOUR) == 1
    use = [
        wire.AllocationUsage(allocation=one, day_began_at=DAY, sampled_ms=HOUR * 4000, busy_ms=HOUR * 4000)
        for one in told
    ]
    world.report(node, now=T0 + 71 * HOUR, usage=use)
    world.report(node, now=T0 + 71 * HOUR, usage=use, boot="boot2")
    assert busy() == want


def test_no_more_is_busy_than_each_gpu_was_held_whatever_agents_say(world: World) -> None:
    _, node = _ran(world)
    for boot in ("boot1", "boot2"):
        _told(world, node, now=T0 + 120, seconds=80, boot=boot)
    [row] = report(world, "lease", now=T0 + 200, since=date(2027, 1, 1)).rows
    assert (row.leased_gpu_seconds, row.busy_gpu_seconds, row.idle_gpu_seconds) == (800, 800, 0)


def test_two_replicas_that_count_at_once_count_each_lease_once(world: World) -> None:
    for _ in range(3):
        world.ask(4, duration_s=100)
    world.turn(T0)
    world.turn(T0 + 100)
    late = T0 + 40 * 86_400
    with world.db.begin() as one:
        first = counting.count(one, now=late)
        with world.db.begin() as other:
            assert counting.count(other, now=late) == 0
    assert (first, count(world, now=late)) == (3, 0)
    with world.db.snapshot() as session:
        assert session.connection().execute(text("SELECT count(*) FROM lease_day")).scalar_one() == 3


def _count_and_die(world: World, *, now: float) -> None:
    with world.db.begin() as session:
        raise RuntimeError(f"killed after {counting.count(session, now=now)}")


def test_a_crash_while_counting_leaves_nothing_and_the_next_one_counts(world: World) -> None:
    _ran(world)
    late = T0 + 40 * 86_400
    with pytest.raises(RuntimeError, match="killed after 1"):
        _count_and_die(world, now=late)
    before = report(world, "day", now=late, since=date(2027, 1, 1))
    assert count(world, now=late) == 1
    assert report(world, "day", now=late, since=date(2027, 1, 1)) == before


def test_what_agents_said_goes_a_while_after_counting_and_reports_and_usage_stay(world: World) -> None:
    _, node = _ran(world, seconds=20 * HOUR)
    _told(world, node, now=T0 + 21 * HOUR, seconds=8 * HOUR, proved=True)
    late = T0 + 2 * 86_400
    before = report(world, "lease", "day", now=late, since=date(2027, 1, 1))
    assert count(world, now=late) == 1

    def forget(now: float) -> int:
        with world.db.begin() as session:
            return counting.forget(session, now=now)

    assert forget(late + counting.KEPT_S - 86_400) == 0
    assert forget(late + counting.KEPT_S + 86_400) == 8
    assert report(world, "lease", "day", now=late, since=date(2027, 1, 1)) == before
    with world.db.snapshot() as session:
        begin, end = (datetime.fromtimestamp(T0 + at, UTC) for at in (0, 4 * HOUR))
        [row] = usage.show(session, actor=ADMIN, company=None, since=begin, until=end, now=late).rows
    # 8 of the 16 hours of that day were seen and busy, so 2 of any 4 count.
    assert (row.leases, row.leased_gpu_seconds, row.busy_gpu_seconds) == (1, 8 * 4 * HOUR, 8 * 2 * HOUR)


def test_only_the_database_s_owner_may_change_what_is_counted(world: World) -> None:
    _ran(world)
    count(world, now=T0 + 40 * 86_400)
    for change in ("UPDATE lease_day SET busy = 0", "DELETE FROM lease_day"):
        with pytest.raises(ProgrammingError, match="permission denied"), world.db.begin() as session:
            session.connection().execute(text(change))


def test_pages_have_every_row_once_and_the_total_on_the_first(world: World) -> None:
    for gpus in (1, 2, 3):
        world.ask(gpus, duration_s=20 * HOUR)
    world.turn(T0)
    world.turn(T0 + 20 * HOUR)
    now = T0 + 21 * HOUR
    cuts: tuple[tuple[wire.ReportCut, ...], ...] = (
        ("lease",),
        ("day", "lease"),
        ("company", "day"),
        ("pool", "company", "day", "lease"),
    )
    for by in cuts:
        whole = report(world, *by, now=now, since=date(2027, 1, 1))
        rows, after, totals = list[wire.ReportRow](), None, list[wire.ReportSum | None]()
        while True:
            with world.db.snapshot() as session:
                wanted = Wanted(by=by, since=date(2027, 1, 1), until=AFTER)
                page = summaries.report(session, wanted, actor=ADMIN, now=now, after=after, limit=1)
            rows, totals = [*rows, *page.rows], [*totals, page.total]
            if page.next_cursor is None:
                break
            after = pages.decode(page.next_cursor)
        assert rows == whole.rows, by
        assert totals == [whole.total, *[None] * (len(totals) - 1)]


def test_a_company_sees_its_own_and_staff_whom_they_ask_for(world: World) -> None:
    for who in ("acme", "globex"):
        world.ask(8, who=who)
    world.turn(T0)
    wanted = Wanted(by=["company"], since=date(2027, 1, 1), until=AFTER)
    with world.db.snapshot() as session:
        for actor, of, want in (
            (company("acme"), None, {"acme"}),
            (ADMIN, None, {"acme", "globex"}),
            (ADMIN, "globex", {"globex"}),
        ):
            found = summaries.report(
                session, replace(wanted, company=of), actor=actor, now=T0 + 50, after=None, limit=9
            )
            assert {row.company for row in found.rows} == want
            assert found.total is not None
            assert found.total.leased_gpu_seconds == 400 * len(want)


def test_a_day_on_which_the_clocks_go_forward_is_an_hour_shorter(database: Database) -> None:
    world = in_zone(World(database).found(at=EVENING))
    world.ask(8, now=EVENING, duration_s=50 * HOUR)
    world.turn(EVENING)
    rows = report(world, "day", now=EVENING + 50 * HOUR).rows
    assert [(str(row.day), row.leased_gpu_seconds // (8 * HOUR)) for row in rows] == [
        ("2027-03-27", 3),
        ("2027-03-28", 23),
        ("2027-03-29", 24),
    ]
