"""Leases hold what their pods really have: the kubelet's choice, as agents report it, is swapped in."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from dure import wire
from scheduler.kube.desired import Left, Offender
from scheduler.kube.reconcile import Steps
from scheduler.kube.sightings import Sightings
from scheduler.store import adding, enforced, fleet, pools, violations
from scheduler.store.intake import ChangesFleet
from scheduler.store.tables import Leader, NodeHolders
from tests.integration.scheduler.conftest import T0, World
from tests.integration.scheduler.test_reports_together import Replica, whole
from tests.unit.scheduler.kube.builders import a_placed_pod

Held = dict[str, str]
"""Lease by the number of the GPU."""


@pytest.fixture
def node(any_world: World) -> World:
    """A cluster enforces the pool, and n2 is out of the way."""
    with any_world.db.begin() as session:
        session.connection().execute(text("INSERT INTO cluster (name) VALUES ('main')"))
        session.connection().execute(text("UPDATE pool SET cluster = 'main'"))
    any_world.report("n2", now=T0, gpus=0)
    return any_world


def a_holder(gpu: int, pod: str = "train", company: str = "acme", node: str = "n1") -> dict[str, str]:
    return {
        "gpu": f"GPU-{node}-{gpu}",
        "namespace": f"dure-co-{company}",
        "pod": pod,
        "container": "main",
        "resource": "nvidia.com/gpu",
    }


def runs(world: World, lease: wire.Lease, pod: str = "train", *, over: bool = False, cluster: str = "main") -> None:
    """The reconciler saw this pod on the lease."""
    row = {
        "uid": f"uid-{lease.company}-{pod}",
        "cluster": cluster,
        "company": lease.company,
        "name": pod,
        "lease": lease.id,
        "wish": None,
        "gpus": 1,
        "node": None,
        "phase": "Running",
        "waits": None,
        "detail": None,
        "seen_at": T0,
        "ended_at": T0 if over else None,
        "exit_code": None,
        "reason": None,
    }
    with world.db.begin() as session:
        enforced.saw(session, [row])


def started(world: World, gpus: int, who: str = "acme") -> wire.Lease:
    lease = world.ask(gpus, who=who)
    world.turn(T0)
    return world.lease(lease)


def held(answer: Any) -> Held:
    """What the node is told that it holds."""
    return {one.gpu.removeprefix("GPU-n1-"): one.lease for one in answer.allocations}


def test_a_lease_gets_the_gpu_that_its_pod_has_and_the_agent_is_told_so_at_once(node: World) -> None:
    lease = started(node, 1)
    runs(node, lease)
    before = node.report("n1", now=T0 + 1)
    assert held(before) == {"0": lease.id}
    after = node.report("n1", now=T0 + 2, holders=[a_holder(5)])
    assert held(after) == {"5": lease.id}
    assert [one.allocation for one in after.allocations] == [one.allocation for one in before.allocations]
    assert [gpu.uuid for gpu in node.lease(lease).gpus] == ["GPU-n1-5"]
    assert node.detail(lease, "swapped") == {"node": "n1", "gpus": 1}


def test_what_was_told_before_it_was_known_whose_pod_it_is_is_swapped_in_once_it_is(node: World) -> None:
    lease = started(node, 1)
    assert held(node.report("n1", now=T0 + 1, holders=[a_holder(5)])) == {"0": lease.id}
    with node.db.snapshot() as session:
        seen = Sightings(node.db, "main", session.exec(select(Leader.epoch)).one())
    seen.look("acme", [a_placed_pod("train", lease=lease.id, node="n1")], Steps(waits={}), T0 + 2)
    seen.write(T0 + 2)
    assert held(node.report("n1", now=T0 + 3)) == {"5": lease.id}
    assert node.events(lease).count(("swapped", None)) == 1


def test_a_pod_whose_gpu_its_lease_gets_when_it_is_written_down_is_not_ended_for_it(node: World) -> None:
    """The allocator was away, so its agent told of it before."""
    with node.db.begin() as session:
        session.connection().execute(text("UPDATE pool SET violations = 'end'"))
    lease = started(node, 1)
    pod = {"gpu": "GPU-n1-5", "kind": "pod", "since": T0 + 1, "namespace": "dure-co-acme", "pod": "train"}
    node.report("n1", now=T0 + 5, holders=[a_holder(5)], violations=[{**pod, "container": "main"}])
    assert [one.is_known for one in offenders(node)] == [False]
    with node.db.snapshot() as session:
        seen = Sightings(node.db, "main", session.exec(select(Leader.epoch)).one())
    seen.look("acme", [a_placed_pod("train", lease=lease.id, node="n1")], Steps(waits={}), T0 + 6)
    seen.write(T0 + 6)
    assert [gpu.uuid for gpu in node.lease(lease).gpus] == ["GPU-n1-5"]
    assert offenders(node) == []


def test_a_pod_beyond_what_its_lease_holds_is_known_to_offend_once_it_is_told_of_again(node: World) -> None:
    with node.db.begin() as session:
        session.connection().execute(text("UPDATE pool SET violations = 'end'"))
    lease = started(node, 1, "globex")
    runs(node, lease)
    other = started(node, 1)
    pod = {"gpu": "GPU-n1-5", "kind": "pod", "since": T0, "namespace": "dure-co-acme", "pod": "train"}
    told: dict[str, Any] = {"holders": [], "violations": [{**pod, "container": "main"}]}
    node.report("n1", now=T0, **told)
    runs(node, other)
    assert [one.is_known for one in offenders(node)] == [False]
    node.report("n1", now=T0 + violations.SEEN_EVERY_S, **told)
    assert [one.is_known for one in offenders(node)] == [True]


def offenders(world: World) -> list[Offender]:
    with world.db.snapshot() as session:
        found = enforced.desired(session, "main", least_grace_s=1)
    return list(found.companies["acme"].offenders)


def shown(world: World) -> list[tuple[str, str | None, bool]]:
    """The pod violations: the GPU, whose pod, and whether it is over."""
    with world.db.snapshot() as session:
        found = violations.page(session, violations.Wanted(node="n1"), after=None, limit=50).items
    return [(one.gpu, one.evidence.pod, one.ended_at is not None) for one in found if one.kind == "pod"]


def test_a_pod_with_more_gpus_than_its_lease_holds_is_a_violation_until_it_has_not(
    node: World, capsys: pytest.CaptureFixture[str]
) -> None:
    lease = started(node, 1)
    runs(node, lease)
    pods = [a_holder(0), a_holder(5)]
    node.report("n1", now=T0 + 1, holders=pods, violations=[])
    assert shown(node) == [("GPU-n1-5", "train", False)]
    assert capsys.readouterr().out.count("allocation.unexplained") == 1
    node.report("n1", now=T0 + 2, holders=pods, violations=[])
    assert shown(node) == [("GPU-n1-5", "train", False)], (
        "its agent, to which it is one of the company, takes back its own alone"
    )
    assert "allocation.unexplained" not in capsys.readouterr().out
    node.report("n1", now=T0 + 3, holders=pods[:1], violations=[])
    assert shown(node) == [("GPU-n1-5", "train", True)]
    node.report("n1", now=T0 + 4, holders=pods, violations=[])
    node.report("n1", now=T0 + 5, holders=[])
    assert [over for _, _, over in shown(node)] == [True, True]


@pytest.mark.parametrize("how", ["the kubelet cannot be asked", "the node is silent"])
def test_what_was_told_before_swaps_nothing_once_nobody_knows_it_any_more(node: World, how: str) -> None:
    first = started(node, 1)
    runs(node, first)
    node.report("n1", now=T0 + 1, holders=[a_holder(5)])
    assert len(holders_kept(node)) == 1
    runs(node, first, over=True)
    node.release(first, now=T0 + 2)
    node.turn(T0 + 3)
    node.turn(T0 + 8)
    more: dict[str, Any] = {"holders": [a_holder(5)]} if "silent" in how else {}
    told = [one.allocation for one in node.report("n1", now=T0 + 20, **more).allocations if one.ended]
    node.report("n1", now=T0 + 21, knew_ended=told, **more)
    second = node.ask(1, now=T0 + 30)
    node.turn(T0 + 30)
    if "silent" in how:
        with node.db.begin() as session:
            fleet.set_silent(session, "n1", now=T0 + 31)
    with node.db.snapshot() as session:
        seen = Sightings(node.db, "main", session.exec(select(Leader.epoch)).one())
    seen.look("acme", [a_placed_pod("train", lease=second.id, node="n1")], Steps(waits={}), T0 + 32)
    seen.write(T0 + 32)
    assert [gpu.uuid for gpu in node.lease(second).gpus] == ["GPU-n1-0"]


def holders_kept(world: World) -> list[str]:
    with world.db.snapshot() as session:
        return list(session.exec(select(NodeHolders.node)))


def test_two_leases_swap_what_they_hold_in_one_statement(node: World) -> None:
    acme, globex = started(node, 2), started(node, 2, "globex")
    runs(node, acme)
    runs(node, globex)
    pods = [a_holder(2), a_holder(3), a_holder(0, company="globex"), a_holder(1, company="globex")]
    answer = node.report("n1", now=T0 + 1, holders=pods)
    assert held(answer) == {"2": acme.id, "3": acme.id, "0": globex.id, "1": globex.id}
    assert node.events(acme).count(("swapped", None)) == node.events(globex).count(("swapped", None)) == 1


def test_the_same_report_again_swaps_nothing_and_tells_nobody(node: World) -> None:
    lease = started(node, 1)
    runs(node, lease)
    for second in range(1, 4):
        node.report("n1", now=T0 + second, holders=[a_holder(5)])
    assert node.events(lease).count(("swapped", None)) == 1


def test_the_same_holders_again_wait_for_no_pool(node: World) -> None:
    lease = started(node, 1)
    runs(node, lease)
    replica, told = Replica(node), [a_holder(5)]
    assert isinstance(replica.one("n1", whole(seq=1, holders=told)), ChangesFleet)
    replica.one("n1", whole(seq=1, holders=told), alone=True)
    with node.db.begin() as session:
        adding.alone(session, "pool")
        session.connection().execute(text("SELECT FROM pool FOR UPDATE"))
        answer = replica.one("n1", whole(seq=2, holders=told))
    assert held(answer) == {"5": lease.id}
    assert isinstance(replica.one("n1", whole(seq=3, holders=[a_holder(6)])), ChangesFleet)
    assert isinstance(replica.one("n1", whole(seq=4, holders=[])), ChangesFleet)


def test_what_was_in_the_way_of_a_swap_is_not_once_it_is_proved_empty(node: World) -> None:
    first = started(node, 1)
    node.release(first, now=T0 + 2)
    node.turn(T0 + 3)
    node.turn(T0 + 3 + 5)
    second = node.ask(1, who="globex", now=T0 + 9)
    node.turn(T0 + 9)
    runs(node, second)
    replica, told = Replica(node), [a_holder(0, company="globex")]
    answer = replica.one("n1", whole(seq=1, holders=told), now=T0 + 10, alone=True)
    ended = [one.allocation for one in answer.allocations if one.ended]
    answer = replica.one("n1", whole(seq=2, holders=told, knew_ended=ended), now=T0 + 11, alone=True)
    assert held(answer) == {"1": second.id}
    assert isinstance(replica.one("n1", whole(seq=3, holders=told), now=T0 + 12), ChangesFleet)
    assert held(replica.one("n1", whole(seq=3, holders=told), now=T0 + 12, alone=True)) == {"0": second.id}


def test_the_calendar_sees_nothing_of_it(node: World) -> None:
    lease = started(node, 1)
    runs(node, lease)
    with node.db.snapshot() as session:
        before = pools.get(session, "h100", now=T0).generation
    node.report("n1", now=T0 + 1, holders=[a_holder(5)])
    with node.db.snapshot() as session:
        assert pools.get(session, "h100", now=T0).generation == before
    assert node.gpus() == {"free": 7, "leased": 1}


@pytest.mark.parametrize(
    "pods",
    [
        pytest.param([], id="nobody has a GPU"),
        pytest.param([a_holder(5, company="globex")], id="a pod of another company of that name"),
        pytest.param([a_holder(5, "other")], id="a pod that nobody wrote down"),
        pytest.param([a_holder(5, node="n2")], id="a GPU of another node"),
        pytest.param([a_holder(0)], id="the GPU that it holds"),
    ],
)
def test_what_is_no_reason_moves_nothing(node: World, pods: list[Mapping[str, str]]) -> None:
    lease = started(node, 1)
    runs(node, lease)
    assert held(node.report("n1", now=T0 + 1, holders=pods)) == {"0": lease.id}


@pytest.mark.parametrize("how", [{"over": True}, {"cluster": "elsewhere"}])
def test_a_pod_that_is_over_or_in_another_cluster_moves_nothing(node: World, how: Mapping[str, bool | str]) -> None:
    lease = started(node, 1)
    runs(node, lease, over=bool(how.get("over")), cluster=str(how.get("cluster", "main")))
    assert held(node.report("n1", now=T0 + 1, holders=[a_holder(5)])) == {"0": lease.id}


def test_what_is_over_stays_where_it_is_to_be_proved_empty(node: World) -> None:
    first = started(node, 1)
    node.release(first, now=T0 + 2)
    node.turn(T0 + 3)
    node.turn(T0 + 3 + 5)
    second = node.ask(1, who="globex", now=T0 + 9)
    node.turn(T0 + 9)
    assert node.lease(second).state == "active"
    runs(node, node.lease(second))
    answer = node.report("n1", now=T0 + 10, holders=[a_holder(0, company="globex")])
    assert {one.gpu: (one.lease, one.ended) for one in answer.allocations} == {
        "GPU-n1-0": (first.id, True),
        "GPU-n1-1": (second.id, False),
    }


def test_who_really_has_the_sick_gpu_is_the_one_who_lost_it(node: World) -> None:
    lease = started(node, 1)
    runs(node, lease)
    node.report("n1", now=T0 + 5, sick=[0])
    assert node.events(lease)[-1] == ("degraded", "gpu_unhealthy")
    node.report("n1", now=T0 + 6, sick=[0], holders=[a_holder(5)])
    assert node.events(lease)[-2:] == [("healed", "gpu_unhealthy"), ("swapped", None)]
    node.report("n1", now=T0 + 7, sick=[0, 5], holders=[a_holder(5)])
    assert node.events(lease)[-1] == ("degraded", "gpu_unhealthy")


def test_no_two_live_allocations_are_left_on_one_gpu_by_any_statement(node: World) -> None:
    started(node, 2)
    with pytest.raises(IntegrityError, match="uq_allocation_live_gpu"), node.db.begin() as session:
        session.connection().execute(text("UPDATE allocation SET gpu = 'GPU-n1-0'"))


def test_a_gpu_that_a_start_takes_is_not_swapped_in_under_it(node: World) -> None:
    """Who starts a lease holds the pool's lock; the report waits, and looks again."""
    lease = started(node, 1)
    runs(node, lease)
    with node.db.begin() as session:
        session.connection().execute(text("SELECT FROM pool FOR UPDATE"))
        answers: list[wire.ReportAnswer] = []
        thread = threading.Thread(
            target=lambda: answers.append(node.report("n1", now=T0 + 1, holders=[a_holder(5)])), daemon=True
        )
        thread.start()
        session.connection().execute(
            text(
                "INSERT INTO allocation (id, lease, gpu, node, opened_at, given_back)"
                " SELECT 'alo_new', lease, 'GPU-n1-5', node, opened_at, false FROM allocation"
            )
        )
    thread.join(60)
    assert held(answers[0]) == {"0": lease.id, "5": lease.id}, "the lease has it already"


