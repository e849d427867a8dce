"""What the code must never do, the database refuses: tried as the processes' own role, on both PostgreSQLs."""

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from scheduler.store import fleet
from tests.integration.scheduler.conftest import T0, World


def _run(world: World, statement: str) -> None:
    with world.db.begin() as session:
        session.connection().execute(text(statement))


@pytest.fixture
def busy(any_world: World) -> World:
    any_world.ask(8)
    any_world.turn(T0 + 1)
    return any_world


@pytest.mark.parametrize("table", ["audit", "ledger_entry", "lease_event", "decision"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET at = now()", "TRUNCATE {}"])
def test_what_is_append_only_is_never_changed_or_removed(busy: World, table: str, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        _run(busy, statement.format(table))


@pytest.mark.parametrize(
    "statement", ["DELETE FROM lease_span", "UPDATE lease_span SET gpus = 1", "TRUNCATE lease_span"]
)
def test_the_sizes_that_a_lease_had_are_never_changed_or_removed(busy: World, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        _run(busy, statement)


def test_a_lease_has_one_size_at_a_time(busy: World) -> None:
    span = (
        "INSERT INTO lease_span (lease, since, until, gpus) SELECT id, now(), now() + interval '1 hour', 4 FROM lease"
    )
    with pytest.raises(IntegrityError, match="pk_lease_span"):
        _run(busy, f"{span} UNION ALL SELECT id, now(), now() + interval '2 hours', 5 FROM lease")


def test_a_gpu_is_in_no_two_live_allocations(busy: World) -> None:
    with pytest.raises(IntegrityError, match="uq_allocation_live_gpu"):
        _run(
            busy,
            "INSERT INTO allocation (id, lease, gpu, node, opened_at, given_back)"
            " SELECT 'alo_twin', lease, gpu, node, opened_at, false FROM allocation LIMIT 1",
        )


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        pytest.param("state = 'asleep'", "ck_lease_state", id="a state that is not in the table"),
        pytest.param("state = 'ended', end_cause = 'expired'", "ck_lease_ended", id="ended without an end"),
        pytest.param("ends_at = ends_at + interval '1 second'", "ck_lease_box", id="a box longer than its duration"),
        pytest.param(
            "starts_at = promised_start + interval '1 second'", "ck_lease_box", id="a start after the promise"
        ),
        pytest.param("stops_at = ends_at + interval '1 second'", "ck_lease_box", id="a stop after the end"),
        pytest.param("started_at = NULL", "ck_lease_started", id="active without a start"),
        pytest.param("total_gpus = 9", "ck_lease_total", id="more GPUs than its shape"),
        pytest.param("max_size = 7", "ck_lease_size", id="more GPUs than its most"),
        pytest.param("min_size = 9", "ck_lease_size", id="fewer GPUs than its least"),
        pytest.param("resized_at = ends_at + interval '1 second'", "ck_lease_resized", id="resized after its end"),
    ],
)
def test_a_lease_is_never_in_a_state_that_cannot_be(busy: World, change: str, constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        _run(busy, f"UPDATE lease SET {change}")


_ENTRY = (
    "INSERT INTO ledger_entry (account, seq, at, kind, debit, credit, gpu_seconds, lease, cause, actor, reason,"
    " granted, available, committed, spent, expired)"
    " SELECT a.id, {seq}, now(), {transfer}, {amount}, {lease}, 'test', {said}, {balances} FROM account a, lease l"
)
"""Beside one that commits 800 GPU-seconds of a lease."""


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        pytest.param({"seq": 1, "balances": "5, 0, 5, 0, 0"}, "pk_ledger_entry", id="a number that is taken"),
        pytest.param({"seq": 3}, "ledger_entry_follows", id="a number that leaves a gap"),
        pytest.param({"seq": 0}, "ledger_entry_follows", id="a number before the first"),
        pytest.param({"balances": "806, 0, 806, 0, 0"}, "ledger_entry_follows", id="a balance that does not follow"),
        pytest.param({"balances": "805, 5, 800, 0, 0"}, "ledger_entry_follows", id="another balance than it gives to"),
        pytest.param({"balances": "800, 0, 800, 0, 0"}, "ledger_entry_follows", id="a balance that it leaves alone"),
        pytest.param(
            {"transfer": "'settle', 'committed', 'spent'", "amount": 801, "balances": "800, 0, -1, 801, 0"},
            "ck_ledger_entry_balance",
            id="a negative balance",
        ),
        pytest.param(
            {"transfer": "'gift', 'source', 'committed'", "lease": "NULL"},
            "ck_ledger_entry_transfer",
            id="a kind that is none",
        ),
        pytest.param(
            {"transfer": "'commit', 'source', 'spent'", "balances": "805, 0, 800, 5, 0"},
            "ck_ledger_entry_transfer",
            id="a way that is not the kind's",
        ),
        pytest.param({"amount": -5, "balances": "795, 0, 795, 0, 0"}, "ck_ledger_entry_amount", id="less than nothing"),
        pytest.param({"amount": 0, "balances": "800, 0, 800, 0, 0"}, "ck_ledger_entry_amount", id="nothing"),
        pytest.param({"lease": "NULL"}, "ck_ledger_entry_lease", id="a commitment of no lease"),
        pytest.param(
            {"transfer": "'adjust', 'source', 'available'", "lease": "NULL", "balances": "805, 5, 800, 0, 0"},
            "ck_ledger_entry_adjusted",
            id="an adjustment by nobody and for nothing",
        ),
    ],
)
def test_the_ledger_takes_no_entry_that_does_not_follow(
    busy: World, values: dict[str, object], constraint: str
) -> None:
    right = {
        "seq": 2,
        "transfer": "'commit', 'source', 'committed'",
        "amount": 5,
        "lease": "l.id",
        "said": "NULL, NULL",
        "balances": "805, 0, 805, 0, 0",
    }
    with pytest.raises(IntegrityError, match=constraint):
        _run(busy, _ENTRY.format(**right | values))
    _run(busy, _ENTRY.format(**right))


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        pytest.param("UPDATE account SET committed = -1, granted = -1", "ck_account_balance", id="a negative balance"),
        pytest.param("UPDATE account SET spent = spent + 1", "ck_account_balanced", id="sums that do not add up"),
        pytest.param(
            "INSERT INTO account (company, pool, void, seq, granted, available, committed, spent, expired)"
            " SELECT company, pool, false, 0, 0, 0, 0, 0, 0 FROM account",
            "uq_account_owner",
            id="two accounts without a budget",
        ),
        pytest.param(
            "UPDATE account SET period = now(), target = 0", "ck_account_period", id="a period without an end"
        ),
        pytest.param(
            "UPDATE account SET period = now(), period_ends = now(), target = 0",
            "ck_account_period",
            id="a period of no time",
        ),
        pytest.param("UPDATE account SET target = 1", "ck_account_target", id="a target without a period"),
    ],
)
def test_an_account_is_never_what_it_cannot_be(busy: World, statement: str, constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        _run(busy, statement)


def test_an_account_is_not_removed(busy: World) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        _run(busy, "DELETE FROM account")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ledger_entry",
        "UPDATE ledger_entry SET cause = 'other' WHERE false",
        "TRUNCATE ledger_entry",
    ],
)
def test_not_even_the_owner_changes_the_ledger_by_mistake(busy: World, statement: str) -> None:
    with (
        psycopg.connect(busy.db.url) as connection,
        pytest.raises(psycopg.errors.RestrictViolation, match="append-only"),
    ):
        connection.execute(statement.encode())


