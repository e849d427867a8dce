"""The ledger on a real database: accounts of periods, what is done to them, how it is read, and how it is added up again."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from dure import wire
from dure.errors import BadCursor, InvalidRequest, Overdrawn, UnknownCompany, UnknownPool
from scheduler.core.ledger import Kind, Period
from scheduler.core.model import Instant
from scheduler.store import accounts, budgets, ledger, statements, sums
from scheduler.store.budgets import Where
from scheduler.store.ledger import Entry
from scheduler.store.statements import Wanted
from tests.effort import examples
from tests.integration.scheduler.conftest import ADMIN, T0, World, company

WEEK_S = 7 * 86_400
FIRST = Period(begins_at=Instant(T0), ends_at=Instant(T0 + WEEK_S))
SECOND = Period(begins_at=Instant(T0 + WEEK_S), ends_at=Instant(T0 + 2 * WEEK_S))


def grant(world: World, target: int, period: Period = FIRST, *, who: str = "acme") -> wire.LedgerEntry:
    """The period's budget is so much from now on; the newest entry."""
    with world.db.begin() as session:
        where = Where(pool="h100", now=T0, actor=str(ADMIN))
        budgets.aim(session, where, [(who, period, target)], cause="budget")
    return read(world, company=who).items[0]


def adjust(world: World, gpu_seconds: int, *, now: float = T0, **of: Any) -> wire.LedgerEntry:
    body = wire.LedgerAdjust(**{"company": "acme", "pool": "h100", "gpu_seconds": gpu_seconds, **of})
    with world.db.begin() as session:
        return accounts.adjust(session, body, reason="a lost hour", actor=ADMIN, now=now)


def post(world: World, *entries: tuple[Kind, int, Period | None], lease: wire.Lease) -> None:
    with world.db.begin() as session:
        made = [
            Entry(
                company="acme", pool="h100", lease=lease.id, kind=kind, gpu_seconds=amount, cause="test", period=period
            )
            for kind, amount, period in entries
        ]
        ledger.post(session, made, at=T0)


def read(world: World, *, limit: int = 50, after: str | None = None, **of: Any) -> wire.Page[wire.LedgerEntry]:
    wanted = Wanted(**{"company": "acme", "pool": "h100", **of})
    with world.db.snapshot() as session:
        return statements.page(session, wanted, actor=ADMIN, after=after, limit=limit)


def verify(world: World, who: str | None = None) -> wire.LedgerCheck:
    with world.db.snapshot() as session:
        return sums.verify(session, company=who, pool=None, actor=ADMIN)


KINDS: list[Kind] = ["commit", "settle", "refund"]
ANY_ENTRY = st.tuples(st.sampled_from(KINDS), st.integers(1, 400), st.sampled_from([None, FIRST, SECOND]))


@pytest.mark.timeout(300)
@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(history=st.lists(st.lists(ANY_ENTRY, min_size=1, max_size=4), max_size=8))
def test_what_would_be_below_zero_is_refused_whole_and_all_else_adds_up(
    world: World, history: list[list[tuple[Kind, int, Period | None]]]
) -> None:
    lease = world.ask(1)
    grant(world, 500, FIRST)
    grant(world, 300, SECOND)
    for entries in history:
        before = verify(world)
        with suppress(IntegrityError):
            post(world, *entries, lease=lease)
            before = None
        after = verify(world)
        assert [fault for fault in after.faults if fault.lease is None] == []
        assert before is None or (before.entries, before.sums) == (after.entries, after.sums)
        assert min(after.sums.model_dump().values()) >= 0


def said(found: wire.LedgerEntry) -> tuple[int, str, str, str, int]:
    return found.number, found.kind, found.debit, found.credit, found.gpu_seconds


@contextmanager
def tampered(world: World) -> Iterator[psycopg.Connection]:
    """The hands of the owner, with the guards off."""
    with psycopg.connect(world.db.url, autocommit=True) as connection:
        connection.execute("ALTER TABLE ledger_entry DISABLE TRIGGER USER")
        yield connection


def test_without_a_budget_a_promise_comes_straight_from_the_source_and_goes_back_there(world: World) -> None:
    lease = world.ask(8)
    world.turn(T0)
    world.release(lease, now=T0 + 40)
    world.turn(T0 + 41)
    assert [said(one) for one in reversed(read(world).items)] == [
        (1, "commit", "source", "committed", 800),
        (2, "settle", "committed", "spent", 320),
        (3, "refund", "committed", "source", 480),
    ]
    after = read(world).items[0].after
    assert (after.granted_gpu_seconds, after.spent_gpu_seconds, after.available_gpu_seconds) == (320, 320, 0)
    assert verify(world).faults == []


