"""What is said of the database, the processes and the ledger: facts in, findings out."""

from dataclasses import replace

import pytest

from scheduler.checkup import house
from scheduler.checkup.facts import Database, Fleet, House, Ledger, Process

NOW = 1_000_000.0
DATABASE = Database(
    version="18.1",
    number=180_001,
    size_bytes=1 << 30,
    connections=10,
    most_connections=100,
    round_trip_s=0.001,
    archiving=True,
    archived_at=NOW - 60,
    archive_failed_at=None,
    schema="head",
    migrating=False,
)
LEADER = Process(
    name="one:7",
    kind="scheduler",
    version="2",
    started_at=NOW - 600,
    seen_at=NOW - 2,
    leads=True,
    turned_at=NOW - 3,
    step_s=0.0,
)
NOTHING = Fleet(
    agents=(),
    pools=(),
    clusters=(),
    quarantined={},
    unhealthy={},
    suspect={},
    violations={},
    overdue=(),
    degraded=(),
    webhooks=(),
    unsent=0,
    unsent_since=None,
    tokens=(),
)


def a_house(*processes: Process, **more: float | None) -> House:
    said = {"receiving_since": NOW - 60, "machine_offset_s": 0.1, **more}
    return House(database=DATABASE, processes=processes or (LEADER,), ledger=None, fleet=NOTHING, **said)


def test_a_database_that_is_well_is_told_with_its_numbers() -> None:
    [found, archive] = house.database(DATABASE, now=NOW)
    assert (found.ok, found.said) == (True, "PostgreSQL 18.1, 1.0 GiB, 10 of 100 connections, answers in 1.0 ms")
    assert (archive.ok, archive.said) == (True, "the log was last archived 1m ago")


@pytest.mark.parametrize(
    ("changed", "essential", "words"),
    [
        ({"number": 140_011, "version": "14.11"}, True, "15 or newer is needed"),
        ({"connections": 86}, True, "86 of 100 connections are in use"),
        ({"round_trip_s": 0.2}, False, "200 ms"),
        ({"archiving": False}, False, "no point in time can be recovered"),
        ({"archive_failed_at": NOW - 30}, True, "archiving the log last failed 30s ago"),
        ({"archived_at": NOW - 7200}, False, "nothing was archived for 2h"),
    ],
)
def test_what_is_amiss_of_a_database_is_named(changed: dict[str, float], essential: bool, words: str) -> None:
    amiss = [one for one in house.database(replace(DATABASE, **changed), now=NOW) if one.ok is False]
    assert [(one.essential, words in one.said) for one in amiss] == [(essential, True)]


def test_an_archive_that_failed_and_went_well_since_is_well_and_an_empty_one_is_not_called_so() -> None:
    [_, found] = house.database(replace(DATABASE, archive_failed_at=NOW - 90), now=NOW)
    assert found.ok is True
    [_, found] = house.database(replace(DATABASE, archived_at=None), now=NOW)
    assert found.ok is None


def test_a_schema_that_this_api_can_work_with_and_was_not_made_for_is_worth_a_look() -> None:
    found = house.migrations(DATABASE, "next")
    assert (found.ok, found.essential) == (False, False)
    assert house.migrations(replace(DATABASE, migrating=True), "head").essential


def test_a_step_of_the_clock_stops_leases_from_ending_and_an_offset_does_not() -> None:
    [found] = house.clock(a_house(replace(LEADER, step_s=-9.0)), now=NOW)
    assert (found.ok, found.essential, "-9.0 s for one:7" in found.said) == (False, True, True)
    [found] = house.clock(a_house(machine_offset_s=-61.0), now=NOW)
    assert (found.ok, found.essential, "1m1s behind" in found.said) == (False, False, True)
    gone = replace(LEADER, step_s=-9.0, seen_at=NOW - 100)
    assert [one.ok for one in house.clock(a_house(gone, machine_offset_s=None), now=NOW)] == [True]


def test_a_leader_that_turned_and_one_that_stands_by_are_well() -> None:
    other = replace(LEADER, name="two:7", leads=False, turned_at=None)
    assert [one.ok for one in house.schedulers([LEADER, other], now=NOW)] == [True, True]
    [_, alone] = house.schedulers([LEADER], now=NOW)
    assert (alone.ok, alone.essential) == (False, False)


def test_of_two_that_say_they_lead_the_one_that_turns_is_it() -> None:
    stopped = replace(LEADER, name="old:7", turned_at=NOW - 18, seen_at=NOW - 18)
    assert "one:7 leads" in house.schedulers([stopped, LEADER], now=NOW)[0].said


def test_a_loop_that_has_not_turned_yet_is_not_called_well() -> None:
    assert house.schedulers([replace(LEADER, turned_at=None)], now=NOW)[0].ok is None


def test_versions_that_differ_are_named() -> None:
    assert house.versions([LEADER], "2", now=NOW).ok is True
    assert "one:7 (scheduler) is 2" in house.versions([LEADER], "3", now=NOW).said


@pytest.mark.parametrize(
    ("found", "ok", "words"),
    [
        (None, None, "dure ledger verify"),
        (Ledger(at=NOW - 60, accounts=2, entries=9, faults=0), True, "9 entries of 2 accounts added up 1m ago"),
        (Ledger(at=NOW - 60, accounts=2, entries=9, faults=1), False, "1 fault when it was added up 1m ago"),
        (Ledger(at=NOW - 300_000, accounts=2, entries=9, faults=0), False, "last added up 3d11h ago"),
    ],
)
def test_a_ledger_is_well_that_added_up_lately(found: Ledger | None, ok: bool | None, words: str) -> None:
    said = house.ledger(found, now=NOW)
    assert (said.ok, words in said.said) == (ok, True), said
