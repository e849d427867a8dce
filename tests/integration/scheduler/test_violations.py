"""Who is on a GPU that no lease explains: written down once, kept when it is over, and what is done about it by policy."""

from collections.abc import Mapping

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from dure import wire
from scheduler import policies
from scheduler.kube.desired import Offender
from scheduler.newest import Newest
from scheduler.store import enforced, fleet, gpus, pools, reports, snapshot, violation_counts, violations
from scheduler.store.violations import SEEN_EVERY_S, Wanted
from tests.integration.scheduler.conftest import ADMIN, PRODUCT, T0, World

A_PROCESS = {"gpu": "GPU-n1-0", "kind": "process", "since": T0 - 5, "pid": 4321, "name": "python", "cgroup": "/user"}
A_POD = {
    "gpu": "GPU-n1-1",
    "kind": "pod",
    "since": T0,
    "namespace": "dure-co-globex",
    "pod": "train",
    "container": "main",
}


def shown(world: World, **wanted: object) -> list[wire.Violation]:
    with world.db.snapshot() as session:
        return violations.page(session, Wanted(**wanted), after=None, limit=50).items  # pyright: ignore[reportArgumentType]


def report(world: World, second: int, *found: Mapping[str, object], node: str = "n1") -> None:
    world.report(node, now=T0 + second, violations=list(found))


def test_a_violation_is_shown_with_who_it_is_and_since_when(world: World) -> None:
    report(world, 1, A_PROCESS)
    (found,) = shown(world)
    assert (found.node, found.gpu, found.kind, found.pool) == ("n1", "GPU-n1-0", "process", "h100")
    assert found.began_at.timestamp() == T0 - 5
    assert found.ended_at is None
    assert found.evidence == wire.ViolationEvidence(pid=4321, name="python", cgroup="/user")
    assert found.done is wire.ViolationDone.OBSERVED
    assert (found.lease, found.company) == (None, None)


def test_a_free_gpu_with_somebody_on_it_is_promised_to_nobody_until_they_are_gone(world: World) -> None:
    def states() -> list[wire.GpuState]:
        with world.db.snapshot() as session:
            return [state for _, state, _ in gpus.states(session, node="n1")]

    free = len(states())
    report(world, 1, A_PROCESS)
    world.turn(T0 + 2)
    assert states() == [wire.GpuState.QUARANTINED] + [wire.GpuState.FREE] * (free - 1)
    report(world, 3)
    world.turn(T0 + 4)
    assert states() == [wire.GpuState.FREE] * free


def test_somebody_beside_a_lease_takes_its_gpu_from_nobody_and_keeps_it_from_the_next(world: World) -> None:
    lease = world.ask(1)
    world.turn(T0)
    (gpu,) = world.lease(lease).gpus
    report(world, 1, {**A_PROCESS, "gpu": gpu.uuid})
    world.turn(T0 + 2)
    assert world.lease(lease).state is wire.LeaseState.ACTIVE
    world.release(lease, now=T0 + 3)
    world.turn(T0 + 9)
    told = [one.allocation for one in world.report("n1", now=T0 + 10).allocations if one.ended]
    world.report("n1", now=T0 + 11, knew_ended=told, violations=[{**A_PROCESS, "gpu": gpu.uuid}])
    world.turn(T0 + 12)
    with world.db.snapshot() as session:
        found = {one.uuid: state for one, state, _ in gpus.states(session, node="n1")}
    assert found[gpu.uuid] is wire.GpuState.QUARANTINED


def test_one_that_lasts_is_one_row_that_is_not_written_with_every_report(world: World) -> None:
    for second in (1, 2, 30, SEEN_EVERY_S):
        report(world, second, A_PROCESS)
    (found,) = shown(world)
    assert found.seen_at.timestamp() == T0 + 1
    report(world, 1 + SEEN_EVERY_S, A_PROCESS)
    assert [one.seen_at.timestamp() for one in shown(world)] == [T0 + 1 + SEEN_EVERY_S]


def test_one_that_is_not_told_any_more_is_over_and_kept(world: World) -> None:
    report(world, 1, A_PROCESS, A_POD)
    report(world, 9, A_POD)
    assert [one.kind for one in shown(world, is_open=True)] == ["pod"]
    ended = [one.ended_at and one.ended_at.timestamp() for one in shown(world) if one.kind == "process"]
    assert ended == [T0 + 9]
    report(world, 20, A_POD, {**A_PROCESS, "since": T0 + 19})
    assert len(shown(world)) == 3, "whoever comes back is another one"