def test_a_budget_is_granted_committed_refunded_and_what_is_left_expires(world: World) -> None:
    lease = world.ask(8)
    assert said(grant(world, 1000)) == (1, "grant", "source", "available", 1000)
    post(world, ("commit", 800, FIRST), ("refund", 800, None), lease=lease)
    world.turn(T0)
    world.release(lease, now=T0 + 40)
    world.turn(T0 + 41)
    with world.db.begin() as session:
        for now in (FIRST.ends_at - 1, FIRST.ends_at, FIRST.ends_at):
            budgets.close(session, Where(pool="h100", now=now), {"acme": None})
    newest = read(world).items[0]
    assert said(newest) == (5, "expire", "available", "expired", 680)
    assert newest.period == wire.LedgerPeriod.model_validate(
        {"begins_at": "2027-01-15T08:00:00Z", "ends_at": "2027-01-22T08:00:00Z"}
    )
    assert (newest.after.granted_gpu_seconds, newest.after.spent_gpu_seconds, newest.after.expired_gpu_seconds) == (
        1000,
        320,
        680,
    )
    assert verify(world).faults == []


def test_a_lease_over_a_boundary_counts_against_both_periods(world: World) -> None:
    lease = world.ask(8)
    grant(world, 500, FIRST)
    grant(world, 500, SECOND)
    post(world, ("commit", 300, FIRST), ("commit", 500, SECOND), ("refund", 800, None), lease=lease)
    assert [(one.number, one.after.available_gpu_seconds) for one in read(world, lease=lease.id).items] == [
        (2, 0),
        (2, 200),
        (2, 0),
        (1, 0),
    ]
    assert verify(world).faults == []


def test_a_budget_is_lowered_at_once_as_far_as_it_is_not_committed_and_the_rest_once_it_is_free(world: World) -> None:
    lease = world.ask(1, duration_s=1)
    grant(world, 1000)
    post(world, ("commit", 800, FIRST), lease=lease)
    assert said(grant(world, 500)) == (3, "grant", "available", "source", 200)
    post(world, ("refund", 100, FIRST), ("refund", 300, FIRST), lease=lease)
    assert [said(one) for one in reversed(read(world, since=None).items[:4])] == [
        (4, "refund", "committed", "available", 100),
        (5, "grant", "available", "source", 100),
        (6, "refund", "committed", "available", 300),
        (7, "grant", "available", "source", 200),
    ]
    assert read(world).items[0].after.available_gpu_seconds == 100
    assert verify(world).sums.granted_gpu_seconds == 500 + 1


def test_what_a_promise_that_was_given_needs_beyond_the_budget_is_granted_on_top(world: World) -> None:
    lease = world.ask(1, duration_s=1)
    grant(world, 100)
    post(world, ("commit", 130, FIRST), lease=lease)
    entries = [(said(one), one.cause) for one in reversed(read(world).items[:2])]
    assert entries == [
        ((2, "grant", "source", "available", 30), "promise_kept"),
        ((3, "commit", "available", "committed", 130), "test"),
    ]


def test_an_adjustment_counts_in_the_period_that_it_is_now(world: World) -> None:
    grant(world, 1000)
    assert adjust(world, 60, now=T0 + 1).period is not None
    assert adjust(world, 60, now=FIRST.ends_at).period is None
    assert adjust(world, 60, company="globex").period is None
    assert verify(world).sums.available_gpu_seconds == 1000 + 3 * 60


def test_no_more_is_taken_than_is_available_and_nothing_is_written(world: World) -> None:
    adjust(world, 100)
    found = adjust(world, -40)
    assert (said(found), found.reason, found.actor) == (
        (2, "adjust", "available", "source", 40),
        "a lost hour",
        "admin:tok_admin",
    )
    with pytest.raises(Overdrawn) as refused:
        adjust(world, -61)
    assert refused.value.numbers == {"available_gpu_seconds": 60, "gpu_seconds": -61}
    assert len(read(world).items) == 2


def test_what_is_not_there_is_said(world: World) -> None:
    with pytest.raises(UnknownCompany):
        adjust(world, 1, company="nobody")
    with pytest.raises(UnknownPool):
        adjust(world, 1, pool="a100")
    with pytest.raises(UnknownCompany):
        read(world, company="nobody")
    with pytest.raises(UnknownPool):
        read(world, pool="a100")
    with pytest.raises(InvalidRequest, match="whose ledger"):
        read(world, company=None)


