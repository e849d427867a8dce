"""A policy is put whole or not at all, from the version that is live, and everything that changes one is in one history."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from dure import policy_file, wire
from dure.errors import DureError, InvalidRequest, PolicyMoved, PolicyRefused, UnknownPolicy, UnknownPool
from scheduler import decisions, policies, replays
from scheduler.store import audit, books, pools
from scheduler.store import policies as versions
from scheduler.store.db import Database
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, GAP_S, T0, World

HOUR = 3600


def live(world: World, number: int | None = None) -> wire.Policy:
    with world.db.snapshot() as session:
        return versions.at(session, number)


def wanted(world: World, *, version: int | None = None, zone: str | None = None, **said: Any) -> wire.PolicyPut:
    """The live policy with what is said of pool h100."""
    found = live(world)
    programme = found.programme if zone is None else wire.ProgrammePolicy(zone=zone)
    mine = wire.PoolPolicy.model_validate({**found.pools["h100"].model_dump(), **said})
    return wire.PolicyPut(version=version or found.version, programme=programme, pools={**found.pools, "h100": mine})


def put(world: World, body: wire.PolicyPut, *, now: float = T0, why: str | None = None) -> wire.PolicyApplied:
    with world.db.begin() as session:
        session.info[audit.REASON] = why
        return policies.put(world.service, session, body, actor=ADMIN, now=now)


def preview(world: World, body: wire.PolicyPut, *, now: float = T0) -> wire.PolicyApplied:
    with world.db.snapshot() as session:
        return policies.preview(world.service, session, body, now=now)


def history(world: World) -> list[wire.PolicyVersion]:
    with world.db.snapshot() as session:
        return versions.page(session, after=None, limit=50).items


def add_pool(world: World, name: str, **more: Any) -> None:
    with world.db.begin() as session:
        pools.add(session, wire.PoolCreate(name=name, product=name.upper(), **more), actor=ADMIN, now=T0)


def test_a_policy_that_is_put_is_the_next_version_and_what_pools_promise_by(world: World) -> None:
    before = live(world)
    applied = put(world, wanted(world, slack_ppm=500_000, gap_s=5, zone="Asia/Seoul"), now=T0 + 1, why="a try")
    assert (applied.version, applied.already) == (before.version + 1, False)
    assert {one.where: (one.before, one.after) for one in applied.changes} == {
        "programme.zone": ("UTC", "Asia/Seoul"),
        "pools.h100.gap_s": (GAP_S, 5),
        "pools.h100.slack_ppm": (0, 500_000),
    }
    after = live(world)
    assert (after.version, after.actor, after.reason) == (applied.version, str(ADMIN), "a try")
    assert (after.programme.zone, after.pools["h100"].gap_s) == ("Asia/Seoul", 5)
    assert live(world, before.version) == before, "the earlier version stays as it was"
    with world.db.snapshot() as session:
        row = pools.row(session, "h100")
        assert (books.policy(row).gap_s, books.policy(row).number) == (5, applied.version)


def test_every_decision_says_by_which_version_it_was_made_and_is_made_again(world: World) -> None:
    first = world.ask(16, duration_s=HOUR)
    applied = put(world, wanted(world, slack_ppm=500_000, gap_s=5), now=T0 + 1)
    second = world.ask(8, now=T0 + 2, duration_s=HOUR, who="globex")
    assert (first.decision.policy_number, second.decision.policy_number) == (applied.version - 1, applied.version)
    assert second.promised_start == to_wire(T0 + HOUR + 5 + 1800)
    with world.db.snapshot() as session:
        for lease in (first, second):
            shown = decisions.show(session, lease.decision.id or "", actor=ADMIN)
            assert shown.policy_number == lease.decision.policy_number == shown.policy["number"]
            replays.replay(session, shown.id, actor=ADMIN)


def test_what_the_live_version_says_already_is_no_new_version_whatever_it_was_made_from(world: World) -> None:
    body = wanted(world, slack_ppm=7)
    assert put(world, body).version == body.version + 1
    again = put(world, body)
    assert (again.already, again.version, again.changes) == (True, body.version + 1, [])
    assert len(history(world)) == body.version + 1


def test_a_policy_made_from_an_earlier_version_is_refused_and_nothing_of_it_holds(world: World) -> None:
    mine, theirs = wanted(world, slack_ppm=7), wanted(world, reserve_ppm=9)
    put(world, theirs)
    for way in (put, preview):
        with pytest.raises(
            PolicyMoved, match="this was made from version 2 of the policy, and version 3, by admin"
        ) as told:
            way(world, mine)
        assert told.value.numbers == {"version": 2, "live": 3}
    assert live(world).pools["h100"].slack_ppm == 0


def test_of_two_who_put_at_the_same_moment_one_is_told_that_it_moved(world: World) -> None:
    bodies = [wanted(world, slack_ppm=slack) for slack in range(1, 7)]

    def attempt(body: wire.PolicyPut) -> wire.PolicyApplied | DureError:
        try:
            return put(world, body)
        except PolicyMoved as error:
            return error

    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(attempt, bodies))
    assert sum(isinstance(one, wire.PolicyApplied) for one in found) == 1
    assert sum(isinstance(one, PolicyMoved) for one in found) == 5
    assert live(world).version == 3


def test_a_policy_names_every_pool_and_no_other(world: World) -> None:
    add_pool(world, "a100")
    whole = wanted(world, slack_ppm=7)
    less = whole.model_copy(update={"pools": {"h100": whole.pools["h100"]}})
    more = whole.model_copy(update={"pools": {**whole.pools, "h200": wire.PoolPolicy()}})
    for way in (put, preview):
        with pytest.raises(InvalidRequest, match="a100 is missing"):
            way(world, less)
        with pytest.raises(UnknownPool, match="there is no pool h200"):
            way(world, more)
    assert live(world).pools["h100"].slack_ppm == 0


def test_nothing_of_a_policy_holds_where_one_pool_refuses_it(world: World) -> None:
    add_pool(world, "a100")
    world.ask(16, duration_s=100)
    world.ask(16, duration_s=100, who="globex")
    body = wanted(world, gap_s=60)
    body = body.model_copy(update={"pools": {**body.pools, "a100": wire.PoolPolicy(slack_ppm=1)}})
    with pytest.raises(PolicyRefused):
        put(world, body)
    assert (live(world).version, live(world).pools["a100"].slack_ppm) == (3, 50_000)
    with world.db.snapshot() as session:
        assert (pools.get(session, "a100", now=T0).slack_ppm, pools.get(session, "h100", now=T0).gap_s) == (
            50_000,
            GAP_S,
        )


def test_a_pool_that_is_added_and_one_that_is_changed_are_versions_of_the_same_history(world: World) -> None:
    add_pool(world, "a100", slack_ppm=3)
    with world.db.begin() as session:
        session.info[audit.REASON] = "for June"
        policies.change_policy(world.service, session, "h100", wire.PolicyChange(slack_ppm=4), actor=ADMIN, now=T0 + 5)
    newest, added, *_ = history(world)
    assert (newest.version, newest.reason, newest.changes) == (
        4,
        "for June",
        [wire.PolicyDifference(where="pools.h100.slack_ppm", before=0, after=4)],
    )
    assert added.version == 3
    assert {one.where: one.after for one in added.changes}["pools.a100.slack_ppm"] == 3
    assert {one.before for one in added.changes} == {None}
    with world.db.snapshot() as session:
        numbers = {name: pools.get(session, name, now=T0).policy_number for name in ("a100", "h100")}
    assert numbers == {"a100": 3, "h100": 4}, "each promises by the version that changed something for it"


def test_a_change_of_a_pool_that_changes_nothing_is_no_version(world: World) -> None:
    with world.db.begin() as session:
        policies.change_policy(world.service, session, "h100", wire.PolicyChange(slack_ppm=0), actor=ADMIN, now=T0)
    assert live(world).version == 2


def test_a_change_that_contradicts_what_is_there_is_refused(world: World) -> None:
    put(world, wanted(world, grace_s=60))
    body = wire.PolicyChange(extension_closes_s=59)
    with (
        world.db.begin() as session,
        pytest.raises(InvalidRequest, match="extension_closes_s: a lease is never extended"),
    ):
        policies.change_policy(world.service, session, "h100", body, actor=ADMIN, now=T0)


def test_a_longer_gap_keeps_every_promise_or_is_refused_with_who_is_in_the_way(world: World) -> None:
    first = world.ask(16, duration_s=100)
    second = world.ask(16, duration_s=100, who="globex")
    assert second.promised_start == to_wire(T0 + 100 + GAP_S)
    for way in (put, preview):
        with pytest.raises(PolicyRefused, match=f"promised in pool h100: {second.id} begin sooner") as told:
            way(world, wanted(world, gap_s=GAP_S + 1))
        assert told.value.numbers["leases"] == 1
    world.turn(T0)
    world.cancel(second, now=T0 + 1)
    assert put(world, wanted(world, gap_s=60), now=T0 + 2).version == 3
    third = world.ask(16, duration_s=100, who="globex", now=T0 + 3)
    assert third.promised_start == to_wire(T0 + 100 + 60)
    assert world.lease(first).ends_at == first.ends_at


def test_a_longer_gap_counts_for_what_ended_before_it_too(world: World) -> None:
    """What a process has forgotten comes back, so that all decide from the same."""
    done = world.ask(16, duration_s=50)
    world.turn(T0)
    world.turn(T0 + 50)
    world.clean(T0 + 52)
    now = T0 + 50 + GAP_S + 5
    world.turn(now)
    assert put(world, wanted(world, gap_s=60), now=now).version == 3
    lease = world.ask(16, duration_s=100, who="globex", now=now + 1)
    assert lease.promised_start == to_wire(T0 + 50 + 60)
    with world.db.snapshot() as session:
        replays.replay(session, lease.decision.id or "", actor=ADMIN)
    assert world.lease(done).state is wire.LeaseState.ENDED


def test_a_dry_run_says_whom_a_policy_touches_and_changes_nothing(world: World) -> None:
    put(world, wanted(world, reserve_ppm=500_000, reserve_over_s=60))
    runs = world.ask(8, duration_s=HOUR)
    waits = world.ask(8, duration_s=HOUR, who="globex", start_by="2027-01-15T08:10:00Z")
    assert (runs.state.value, waits.state.value) == ("scheduled", "queued")
    body = wanted(world, reserve_ppm=0, reserve_over_s=0)
    shown = preview(world, body)
    assert ([one.lease for one in shown.pulled], shown.version) == ([waits.id], 4)
    assert (live(world).version, world.lease(waits).state.value) == (3, "queued")
    done = put(world, body)
    assert [one.lease for one in done.pulled] == [waits.id]
    assert world.lease(waits).state is wire.LeaseState.SCHEDULED


def test_what_was_promised_under_one_rule_stays_promised_under_another(world: World) -> None:
    world.ask(16, duration_s=HOUR)
    world.turn(T0)
    waiting = [world.ask(8, duration_s=HOUR, who="globex", now=T0 + 1) for _ in range(2)]
    promised = {one.id: one.promised_start for one in waiting}
    for rule in ("earliest-slot", "only-earlier", "late-slots"):
        put(world, wanted(world, rule=rule, slack_ppm=100_000, reserve_ppm=900_000), now=T0 + 2)
        for one in waiting:
            found = world.lease(one)
            assert (found.promised_start, found.state.value) == (promised[one.id], "scheduled")


def test_the_audit_log_has_what_was_and_what_is(world: World) -> None:
    put(world, wanted(world, slack_ppm=7), why="for June")
    with world.db.snapshot() as session:
        [entry] = audit.page(session, audit.Wanted(action="policy.apply"), after=None, limit=9).items
    assert (entry.subject, entry.reason) == ("policy", "for June")
    assert entry.before == {"pools.h100.slack_ppm": 0, "version": 2}
    assert entry.after == {"pools.h100.slack_ppm": 7, "version": 3}


def test_a_version_that_is_not_there_is_told_with_those_that_are(world: World) -> None:
    with pytest.raises(UnknownPolicy, match="no version 9; they go from 1 to 2"):
        live(world, 9)


def test_the_file_of_any_version_can_be_put_again(world: World) -> None:
    put(world, wanted(world, slack_ppm=7, seniority_s=60, gap_s=7))
    put(world, wanted(world, rule="only-earlier", slack_ppm=9))
    old = policy_file.write(live(world, 3)).replace("version: 3", "version: 4")
    put(world, policy_file.complete(policy_file.read(old.encode()), live(world)))
    assert live(world).pools == live(world, 3).pools
    assert policy_file.write(live(world)).replace("version: 5", "version: 4") == old


@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET at = now()", "TRUNCATE {}"])
def test_no_process_changes_or_removes_a_version(any_world: World, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), any_world.db.begin() as session:
        session.connection().execute(text(statement.format("policy_version")))


def test_the_database_refuses_a_version_that_does_not_follow(any_world: World) -> None:
    with pytest.raises(IntegrityError, match="does not follow the newest one"), any_world.db.begin() as session:
        session.connection().execute(
            text("INSERT INTO policy_version (number, at, actor, value, changes) VALUES (9, now(), 'x', '{}', '[]')")
        )


def test_what_pools_promise_by_is_always_what_the_live_version_says(database: Database) -> None:
    world = World(database).found()
    add_pool(world, "a100")
    put(world, wanted(world, slack_ppm=7, loss_grace_s=1, empty_memory_bytes=3))
    with world.db.snapshot() as session:
        for name, said in versions.live(session).pools.items():
            row = pools.row(session, name)
            assert {field: getattr(row, field) for field in wire.PoolPolicy.model_fields} == said.model_dump()


@pytest.fixture
def enforced(world: World) -> wire.Lease:
    """An hour's lease of a pool that a cluster enforces, active from `T0` on; extending closes 600 s before its end."""
    with world.db.begin() as session:
        pools.change(session, "h100", wire.PoolChange(cluster="main"), actor=ADMIN, now=T0)
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    return lease