def test_the_cluster_is_told_which_pods_are_on_gpus_that_their_lease_gave_back(node: World) -> None:
    lease = started(node, 4)
    for gpu in range(4):
        runs(node, lease, f"p{gpu}")
    holders = [a_holder(gpu, f"p{gpu}") for gpu in range(4)]
    node.report("n1", now=T0 + 10, sick=(1,), holders=holders)
    node.turn(T0 + 20)
    assert [gpu.uuid for gpu in node.lease(lease).gpus if gpu.given_back_at] == ["GPU-n1-1"]
    assert left(node) == [Left(node="n1", pod="p1", at=T0 + 20)]
    node.report("n1", now=T0 + 30, sick=(1,), holders=[one for one in holders if one["pod"] != "p1"])
    assert left(node) == []


def test_it_is_told_too_once_a_kubelet_tells_later(node: World) -> None:
    lease = started(node, 4)
    node.report("n1", now=T0 + 10, sick=(1,))
    node.turn(T0 + 20)
    runs(node, lease, "late")
    before = version(node)
    node.report("n1", now=T0 + 22, sick=(1,), holders=[a_holder(1, "late")])
    assert left(node) == [Left(node="n1", pod="late", at=T0 + 20)]
    assert version(node) != before


def test_a_gpu_that_no_pod_was_given_is_given_back_first(node: World) -> None:
    lease = started(node, 4)
    for gpu in (1, 2, 3):
        runs(node, lease, f"p{gpu}")
    node.report("n1", now=T0 + 10, holders=[a_holder(gpu, f"p{gpu}") for gpu in (1, 2, 3)])
    node.shrink(lease, now=T0 + 12, gpus=3)
    assert [gpu.uuid for gpu in node.lease(lease).gpus if gpu.given_back_at] == ["GPU-n1-0"]
    assert left(node) == []


def version(world: World) -> tuple[object, ...]:
    with world.db.snapshot() as session:
        return enforced.version(session)


def left(world: World) -> list[Left]:
    with world.db.snapshot() as session:
        found = enforced.desired(session, "main", least_grace_s=1)
    return [left for lease in found.companies["acme"].leases for left in lease.left]
