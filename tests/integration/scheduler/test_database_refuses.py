"""What the code must never do, the database refuses: tried as the processes' own role, on both PostgreSQLs."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

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


def test_the_processes_cannot_give_themselves_rights(any_world: World) -> None:
    _run(any_world, "GRANT DELETE ON audit TO dure_app")
    with pytest.raises(ProgrammingError, match="permission denied"):
        _run(any_world, "DELETE FROM audit")