def test_extending_that_has_closed_in_a_cluster_is_not_opened_again(world: World, enforced: wire.Lease) -> None:
    closed, later = T0 + HOUR - 600, to_wire(T0 + HOUR - 60).isoformat().replace("+00:00", "Z")
    for way in (put, preview):
        with pytest.raises(PolicyRefused, match=f"1 lease of pool h100 .{enforced.id}.; as things are") as told:
            way(world, wanted(world, extension_closes_s=60), now=closed)
        assert told.value.numbers == {"pool": "h100", "leases": 1, "until": later}
    assert put(world, wanted(world, slack_ppm=7), now=closed).version == 3
    assert put(world, wanted(world, extension_closes_s=60), now=T0 + HOUR - 60).version == 4


def test_extending_that_is_open_still_may_close_later(world: World, enforced: wire.Lease) -> None:
    assert put(world, wanted(world, extension_closes_s=60), now=T0 + HOUR - 601).version == 3
    assert world.extend(enforced, now=T0 + HOUR - 61, by_s=60)


def test_a_longer_grace_ends_nothing_at_once_that_a_cluster_enforces(world: World, enforced: wire.Lease) -> None:
    body = wire.PolicyChange(grace_s=300)
    with pytest.raises(PolicyRefused, match="a grace of 300 s would end the pods"), world.db.begin() as session:
        policies.change_policy(world.service, session, "h100", body, actor=ADMIN, now=T0 + HOUR - 300)
    world.turn(T0 + HOUR - 300)
    assert world.lease(enforced).state == "active"
    assert put(world, wanted(world, grace_s=300), now=T0 + HOUR - 301).version == 3


def test_what_no_cluster_enforces_is_told_nothing_that_stands_in_the_way(world: World) -> None:
    world.ask(8, duration_s=HOUR)
    world.turn(T0)
    assert put(world, wanted(world, extension_closes_s=60, grace_s=60), now=T0 + HOUR - 50).version == 3