CHANGES_OF_LOST = [
    "DELETE FROM allocation_loss",
    "UPDATE allocation_loss SET until = until - interval '1 second'",
    "UPDATE allocation_loss SET until = until + interval '1 second'",
    "UPDATE allocation_loss SET until = NULL",
    "UPDATE allocation_loss SET since = since - interval '1 second'",
    "UPDATE allocation_loss SET wrong = 'gpu_unhealthy'",
]
_LOSE = "INSERT INTO allocation_loss (allocation, since, until, wrong) SELECT id, {}, 'gpu_gone' FROM allocation"
SECOND = "interval '1 second'"


def _lost(world: World, *, at: int, back_at: int | None = None) -> None:
    """All GPUs are gone from then on, or for so long."""
    for node in ("n1", "n2"):
        world.report(node, now=at, gpus=0)
        if back_at is not None:
            world.report(node, now=back_at)


def _losses(world: World) -> int:
    with world.db.snapshot() as session:
        return session.connection().execute(text("SELECT count(*) FROM allocation_loss")).scalar_one()


@pytest.mark.parametrize("statement", CHANGES_OF_LOST)
def test_what_was_lost_and_is_over_is_never_changed_or_removed(busy: World, statement: str) -> None:
    _lost(busy, at=T0 + 20, back_at=T0 + 30)
    with pytest.raises(IntegrityError, match="what a lease lost"):
        _run(busy, statement)
    assert _losses(busy) == 8