def test_pages_hold_every_entry_once_over_all_periods(world: World) -> None:
    for period, targets in ((FIRST, (1, 2, 3)), (SECOND, (1, 2, 3)), (FIRST, (4, 5, 6))):
        for target in targets:
            grant(world, target, period)
    for _ in range(4):
        adjust(world, 1, now=T0 - 1)
    found: list[tuple[bool, int]] = []
    cursor: str | None = None
    while True:
        page = read(world, limit=3, after=None if cursor is None else _key(cursor))
        found += [(one.period is None, one.number) for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [(False, n) for n in (3, 2, 1)] + [(False, n) for n in range(6, 0, -1)] + [
        (True, n) for n in (4, 3, 2, 1)
    ]
    for wrong in ("1", "x.1", "1.x", "-2.1"):
        with pytest.raises(BadCursor):
            read(world, after=wrong)


def _key(cursor: str) -> str:
    from scheduler.store import pages

    key = pages.decode(cursor)
    assert key is not None
    return key


def test_entries_are_read_by_lease_and_by_time(world: World) -> None:
    first = world.ask(1)
    second = world.ask(2, now=T0 + 5)
    assert [one.lease for one in read(world, lease=first.id).items] == [first.id]
    since = read(world).items[0].at
    assert [one.lease for one in read(world, since=since).items] == [second.id]
    assert [one.lease for one in read(world, until=since).items] == [first.id]


def test_a_company_reads_its_own_and_of_a_person_the_role_alone(world: World) -> None:
    adjust(world, 100)
    adjust(world, 100, company="globex")
    with world.db.snapshot() as session:
        wanted = Wanted(company="globex", pool="h100")
        [found] = statements.page(session, wanted, actor=company("acme"), after=None, limit=9).items
        assert (found.company, found.actor, found.reason) == ("acme", "admin", "a lost hour")
        checked = sums.verify(session, company=None, pool=None, actor=company("acme"))
    assert (checked.accounts, checked.entries) == (1, 1)


def test_a_balance_that_was_changed_by_hand_is_found_with_its_entry(world: World) -> None:
    lease = world.ask(8)
    world.turn(T0)
    world.release(lease, now=T0 + 40)
    world.turn(T0 + 41)
    with tampered(world) as connection:
        connection.execute("UPDATE ledger_entry SET spent = spent + 1, granted = granted + 1 WHERE seq > 1")
    [fault] = verify(world).faults
    assert (fault.number, fault.lease) == (2, lease.id)
    assert fault.detail == (
        "entry 2 says 801 GPU-seconds granted after it, where the one before it and its own amount make 800"
    )


def test_an_entry_that_was_taken_out_is_missed(world: World) -> None:
    for _ in range(4):
        adjust(world, 100)
    with tampered(world) as connection:
        connection.execute("DELETE FROM ledger_entry WHERE seq = 2")
    entry, account = verify(world).faults
    assert (entry.number, entry.detail) == (3, "entry 3 follows where entry 2 should: 2 is not there")
    assert (account.number, account.detail) == (
        None,
        "the account says that 400 GPU-seconds are granted, where its entries come to 300",
    )


def test_an_account_that_was_changed_by_hand_is_found(world: World) -> None:
    adjust(world, 100)
    with world.db.begin() as session:
        session.connection().exec_driver_sql("UPDATE account SET available = 7, granted = 7")
    [fault] = verify(world, "acme").faults
    assert fault.detail == "the account says that 7 GPU-seconds are granted, where its entries come to 100"
    assert verify(world, "globex").faults == []


def test_a_lease_of_which_another_amount_is_committed_than_its_box_is_found(world: World) -> None:
    running, over = world.ask(8), world.ask(4)
    world.turn(T0)
    world.turn(T0 + 50)
    world.release(over, now=T0 + 50)
    world.turn(T0 + 51)
    post(world, ("commit", 5, None), lease=over)
    post(world, ("refund", 5, None), lease=running)
    faults = {fault.lease: fault for fault in verify(world).faults}
    assert faults[over.id].detail == "5 GPU-seconds are committed for it, which is ended, where 0 should be"
    assert faults[running.id].detail == "795 GPU-seconds are committed for it, which is active, where 800 should be"
    assert faults[running.id].number == 6


def test_a_lease_of_which_nothing_was_committed_is_found(world: World) -> None:
    lease = world.ask(8)
    with tampered(world) as connection:
        connection.execute("DELETE FROM ledger_entry")
        connection.execute("UPDATE account SET seq = 0, granted = 0, committed = 0")
    [fault] = verify(world).faults
    assert (fault.lease, fault.number) == (lease.id, None)
    assert fault.detail == "0 GPU-seconds are committed for it, which is scheduled, where 800 should be"


def test_a_lease_that_was_resized_while_it_ran_adds_up(world: World) -> None:
    lease = world.ask(4, purpose="inference", min=1, max=8)
    world.turn(T0)
    world.resize(lease, now=T0 + 30, gpus=8)
    assert verify(world).faults == []
    world.release(lease, now=T0 + 60)
    world.turn(T0 + 61)
    found = verify(world)
    assert (found.faults, found.sums.spent_gpu_seconds) == ([], 4 * 30 + 8 * 30)


def test_another_companys_account_has_no_entries_of_a_lease(world: World) -> None:
    lease = world.ask(1)
    with world.db.begin() as session:
        entry = Entry(company="globex", pool="h100", lease=lease.id, kind="commit", gpu_seconds=5, cause="test")
        ledger.post(session, [entry], at=T0)
    [fault] = verify(world).faults
    assert (fault.company, fault.lease) == ("globex", lease.id)
    assert "not its own" in fault.detail


def settled(lease: wire.Lease, more: int) -> str:
    """The SQL by which an owner of the database settles so much more of a lease, and refunds less, without a trace."""
    return f"""
        UPDATE ledger_entry e SET gpu_seconds = gpu_seconds + CASE kind WHEN 'settle' THEN {more} ELSE -({more}) END
        WHERE lease = '{lease.id}' AND kind IN ('settle', 'refund');
        UPDATE ledger_entry e SET spent = n.spent, committed = n.committed, available = n.available, granted = n.granted
        FROM (SELECT account, seq,
            sum(CASE 'spent' WHEN credit THEN gpu_seconds WHEN debit THEN -gpu_seconds ELSE 0 END) OVER own AS spent,
            sum(CASE 'committed' WHEN credit THEN gpu_seconds WHEN debit THEN -gpu_seconds ELSE 0 END) OVER own AS committed,
            sum(CASE 'available' WHEN credit THEN gpu_seconds WHEN debit THEN -gpu_seconds ELSE 0 END) OVER own AS available,
            sum(CASE 'source' WHEN debit THEN gpu_seconds WHEN credit THEN -gpu_seconds ELSE 0 END) OVER own AS granted
            FROM ledger_entry WINDOW own AS (PARTITION BY account ORDER BY seq)) n
        WHERE e.account = n.account AND e.seq = n.seq;
        UPDATE account a SET spent = e.spent, committed = e.committed, available = e.available, granted = e.granted
        FROM ledger_entry e WHERE e.account = a.id AND e.seq = a.seq
    """


@pytest.mark.parametrize("more", [7, -7])
def test_a_settle_of_another_amount_than_the_lease_had_is_found_though_the_book_balances(
    world: World, more: int
) -> None:
    lease, other = world.ask(8), world.ask(2)
    world.turn(T0)
    for one in (lease, other):
        world.release(one, now=T0 + 40)
    world.turn(T0 + 41)
    assert verify(world).faults == []
    with tampered(world) as connection:
        connection.execute(settled(lease, more).encode())
    [fault] = verify(world).faults
    assert (fault.company, fault.lease, fault.period) == ("acme", lease.id, None)
    assert fault.detail == f"{320 + more} GPU-seconds are settled of it, where it had 320"


def test_a_lease_that_is_not_over_has_nothing_settled(world: World) -> None:
    lease = world.ask(8)
    world.turn(T0)
    post(world, ("commit", 5, None), ("settle", 5, None), lease=lease)
    [fault] = verify(world).faults
    assert fault.detail == "5 GPU-seconds are settled of it, where it had 0"


def test_a_settle_in_another_period_than_the_lease_had_it_in_is_found(world: World) -> None:
    lease = world.ask(2, duration_s=WEEK_S)
    world.turn(T0)
    world.release(lease, now=T0 + 40)
    world.turn(T0 + 41)
    grant(world, 100, SECOND)
    post(world, ("commit", 3, SECOND), ("settle", 3, SECOND), lease=lease)
    faults = verify(world).faults
    assert [fault.detail for fault in faults] == [
        "83 GPU-seconds are settled of it, where it had 80",
        "3 GPU-seconds are settled of it in this period, where it had 0",
    ]
    assert [fault.period and fault.period.begins_at.timestamp() for fault in faults] == [None, T0 + WEEK_S]
