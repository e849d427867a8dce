"""What would be different: now, and in a past that, with nothing changed, is lived again as it was."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from dure import wire
from dure.errors import InvalidRequest, Unavailable, UnknownCompany, UnknownNode, UnknownPool
from scheduler.core.model import Instant
from scheduler.store import books, past, pools, quotas
from scheduler.store.db import Database
from scheduler.whatifs import WhatIfs
from tests.integration.scheduler.conftest import ADMIN, T0, World
from tests.integration.scheduler.test_decisions import as_owner
from tests.integration.scheduler.test_history import Day, wire_time


def ask(world: World, *, now: float = T0, **said: Any) -> wire.WhatIfAnswer:
    what_ifs = WhatIfs(world.service.books)
    with world.db.snapshot() as session:
        case = what_ifs.read(session, wire.WhatIf.model_validate({"pool": "h100"} | said), now=now)
    return what_ifs.answer(case)


def stretch(world: World, until: float, **said: Any) -> wire.WhatIfAnswer:
    return ask(world, now=until + 1, since=wire_time(T0), until=wire_time(until), **said)


def proved(world: World, now: float) -> None:
    """The agents see that what ended is gone."""
    for node in ("n1", "n2"):
        ended = [held.allocation for held in world.report(node, now=now).allocations if held.ended]
        world.report(node, now=now, knew_ended=ended)


def rows(world: World) -> list[int]:
    tables = ("lease", "decision", "pool_change", "lease_event", "ledger_entry", "audit")
    with world.db.snapshot() as session:
        counts = " UNION ALL ".join(f"SELECT count(*) FROM {name}" for name in tables)
        return list(session.connection().exec_driver_sql(counts).scalars())


def test_a_larger_quota_would_pull_in_who_waits_for_it_and_changes_nothing(world: World) -> None:
    with world.db.begin() as session:
        quotas.put(session, "acme", "h100", wire.QuotaSet(gpus=8), actor=ADMIN, now=T0)
    world.ask(8, duration_s=1000)
    waits = world.ask(8, duration_s=100, notice_s=0)
    before = rows(world)
    found = ask(world, quotas=[{"company": "acme", "gpus": 16}])
    [one] = found.differences
    assert (one.lease, one.change, one.by_s) == (waits.id, "earlier", -1000)
    assert one.before.promised_start == one.after.promised_start == waits.promised_start
    assert found.totals["earlier"] == 1
    assert rows(world) == before
    assert ask(world, quotas=[{"company": "acme", "gpus": 8}]).differences == []


def test_a_node_more_would_take_what_is_queued(world: World) -> None:
    world.ask(16, duration_s=1000)
    waits = world.ask(8, who="globex", start_by=wire_time(T0 + 300))
    found = ask(world, add_nodes=[{"count": 1, "gpus": 8}])
    [one] = found.differences
    assert (one.lease, one.change) == (waits.id, "granted")
    assert found.summary == ("Of 2 leases that wait, 1 would stand differently: 1 with a promise instead of none.")


def test_a_node_less_moves_and_drops_and_says_who_runs_on_it(world: World) -> None:
    runs = world.ask(16, duration_s=1000)
    world.turn(T0)
    waits = world.ask(16, who="globex", duration_s=100)
    found = ask(world, remove_nodes=["n1"], now=T0 + 1)
    assert found.struck == [runs.id]
    [one] = found.differences
    assert (one.lease, one.change, one.after.promised_start) == (waits.id, "lost", None)


def test_who_was_refused_would_be_granted(world: World) -> None:
    refused = world.ask(17)
    assert refused.state is wire.LeaseState.REFUSED
    found = ask(world, add_nodes=[{"count": 1, "gpus": 8}], quotas=[{"company": "acme", "gpus": 24}])
    [one] = found.differences
    assert (one.lease, one.before.state, one.after.state) == (refused.id, "refused", "scheduled")
    assert "1 ask refused in the last days would be promised a start" in found.summary


@pytest.mark.parametrize("seed", range(2))
def test_a_random_day_that_is_lived_again_with_nothing_changed_is_the_day(database: Database, seed: int) -> None:
    day = Day(World(database).found(slack_ppm=200_000), seed)
    for _ in range(70):
        day.go_on()
    found = stretch(day.world, day.now + 1)
    assert (found.unlike, found.differences, found.complete) == ([], [], True)
    assert found.decisions > 15
    middle = ask(day.world, now=day.now + 2, since=wire_time((T0 + day.now) // 2))
    assert (middle.unlike, middle.differences) == ([], [])


@pytest.mark.parametrize("seed", range(2))
def test_a_quota_that_would_not_have_mattered_changes_nothing_in_a_random_day(database: Database, seed: int) -> None:
    day = Day(World(database).found(slack_ppm=200_000), seed)
    for _ in range(40):
        day.go_on()
        day.now += 1  # the loop is never asleep for longer
        day.tick()
    found = stretch(day.world, day.now + 1, quotas=[{"company": "globex", "gpus": 16}])
    assert (found.unlike, found.differences) == ([], [])


def test_a_node_more_would_have_started_a_lease_at_once(world: World) -> None:
    runs = world.ask(8, duration_s=1000, who="acme", now=T0)
    other = world.ask(8, duration_s=500, who="globex", now=T0)
    world.turn(T0)
    waits = world.ask(8, duration_s=400, who="acme", now=T0 + 10)
    last = world.ask(8, duration_s=100, who="globex", now=T0 + 20)
    assert (waits.promised_start, last.promised_start) != (None, None)
    for second in (500, 510, 511, 520, 521, 560, 910, 911, 920, 921, 922, 1011, 1020, 1030):
        world.turn(T0 + second)
        proved(world, T0 + second)
    found = stretch(world, T0 + 1031, add_nodes=[{"count": 1, "gpus": 8}])
    assert found.unlike == []
    changes = {one.lease: (one.change, one.by_s) for one in found.differences}
    assert runs.id not in changes
    assert other.id not in changes
    assert changes[waits.id] == ("earlier", -500)


def test_another_rule_would_have_promised_otherwise(database: Database) -> None:
    """With slack, late slots promise a start later than the earliest; earliest slots promise that."""
    world = World(database).found(nodes_=("n1",), slack_ppm=500_000)
    world.ask(8, duration_s=1000, now=T0)
    world.turn(T0)
    waits = world.ask(8, who="globex", duration_s=400, now=T0 + 10)
    assert waits.promised_start is not None
    assert waits.promised_start.timestamp() == T0 + 1010 + 200
    found = stretch(world, T0 + 100, policy={"rule": "earliest-slot"})
    assert found.unlike == []
    [one] = found.differences
    assert (one.lease, one.change, one.by_s) == (waits.id, "earlier", -200)


def test_a_node_less_in_the_past_names_what_ran_on_it_and_what_would_have_waited(world: World) -> None:
    runs = world.ask(16, duration_s=1000, now=T0)
    world.turn(T0)
    waits = world.ask(8, who="globex", duration_s=100, now=T0 + 10)
    since = wire_time(T0 + 5)
    for node in ("n1", "n2"):
        found = ask(world, now=T0 + 101, since=since, until=wire_time(T0 + 100), remove_nodes=[node])
        assert (found.struck, found.unlike, found.differences) == ([runs.id], [], [])
        assert found.summary.endswith("come out as they did.")
        assert "1 lease ran on a node that would have been gone." in found.summary
    whole = world.ask(16, who="globex", duration_s=50, now=T0 + 110)
    assert (waits.state, whole.state) == ("scheduled", "scheduled")
    later = ask(world, now=T0 + 201, since=since, until=wire_time(T0 + 200), remove_nodes=["n2"])
    assert [(one.lease, one.change) for one in later.differences] == [(whole.id, "lost")]


def test_a_history_that_was_changed_is_said_not_to_be_the_one_compared_with(world: World) -> None:
    world.ask(8)
    lease = world.ask(12, now=T0 + 1)
    as_owner(world, "UPDATE pool_change SET value = value || '{\"capacity\": 7}' WHERE kind = 'node'")
    found = stretch(world, T0 + 10)
    assert lease.decision.id in found.unlike
    assert "come out differently" in found.summary


def test_a_stretch_that_is_cut_short_says_how_far_it_went(world: World) -> None:
    for second in range(10, 15):
        world.ask(1, now=T0 + second)
    ticks = iter(range(0, 100, 2))
    what_ifs = WhatIfs(world.service.books, monotonic=lambda: next(ticks))
    with world.db.snapshot() as session:
        body = wire.WhatIf(pool="h100", since=datetime.fromtimestamp(T0 + 10, UTC))
        found = what_ifs.answer(what_ifs.read(session, body, now=T0 + 100))
    assert not found.complete
    assert found.decisions == 2
    assert found.until.timestamp() == T0 + 12


@pytest.mark.parametrize(
    ("said", "error", "says"),
    [
        pytest.param({"quotas": [{"company": "nobody", "gpus": 1}]}, UnknownCompany, "nobody", id="an unknown company"),
        pytest.param({"remove_nodes": ["n9"]}, UnknownNode, "n9", id="an unknown node"),
        pytest.param({"pool": "h200", "remove_nodes": ["n1"]}, UnknownPool, "h200", id="an unknown pool"),
        pytest.param({"since": wire_time(T0 + 500)}, InvalidRequest, "since", id="a stretch in the future"),
        pytest.param(
            {"since": wire_time(T0 - 40 * 86_400), "until": wire_time(T0)},
            InvalidRequest,
            "31 days",
            id="too long a stretch",
        ),
        pytest.param({}, ValidationError, "say what would be different", id="nothing"),
        pytest.param({"until": wire_time(T0)}, ValidationError, "until needs since", id="until alone"),
        pytest.param(
            {"since": wire_time(T0), "until": wire_time(T0)},
            ValidationError,
            "until comes after since",
            id="an empty stretch",
        ),
        pytest.param({"add_nodes": [{"count": 0, "gpus": 8}]}, ValidationError, "count", id="no nodes"),
        pytest.param({"policy": {"rule": "random"}}, ValidationError, "rule", id="no rule"),
    ],
)
def test_a_question_that_cannot_be_meant_is_answered_with_what_is_wrong(
    world: World, said: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        ask(world, now=T0 + 100, **said)


@pytest.mark.parametrize("most", [past.Most(decisions=2), past.Most(changes=2)], ids=["decisions", "changes"])
def test_too_much_history_says_until_when_there_is_room(world: World, most: past.Most) -> None:
    for second in range(10, 14):
        world.ask(1, now=T0 + second)
    with world.db.snapshot() as session:
        policy = books.policy(pools.row(session, "h100"))
        with pytest.raises(past.TooLong) as caught:
            past.read(session, "h100", policy, Instant(T0 + 10), Instant(T0 + 100), most)
    assert caught.value.until == T0 + 12


def test_one_question_is_worked_out_at_a_time(world: World) -> None:
    world.ask(1, now=T0 + 10)

    def asked_meanwhile() -> float:
        with pytest.raises(Unavailable):
            what_ifs.answer(case)
        return 0.0

    what_ifs = WhatIfs(world.service.books, monotonic=asked_meanwhile)
    with world.db.snapshot() as session:
        body = wire.WhatIf(pool="h100", since=datetime.fromtimestamp(T0, UTC))
        case = what_ifs.read(session, body, now=T0 + 100)
    assert what_ifs.answer(case).decisions == 1


def test_who_waited_is_seen_as_it_asked_though_it_was_granted_less_since(database: Database) -> None:
    world = World(database).found()
    first = world.ask(16, who="globex", duration_s=59 * 86_400)
    world.turn(T0)
    lease = world.ask(8, duration_s=2 * 86_400, purpose="inference", min=2, notice_s=0, now=T0 + 1)
    world.shrink(first, now=T0 + 100, gpus=13)
    world.turn(T0 + 101)
    assert (world.lease(lease).state, world.lease(lease).shape.gpus) == (wire.LeaseState.SCHEDULED, 3)
    found = ask(world, now=T0 + 201, since=wire_time(T0 + 50), until=wire_time(T0 + 200))
    assert (found.unlike, found.differences) == ([], [])
