"""How pools promise and where nodes stand is changed as far as it is said, and what is promised stays."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from dure import wire
from dure.errors import UnknownNode, UnknownPool
from scheduler import labels, policies
from scheduler.store import pools
from scheduler.store.db import Database
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, GAP_S, T0, World

HOUR = 3600


def change(world: World, pool: str = "h100", *, now: float = T0, **said: Any) -> wire.Pool:
    body = wire.PolicyChange.model_validate(said)
    with world.db.begin() as session:
        return policies.change_policy(world.service, session, pool, body, actor=ADMIN, now=now)


def label(world: World, node: str, **said: str) -> wire.Node:
    with world.db.begin() as session:
        return labels.label(session, node, wire.NodeLabels.model_validate(said), actor=ADMIN, now=T0)


def policy(world: World) -> dict[str, Any]:
    with world.db.snapshot() as session:
        return pools.get(session, "h100", now=T0).model_dump(include=set(wire.PolicyChange.model_fields))


def test_a_policy_is_changed_and_promises_stay(world: World) -> None:
    world.ask(16, duration_s=HOUR)
    world.turn(T0)
    promised = world.ask(8, now=T0 + 1, duration_s=HOUR, who="globex")
    assert change(world, now=T0 + 2, slack_ppm=500_000).slack_ppm == 500_000
    assert world.lease(promised).promised_start == promised.promised_start
    later = world.ask(8, now=T0 + 3, duration_s=HOUR, who="globex")
    assert later.promised_start == to_wire(T0 + HOUR + GAP_S + 1800)


def test_what_is_not_named_stays(world: World) -> None:
    whole = {"rule": "earliest-slot", "slack_ppm": 1, "reserve_ppm": 2, "reserve_over_s": 3, "seniority_s": 4}
    whole |= {"walk_in_ppm": 11, "walk_in_within_s": 77, "extension_closes_s": 5, "renews_before_s": 66}
    whole |= {"contended": "booked", "contended_ppm": 7, "half_life_s": 88, "entry_s": 9}
    whole |= {"spot_least_s": 61, "no_show_after_s": 62, "keeps": 3, "idle_after_s": 1201, "idle_below_ppm": 12}
    whole |= {"inference_idle_after_s": 1202, "inference_idle_below_ppm": 13, "gap_s": 14, "grace_s": 4}
    whole |= {"loss_grace_s": 15, "empty_memory_bytes": 16, "violations": "end"}
    assert set(whole) == set(wire.PoolPolicy.model_fields)
    change(world, **whole)
    for name, value in {
        "rule": "only-earlier",
        "slack_ppm": 7,
        "seniority_s": None,
        "spot_least_s": None,
        "reserve_over_s": 0,
    }.items():
        change(world, **{name: value})
        whole[name] = value
        assert whole.items() <= policy(world).items()
    label(world, "n1", rack="r1", island="a")
    assert (label(world, "n1", rack="r2").island, label(world, "n1", island="").rack) == ("a", "r2")


def test_null_takes_seniority_away_and_says_nothing_of_the_rest(world: World) -> None:
    change(world, rule="earliest-slot", seniority_s=4)
    change(world, rule=None, slack_ppm=None, seniority_s=None)
    assert (policy(world)["rule"], policy(world)["seniority_s"]) == ("earliest-slot", None)


def test_two_admins_who_change_different_things_at_once_both_have_done_so(world: World) -> None:
    said = [{"slack_ppm": 123}, {"reserve_ppm": 456}, {"reserve_over_s": 789}, {"seniority_s": 12}]
    said += [{"extension_closes_s": 34}, {"renews_before_s": 567}, {"contended": "always"}, {"contended_ppm": 8}]
    said += [{"half_life_s": 90}, {"entry_s": 1}, {"walk_in_ppm": 11}, {"walk_in_within_s": 77}]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda one: change(world, **one), said))
        list(threads.map(lambda one: label(world, "n1", **one), [{"rack": "r1"}, {"island": "a"}]))
    assert {"rule": "late-slots", **dict(pair for one in said for pair in one.items())}.items() <= policy(world).items()
    node = label(world, "n1", rack="r1")
    assert (node.rack, node.island) == ("r1", "a")


def test_the_audit_names_what_was_changed_and_what_it_was(world: World) -> None:
    change(world, slack_ppm=7)
    label(world, "n1", rack="r1")
    with world.db.snapshot() as session:
        query = text(
            "SELECT action, before, after FROM audit WHERE action IN ('pool.policy', 'node.label') ORDER BY seq"
        )
        rows = [tuple(row) for row in session.connection().execute(query)]
    assert rows == [
        ("pool.policy", {"slack_ppm": 0}, {"slack_ppm": 7}),
        ("node.label", {"rack": ""}, {"rack": "r1"}),
    ]


def test_what_is_unknown_is_not_changed(world: World) -> None:
    with pytest.raises(UnknownPool):
        change(world, "h200", slack_ppm=0)
    with pytest.raises(UnknownNode):
        label(world, "n9", rack="r1")


def test_a_training_gang_is_kept_on_one_island(database: Database) -> None:
    world = World(database).found(nodes_=("n1", "n2", "n3", "n4"), gpus=8)
    for node, island in (("n1", "a"), ("n2", "b"), ("n3", "c"), ("n4", "c")):
        label(world, node, rack="r1", island=island)
    gang = world.ask(8, shape={"nodes": 2, "gpus_per_node": 4})
    assert [share.node for share in gang.placement] == ["n3", "n4"]
    spread = world.ask(8, purpose="inference", shape={"nodes": 2, "gpus_per_node": 2}, who="globex")
    assert [share.node for share in spread.placement] == ["n1", "n2"]
