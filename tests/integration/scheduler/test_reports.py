"""What the allocator makes of reports: good ones, repeated ones, and nonsense."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from dure import wire
from dure.errors import GpuClaimed, InvalidRequest, StaleReport, UnknownNode
from scheduler.store import due, heard, nodes, receiving
from scheduler.turns import silence
from tests.integration.scheduler.conftest import DAY, T0, World


def _generation(world: World) -> int:
    with world.db.snapshot() as session:
        return session.connection().execute(text("SELECT generation FROM pool")).scalar_one()


def _node(world: World, name: str, now: float = T0) -> wire.Node:
    with world.db.snapshot() as session:
        return nodes.get(session, name, now=now)


def _silence(world: World, now: float, *, receiving_since: float = T0) -> list[str]:
    world.listens(receiving_since, now)
    with world.db.begin() as session:
        return [node for node in due.silent(session) if silence.mark(session, node, now=now)]


def _found_silent(world: World) -> list[str]:
    with world.db.snapshot() as session:
        return due.silent(session)


def test_a_report_that_changes_nothing_does_not_touch_the_pool(world: World) -> None:
    before = _generation(world)
    world.report("n1", now=T0 + 2)
    assert _generation(world) == before


def test_a_report_from_an_unknown_node_is_refused(world: World) -> None:
    with pytest.raises(UnknownNode):
        world.report("n9", now=T0)


def test_an_older_report_of_the_same_agent_is_refused_and_the_same_one_is_answered_again(world: World) -> None:
    world.report("n1", now=T0 + 1)
    world.seq -= 1
    world.report("n1", now=T0 + 2)
    world.seq -= 2
    with pytest.raises(StaleReport):
        world.report("n1", now=T0 + 3)
    world.report("n1", now=T0 + 4, boot="boot2")


def test_a_gpu_of_another_node_cannot_be_claimed(world: World) -> None:
    reading = wire.GpuReading(uuid="GPU-n2-0", index=0, product="NVIDIA H100 80GB HBM3", health="ok")
    report = wire.Report(boot="b", seq=1, sent_at=T0, interval_s=1, agent_version="1", gpus=[reading])
    from scheduler.store import reports

    with pytest.raises(GpuClaimed, match="n2"), world.db.begin() as session:
        reports.take(session, "n1", report, now=T0)


def test_a_clock_a_day_off_is_noted_and_decides_nothing(world: World) -> None:
    lease = world.ask(8)
    world.turn(T0)
    from scheduler.store import reports

    report = wire.Report(boot="b", seq=1, sent_at=T0 + 86_400, interval_s=1, agent_version="1", gpus=[])
    with world.db.begin() as session:
        reports.take(session, "n2", report, now=T0)
    assert _node(world, "n2").clock_offset_s == 86_400
    assert world.lease(lease).ends_at == lease.ends_at


def test_running_totals_count_once_however_often_they_come(world: World) -> None:
    world.ask(8)
    world.turn(T0)
    allocation = world.report("n1", now=T0 + 1).allocations[0].allocation
    for busy in (1000, 3000, 3000, 2000):
        use = wire.AllocationUsage(day_began_at=DAY, allocation=allocation, sampled_ms=5000, busy_ms=busy)
        world.report("n1", now=T0 + 2, usage=[use])
    use = wire.AllocationUsage(day_began_at=DAY, allocation=allocation, sampled_ms=500, busy_ms=500)
    world.report("n1", now=T0 + 3, usage=[use], boot="boot2")
    world.report("n2", now=T0 + 3, usage=[use], boot="forger")
    with world.db.snapshot() as session:
        total = session.connection().execute(text("SELECT sum(busy_ms) FROM allocation_use")).scalar_one()
    assert total == 3500


def test_more_busy_than_sampled_is_refused(world: World) -> None:
    use = wire.AllocationUsage(day_began_at=DAY, allocation="alo_1", sampled_ms=1, busy_ms=2)
    with pytest.raises(InvalidRequest, match="busy"):
        world.report("n1", now=T0 + 1, usage=[use])


def _uses(world: World) -> list[tuple[object, ...]]:
    names = "day, sampled_ms, energy_millijoules, memory_ms, memory_mebibyte_s"
    with world.db.snapshot() as session:
        rows = session.connection().execute(text(f"SELECT {names} FROM allocation_use ORDER BY day"))
        return [tuple(row) for row in rows]


def test_use_of_days_beyond_tomorrow_is_passed_over_and_the_rest_of_the_report_is_taken(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.ask(4)
    world.turn(T0)
    allocation = world.report("n1", now=T0 + 1).allocations[0].allocation
    uses = [
        wire.AllocationUsage(allocation=allocation, day_began_at=DAY + timedelta(days=ahead), sampled_ms=9, busy_ms=1)
        for ahead in range(4)
    ]
    world.report("n1", now=T0 + 2, usage=uses, sick=[7])
    assert [day for day, *_ in _uses(world)] == [DAY.date(), DAY.date() + timedelta(days=1)]
    assert world.gpus()["unhealthy"] == 1
    assert capsys.readouterr().out.count("report.future_day") == 1


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"energy_millijoules": 1 << 62, "memory_ms": 10_000, "memory_mebibyte_s": 800_000}, (None, 10_000, 800_000)),
        ({"energy_millijoules": 7_000_000, "memory_ms": 10_000, "memory_mebibyte_s": 1 << 62}, (7_000_000, 0, 0)),
        (
            {"energy_millijoules": 200_000_000, "memory_ms": 1000, "memory_mebibyte_s": 2 << 20},
            (200_000_000, 1000, 2 << 20),
        ),
        ({"energy_millijoules": 200_000_001, "memory_ms": 1000, "memory_mebibyte_s": 1 + (2 << 20)}, (None, 0, 0)),
        ({"energy_millijoules": 1 << 62, "memory_ms": 0, "memory_mebibyte_s": 5}, (None, 0, 0)),
    ],
)
def test_more_use_than_a_gpu_can_have_is_unknown_use_and_the_report_is_taken(
    world: World, said: dict[str, int], kept: tuple[int | None, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    world.ask(8)
    world.turn(T0)
    allocation = world.report("n1", now=T0 + 1).allocations[0].allocation
    use = wire.AllocationUsage(day_began_at=DAY, allocation=allocation, sampled_ms=10_000, busy_ms=1, **said)
    world.report("n1", now=T0 + 2, usage=[use])
    assert _uses(world) == [(DAY.date(), 10_000, *kept)]
    possible = kept == tuple(said.values())
    assert ("report.impossible_use" in capsys.readouterr().out) != possible


def test_a_sick_gpu_is_granted_to_nobody_until_it_is_well(world: World) -> None:
    world.report("n1", now=T0 + 1, health="unhealthy")
    assert world.gpus() == {"unhealthy": 8, "free": 8}
    assert world.ask(16, shape={"nodes": 2, "gpus_per_node": 8}).state == "queued"
    world.report("n1", now=T0 + 2)
    assert world.gpus() == {"free": 16}


def test_a_gpu_that_is_reported_no_more_leaves_the_pool(world: World) -> None:
    world.report("n1", now=T0 + 1, gpus=7)
    assert world.gpus() == {"free": 15}


def test_a_silent_node_gets_no_new_starts_and_is_taken_back_when_it_speaks(world: World) -> None:
    lease = world.ask(8)
    world.turn(T0)
    assert _silence(world, T0 + 5) == []
    world.report("n2", now=T0 + 6)
    assert _silence(world, T0 + 7) == ["n1"]
    assert world.lease(lease).state == "active"
    assert _node(world, "n1").state == "unknown"
    assert world.ask(8, now=T0 + 7, duration_s=10).placement[0].node == "n2"
    world.report("n1", now=T0 + 8)
    assert _node(world, "n1").state == "ok"
    assert world.gpus()["leased"] == 8


def test_silence_is_not_counted_while_nobody_could_receive_and_a_dead_agent_is_noticed_soon_after(world: World) -> None:
    lease = world.ask(16)
    world.turn(T0)
    back = T0 + 90
    assert _silence(world, back + heard.BACK_WITHIN_S, receiving_since=back) == []
    world.report("n1", now=back + heard.BACK_WITHIN_S)
    assert _silence(world, back + heard.BACK_WITHIN_S + 1, receiving_since=back) == ["n2"]
    assert world.lease(lease).degraded


def test_a_node_that_was_heard_after_the_outage_is_silent_after_three_intervals_as_ever(world: World) -> None:
    back = T0 + 90
    world.listens(back, back)
    world.report("n1", now=back + 1)
    assert _silence(world, back + 7, receiving_since=back) == []
    assert _silence(world, back + 8, receiving_since=back) == ["n1"]


def test_silence_ends_where_we_know_of_no_time_any_more_in_which_we_could_hear(world: World) -> None:
    """All replicas were taken away a moment before the node would have been silent, and nothing says since when."""
    world.listens(T0, T0 + 6)
    assert _found_silent(world) == []
    world.listens(T0 + 30, T0 + 32)
    assert _found_silent(world) == []


def _hear(world: World, now: float, *nodes_: str) -> None:
    """An API replica says that it takes reports, and these nodes report to it."""
    with world.db.begin() as session:
        receiving.beat(session, now=now)
    for node in nodes_:
        world.report(node, now=now)


def test_a_clock_that_goes_back_makes_no_node_silent_that_reports_and_hides_none_that_is_dead(world: World) -> None:
    for at in range(60, 70, 2):
        _hear(world, T0 + at, "n1", "n2")
    for at in range(0, 22, 2):
        _hear(world, T0 + at, "n1")
        assert "n1" not in _found_silent(world)
    assert _found_silent(world) == ["n2"]


def test_one_beat_of_a_clock_that_is_ahead_stops_no_silence_and_makes_none(world: World) -> None:
    for at in range(0, 6, 2):
        _hear(world, T0 + at, "n1", "n2")
    _hear(world, T0 + 600)
    assert _found_silent(world) == []
    for at in range(6, 30, 2):
        _hear(world, T0 + at, "n1")
        assert "n1" not in _found_silent(world)
    assert _found_silent(world) == ["n2"]


def test_a_beat_that_waited_for_the_database_begins_no_new_stretch_and_counts_no_time_twice(world: World) -> None:
    for at in (0, 2, 4, 1, 3, 4, 6):
        _hear(world, T0 + at)
    with world.db.snapshot() as session:
        assert receiving.stretch(session) == receiving.Stretch(T0, T0 + 6, 6)


def test_a_dead_node_is_noticed_though_the_api_is_held_again_and_again_and_those_that_report_are_not(
    world: World,
) -> None:
    """4.2 s in every 16.2 s nobody can be heard: the 26 s that the node has are over three such times later."""
    for at in range(0, 14, 2):
        _hear(world, T0 + at, "n1", "n2")
    noticed: list[float] = []
    for at in [T0 + turn * 16.2 + at for turn in range(1, 4) for at in range(0, 14, 2)]:
        _hear(world, at, "n1")
        silent = _found_silent(world)
        assert "n1" not in silent
        noticed += [at] if "n2" in silent else []
    assert 26 < noticed[0] - (T0 + 12) < 26 + 3 * 4.2 + 2.1


def test_a_report_by_way_of_a_replica_of_the_release_before_is_a_report(world: World) -> None:
    """It does not note how long replicas had listened."""
    world.listens(T0, T0 + 40)
    with world.db.begin() as session:
        session.connection().execute(text("UPDATE node SET last_report_at = to_timestamp(:at)"), {"at": T0 + 39})
    assert _found_silent(world) == []


def test_a_node_with_a_long_interval_has_three_of_them_from_when_it_could_be_heard(world: World) -> None:
    for node in ("n1", "n2"):
        world.report(node, now=T0 + 1, interval_s=10)
    back = T0 + 90
    assert _silence(world, back + 30, receiving_since=back) == []
    assert _silence(world, back + 31, receiving_since=back) == ["n1", "n2"]


def test_a_node_of_a_product_that_no_pool_names_is_shown_as_unpooled(world: World) -> None:
    from scheduler.store import reports
    from tests.integration.scheduler.conftest import ADMIN

    reading = wire.GpuReading(uuid="GPU-x", index=0, product="Abacus 3000", health="ok")
    report = wire.Report(boot="b", seq=1, sent_at=T0, interval_s=1, agent_version="1", gpus=[reading])
    with world.db.begin() as session:
        nodes.enroll(session, wire.NodeEnroll(name="odd"), actor=ADMIN, now=T0)
        reports.take(session, "odd", report, now=T0)
    assert [gpu.state for gpu in _node(world, "odd").gpus] == ["unpooled"]