def test_a_node_that_tells_of_ever_more_fills_no_database(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for second in range(1, 7):
        report(world, second, *({**A_PROCESS, "pid": 1000 * second + number} for number in range(100)))
        with world.db.snapshot() as session:
            counted = session.connection().execute(
                text("SELECT count(*), count(*) FILTER (WHERE ended_at IS NULL) FROM violation")
            )
            assert tuple(counted.one()) == (min(64 * second, 256), 64 if second <= 4 else 0)
    assert capsys.readouterr().out.count("violation.left_out") == 6
    report(world, 3700, A_PROCESS)
    assert len(shown(world, is_open=True)) == 1


def test_of_a_node_that_is_silent_and_of_a_gpu_that_is_gone_none_is_open(world: World) -> None:
    report(world, 1, A_PROCESS, {**A_PROCESS, "gpu": "GPU-n1-7"})
    world.report("n1", now=T0 + 2, gpus=7)
    assert [one.gpu for one in shown(world, is_open=True)] == ["GPU-n1-0"]
    with world.db.begin() as session:
        fleet.set_silent(session, "n1", now=T0 + 60)
    assert shown(world, is_open=True) == []
    found = {one.gpu: one.ended_at and one.ended_at.timestamp() for one in shown(world)}
    assert found == {"GPU-n1-7": T0 + 2, "GPU-n1-0": T0 + 60}
    assert all(one.evidence.pid == 4321 for one in shown(world))


def test_a_node_that_was_silent_is_asked_for_all_of_it_again(world: World) -> None:
    newest = Newest()
    gpus = [{"uuid": f"GPU-n1-{index}", "index": index, "product": PRODUCT, "health": "ok"} for index in range(8)]

    def answered(second: int, **more: object) -> wire.ReportAnswer:
        said = {
            "version": 2,
            "boot": "boot9",
            "seq": second,
            "sent_at": T0,
            "interval_s": 2,
            "agent_version": "1",
            **more,
        }
        with world.db.begin() as session:
            return reports.take(session, "n1", wire.Report.model_validate(said), now=T0 + second, newest=newest)

    answered(1, gpus=gpus, violations=[A_PROCESS])
    assert not answered(2, base=1, gpus=[]).whole
    with world.db.begin() as session:
        fleet.set_silent(session, "n1", now=T0 + 60)
    assert answered(61, base=1, gpus=[]).whole
    assert shown(world, is_open=True) == []
    answered(62, gpus=gpus, violations=[A_PROCESS])
    assert not answered(63, base=62, gpus=[]).whole
    assert len(shown(world, is_open=True)) == 1


def test_one_is_kept_for_two_years_after_it_is_over(world: World) -> None:
    report(world, 1, A_PROCESS, A_POD)
    report(world, 2, A_POD)
    for late, left in ((-1, 2), (1, 1)):
        with world.db.begin() as session:
            violation_counts.forget(session, now=T0 + 2 + violation_counts.KEPT_S + late)
        assert len(shown(world)) == left
    assert [one.kind for one in shown(world)] == ["pod"]
    report(world, 3 + violation_counts.KEPT_S, A_POD, A_PROCESS)
    with world.db.snapshot() as session:
        found = snapshot.read(session, now=T0 + 3 + violation_counts.KEPT_S)
    assert found.fleet.violations == {("h100", "process"): 1, ("h100", "pod"): 1}
    assert found.fleet.violated == {("h100", "process"): 2, ("h100", "pod"): 1}, "also those that are gone"


def test_a_report_that_cannot_tell_ends_nothing(world: World) -> None:
    report(world, 1, A_PROCESS)
    world.report("n1", now=T0 + 2)
    assert [one.ended_at for one in shown(world)] == [None]


def test_the_node_s_clock_is_taken_off(world: World) -> None:
    ahead_s = 86_400
    world.report("n1", now=T0 + 1, sent_at=T0 + 1 + ahead_s, violations=[{**A_PROCESS, "since": T0 - 5 + ahead_s}])
    assert [one.began_at.timestamp() for one in shown(world)] == [T0 - 5]


@pytest.mark.parametrize("since", [0, T0 + 10_000, 1e11])
def test_a_beginning_that_cannot_be_is_no_later_than_now(world: World, since: float) -> None:
    report(world, 1, {**A_PROCESS, "since": since})
    (found,) = shown(world)
    assert 0 <= found.began_at.timestamp() <= T0 + 1


def test_whose_gpu_it_is_is_said(world: World) -> None:
    lease = world.ask(8)
    world.turn(T0)
    report(world, 1, A_POD)
    (found,) = shown(world)
    assert (found.lease, found.company) == (lease.id, "globex"), "a pod of globex on a GPU of acme's lease"


def test_a_node_tells_nothing_of_another_s_gpu(world: World) -> None:
    report(world, 1, {**A_PROCESS, "gpu": "GPU-n2-0"}, {**A_PROCESS, "gpu": "GPU-nowhere"})
    assert shown(world) == []
    report(world, 2, {**A_PROCESS, "gpu": "GPU-n2-0"}, node="n2")
    report(world, 3)
    assert [one.ended_at for one in shown(world)] == [None], "nor is another's over for it"


def test_two_processes_on_a_gpu_are_two_and_two_containers_of_a_pod_are_one(world: World) -> None:
    report(world, 1, A_PROCESS, {**A_PROCESS, "pid": 5}, A_POD, {**A_POD, "container": "beside"})
    assert sorted(one.kind for one in shown(world)) == ["pod", "process", "process"]


def test_a_pod_that_is_known_by_its_uid_alone_is_named(world: World) -> None:
    with world.db.begin() as session:
        session.connection().execute(
            text(
                "INSERT INTO pod (uid, cluster, company, name, gpus, phase, seen_at)"
                " VALUES ('uid-1', 'main', 'acme', 'train', 1, 'Running', now())"
            )
        )
    report(world, 1, {**A_PROCESS, "pod_uid": "uid-1"})
    (found,) = shown(world)
    assert (found.company, found.evidence.namespace, found.evidence.pod) == ("acme", "dure-co-acme", "train")


def _policy(world: World, violations_: wire.OnViolation, second: int) -> None:
    with world.db.begin() as session:
        change = wire.PolicyChange(violations=violations_)
        policies.change_policy(world.service, session, "h100", change, actor=ADMIN, now=T0 + second)


@pytest.mark.parametrize(
    ("found", "want"),
    [
        pytest.param(A_POD, "pod_ended", id="a company's pod"),
        pytest.param({**A_POD, "namespace": "kube-system"}, "not_ours", id="a pod of nobody's"),
        pytest.param({**A_POD, "namespace": "dure-co-nobody"}, "not_ours", id="a namespace that only looks so"),
        pytest.param(A_PROCESS, "not_ours", id="a process of the host"),
        pytest.param(
            {**A_PROCESS, "pod_uid": "u", "namespace": "dure-co-acme", "pod": "train"},
            "pod_ended",
            id="a process in a company's pod",
        ),
    ],
)
def test_by_policy_a_company_s_pod_is_ended_and_nobody_else(
    world: World, found: Mapping[str, object], want: str
) -> None:
    report(world, 1, found)
    assert [one.done for one in shown(world)] == ["observed"]
    _policy(world, "end", 2)
    assert [one.done for one in shown(world)] == [want], "at once, before its node tells of it again"
    report(world, 3, found)
    report(world, 4)
    _policy(world, "observe", 5)
    assert [one.done for one in shown(world)] == [want], "what was done stays said"


def test_metrics_count_those_that_are_there_and_all_that_were(world: World) -> None:
    report(world, 1, A_PROCESS, A_POD)
    report(world, 2, A_POD)
    with world.db.snapshot() as session:
        found = snapshot.read(session, now=T0 + 3)
    assert found.fleet.violations == {("h100", "process"): 0, ("h100", "pod"): 1}
    assert found.fleet.violated == {("h100", "process"): 1, ("h100", "pod"): 1}


def test_pages_are_newest_first_and_of_one_node(world: World) -> None:
    for second in range(1, 4):
        report(world, second, *({**A_PROCESS, "pid": pid} for pid in range(second)))
    report(world, 9, {**A_PROCESS, "gpu": "GPU-n2-0"}, node="n2")
    with world.db.snapshot() as session:
        first = violations.page(session, Wanted(node="n1"), after=None, limit=2)
        assert [one.evidence.pid for one in first.items] == [2, 1]
        assert first.next_cursor is not None
        rest = violations.page(session, Wanted(node="n1"), after=first.items[-1].id, limit=2)
        assert ([one.evidence.pid for one in rest.items], rest.next_cursor) == ([0], None)


def test_there_is_one_open_row_of_each(any_world: World) -> None:
    report(any_world, 1, A_PROCESS)
    with pytest.raises(IntegrityError, match="uq_violation_open"), any_world.db.begin() as session:
        session.connection().execute(
            text(
                "INSERT INTO violation (id, node, gpu, kind, who, began_at, seen_at, done, found_by, evidence)"
                " SELECT 'vio_twin', node, gpu, kind, who, began_at, seen_at, done, found_by, evidence FROM violation"
            )
        )


def _offenders(world: World) -> tuple[object, list[Offender]]:
    """What is read again when it changes, and whose pods are to end."""
    with world.db.snapshot() as session:
        found = enforced.desired(session, "main", least_grace_s=5).companies
        assert found["acme"].offenders == ()
        return enforced.version(session), list(found["globex"].offenders)


def test_the_reconciler_hears_of_a_pod_that_is_to_end_and_when_it_is_gone(world: World) -> None:
    with world.db.begin() as session:
        pools.change(session, "h100", wire.PoolChange(cluster="main"), actor=ADMIN, now=T0)
    report(world, 1, A_POD, A_PROCESS)
    before, none = _offenders(world)
    assert none == []
    _policy(world, "end", 2)
    found, offenders = _offenders(world)
    assert offenders == [Offender(node="n1", pod="train", since=T0)]
    assert found != before
    report(world, 4, A_PROCESS)
    after, gone = _offenders(world)
    assert gone == []
    assert after != found
    report(world, 5, A_POD)
    _policy(world, "observe", 6)
    assert _offenders(world)[1] == [], "at once, whatever was written down of it"