@pytest.mark.parametrize("statement", [*CHANGES_OF_LOST, _LOSE.format(f"opened_at, opened_at + {SECOND}")])
def test_once_a_lease_is_settled_nothing_of_what_it_lost_is_changed_or_added(busy: World, statement: str) -> None:
    _lost(busy, at=T0 + 20)
    for _ in range(2):
        busy.turn(T0 + 101)
    with pytest.raises(IntegrityError, match="what a lease lost"):
        _run(busy, statement)
    assert _losses(busy) == 8


def test_what_was_given_back_in_a_silence_is_not_forgotten_before_its_node_is_heard(any_world: World) -> None:
    lease = any_world.ask(8, purpose="inference", min=1)
    any_world.turn(T0)
    for node in ("n1", "n2"):
        with any_world.db.begin() as session:
            fleet.set_silent(session, node, now=T0 + 20)
    any_world.shrink(lease, now=T0 + 30, gpus=5)
    given_back = "allocation IN (SELECT id FROM allocation WHERE given_back)"
    for change in ("DELETE FROM allocation_loss", "UPDATE allocation_loss SET wrong = 'gpu_gone'"):
        with pytest.raises(IntegrityError, match="what a lease lost"):
            _run(any_world, f"{change} WHERE {given_back}")
    assert _losses(any_world) == 8
    for node in ("n1", "n2"):
        any_world.report(node, now=T0 + 40)
    assert _losses(any_world) == 0


@pytest.mark.parametrize(
    "stretch",
    [
        pytest.param(f"to_timestamp({T0 + 29}), to_timestamp({T0 + 40})", id="from its last second on"),
        pytest.param(f"to_timestamp({T0 + 10}), to_timestamp({T0 + 21})", id="up to its first second"),
        pytest.param(f"to_timestamp({T0 + 22}), to_timestamp({T0 + 25})", id="in it"),
        pytest.param(f"to_timestamp({T0 + 10}), NULL", id="from before it on, without an end"),
    ],
)
def test_no_second_of_a_gpu_is_lost_twice(busy: World, stretch: str) -> None:
    _lost(busy, at=T0 + 20, back_at=T0 + 30)
    with pytest.raises(IntegrityError, match="is lost once"):
        _run(busy, _LOSE.format(stretch))
    _run(busy, _LOSE.format(f"to_timestamp({T0 + 30}), NULL"))
    _run(busy, _LOSE.format(f"to_timestamp({T0 + 10}), to_timestamp({T0 + 20})"))


def test_the_processes_cannot_give_themselves_rights(any_world: World) -> None:
    _run(any_world, "GRANT DELETE ON audit TO dure_app")
    with pytest.raises(ProgrammingError, match="permission denied"):
        _run(any_world, "DELETE FROM audit")
