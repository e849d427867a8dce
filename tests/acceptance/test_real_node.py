"""Leases on a real node, by its kubelet's and containerd's own record: pods run from the start to the end, and never else."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agents.pods import kubelet, messages
from agents.pods.call import call
from tests.acceptance.real import GPUS, GRACE_S, LONG_S, Real, runs
from tests.acceptance.witness import Ran
from tests.cluster.device_plugin import Allocated
from tests.integration.kube.processes import Process
from tests.integration.kube.stand import GAP_S, soon

pytestmark = pytest.mark.timeout(900)

SAVES = "trap 'echo saved; exit 0' TERM; echo began; sleep 3600 & wait"
DEAF = "trap '' TERM; echo began; while :; do sleep 1; done"
"""A kubelet on a busy machine."""

QUICK: dict[str, Any] = {"terminationGracePeriodSeconds": 2}
"""What needs little of its lease's grace, and so has its SIGTERM on the second."""

HANGS = {"lifecycle": {"preStop": {"exec": {"command": ["sleep", "3600"]}}}}


def _two(name: str) -> dict[str, Any]:
    """A pod of two containers that each say at the very end that they have saved what they had."""
    made = runs(name, SAVES, **QUICK)
    main = made["spec"]["containers"][0]
    made["spec"]["containers"].append({**main, "name": "beside", "resources": {}})
    return made


def controlled(kind: str, name: str, replicas: int = 1, **more: Any) -> dict[str, Any]:
    """A controller of such pods, which it makes again."""
    is_job = kind == "Job"
    made = runs(name, restartPolicy="Never" if is_job else "Always", **more)
    template = {"metadata": {"labels": {"app": name}}, "spec": made["spec"]}
    version = "batch/v1" if is_job else "apps/v1"
    spec = {"backoffLimit": 100} if is_job else {"replicas": replicas, "selector": {"matchLabels": {"app": name}}}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": {**spec, "template": template}}


def test_pods_run_from_their_lease_s_start_and_nothing_of_them_lives_at_its_end(acme: Real) -> None:
    with acme.loop():
        soon(acme.has_key, "the company's key")
        # The first decision of a process takes the longest.
        acme.ask(1, who=acme.globex, start_in_s=3600)
        lease = acme.ask(GPUS, start_in_s=20, duration_s=45)
        names = {"honest", "deaf", "hangs"}
        acme.make(runs("honest", **QUICK), controlled("Job", "again", **QUICK))
        acme.make(runs("deaf", DEAF), runs("hangs", DEAF, main=HANGS))
        soon(lambda: acme.waits("honest") == "not_started", "to be told why it waits")
        soon(lambda: acme.lease(lease).state == "ended", "the lease to end", LONG_S)
        soon(lambda: _kept(acme, "honest"), "its last lines")
        starts, ends = acme.starts(lease), acme.ends(lease)
        ran = acme.witness.ran()
        assert {one.pod for one in ran} > names
        assert len(ran) == GPUS
        assert all(one.began >= starts for one in ran)
        assert all(one.ended is not None and one.ended < ends for one in ran), _times(ran, ends)
        soon(
            lambda: all("terminated" in one["containerStatuses"][0]["state"] for one in _finished(acme)),
            "all to be over",
        )
        told_at = acme.witness.of(acme.namespace(), "honest").ended
        assert told_at is not None
        assert ends - GRACE_S <= told_at
        row = acme.row("honest")
        assert row is not None
        assert row.exit_code == 3
        print(_times(ran, ends), [one.began - starts for one in ran], _kept(acme, "honest"))


def _kept(acme: Real, name: str) -> str:
    return acme.lines(name).get("main", "")


def _finished(acme: Real) -> list[dict[str, Any]]:
    return [
        one
        for (namespace, _), one in acme.witness.statuses.items()
        if namespace == acme.namespace() and one.get("containerStatuses")
    ]


def _times(ran: list[Ran], ends: float) -> dict[str, float | None]:
    """How long before the end each was over."""
    return {f"{one.pod}": None if one.ended is None else round(ends - one.ended, 2) for one in ran}


def test_with_every_dure_process_killed_the_kubelet_ends_what_has_its_deadline(acme: Real, tmp_path: Path) -> None:
    """Nobody says goodbye: the scheduler is a process of its own, and the agents say nothing any more either."""
    with Process(acme.db, acme.address, tmp_path) as scheduler:
        soon(acme.has_key, "the company's key", LONG_S)
        fixed = acme.ask(2, duration_s=60, extendable=False)
        closing = acme.ask(2, duration_s=60)
        acme.make(
            runs("fixed", lease=fixed.id),
            runs("fixed-hangs", DEAF, main=HANGS, lease=fixed.id),
            runs("closing", lease=closing.id),
            runs("closing-deaf", DEAF, lease=closing.id),
        )
        soon(lambda: len(acme.running()) == GPUS, "all to run", LONG_S)
        soon(lambda: all(_deadline(one) for one in acme.pods().values()), "deadlines", LONG_S)
        scheduler.kill()
        acme.close()
        assert not scheduler.runs()
        ends = {one.id: acme.ends(one) for one in (fixed, closing)}
        left = min(ends.values()) - GRACE_S - acme.clock.now()
        assert left > 0, "too late to prove anything"
        soon(lambda: all(one.ended for one in acme.witness.ran()), "the kubelet to end all", LONG_S)
        soon(lambda: set(_reasons(acme)) == {"DeadlineExceeded"}, "the kubelet to say why", LONG_S)
    ran = acme.witness.ran()
    print(left, _times(ran, max(ends.values())))
    assert len(ran) == GPUS
    assert {acme.lease(one).state for one in (fixed, closing)} == {"active"}, "somebody led"
    for one in ran:
        lease = fixed if str(one.pod).startswith("fixed") else closing
        assert one.ended is not None
        assert one.ended < ends[lease.id], _times(ran, max(ends.values()))


def _reasons(acme: Real) -> list[str | None]:
    return [one["status"].get("reason") for one in acme.pods().values()]


def _deadline(found: dict[str, Any]) -> int | None:
    return found["spec"].get("activeDeadlineSeconds")


def test_two_leases_one_after_the_other_never_have_a_gpu_at_once(acme: Real) -> None:
    with acme.loop():
        soon(acme.has_key, "the company's key")
        first = acme.ask(GPUS, duration_s=35)
        second = acme.ask(GPUS, who=acme.globex, duration_s=40)
        acme.make(controlled("Deployment", "serve", replicas=3), runs("deaf", DEAF))
        acme.make(*(runs(f"next-{number}") for number in range(GPUS)), who=acme.globex)
        soon(lambda: acme.lease(second).state == "ended", "both to end", 240)
        before = acme.witness.ran(acme.namespace())
        after = acme.witness.ran(acme.namespace(acme.globex))
        assert len(before) == len(after) == GPUS, "what a controller makes again does not run"
        ended = max(one.ended or 0 for one in before)
        began = min(one.began for one in after)
        print(_times(before, acme.ends(first)), began - ended, began - acme.starts(second))
        assert ended < acme.ends(first)
        assert began >= acme.starts(second) >= acme.ends(first) + GAP_S
        assert all(one.ended is not None and one.ended < acme.ends(second) for one in after)
        assert acme.witness.shared == []
        for gpu in range(GPUS):
            turns = [one for one in acme.witness.ran() if f"gpu-{gpu}" in one.devices]
            assert len(turns) == 2
            assert all(one.ended + GAP_S <= other.began for one, other in pairwise(turns) if one.ended)


def test_two_companies_on_one_node_have_each_their_own_gpus(acme: Real) -> None:
    with acme.loop():
        soon(acme.has_key, "the company's key")
        acme.ask(2, duration_s=600)
        acme.ask(2, who=acme.globex, duration_s=600)
        acme.make(runs("one"), runs("other"))
        acme.make(runs("both", gpus=2), who=acme.globex)
        soon(lambda: len(acme.running()) == 2 and acme.running(acme.globex), "both companies' pods", LONG_S)
        soon(lambda: len(acme.witness.node.allocated()) == 3, "PodResources")
        ours, theirs = (acme.witness.given(acme.namespace(who)) for who in (acme.acme, acme.globex))
        assert sorted(map(len, ours.values())) == [1, 1]
        assert list(map(len, theirs.values())) == [2]
        assert sorted(each for ids in (*ours.values(), *theirs.values()) for each in ids) == [
            f"gpu-{number}" for number in range(GPUS)
        ]
        assert acme.witness.shared == []
        assert _as_the_agent_asks(acme) == acme.witness.node.allocated(), "the agent's client reads the same answer"


def _as_the_agent_asks(acme: Real) -> list[Allocated]:
    """What the agent's own client of PodResources says of the node, which has no gRPC library."""
    socket = acme.witness.node.folder / "kubelet" / "pod-resources" / "kubelet.sock"
    found: dict[tuple[str, str, str, str], set[str]] = {}
    for one in messages.read(call(socket, kubelet.METHOD, timeout_s=LONG_S)):
        found.setdefault((one.namespace, one.pod, one.container, one.resource), set()).update(one.devices)
    return [
        Allocated(namespace=namespace, pod=pod, container=container, resource=resource, ids=tuple(sorted(ids)))
        for (namespace, pod, container, resource), ids in sorted(found.items())
    ]


def test_the_last_lines_and_exit_code_of_a_pod_are_kept_however_it_ends(acme: Real) -> None:
    with acme.loop():
        soon(acme.has_key, "the company's key")
        lease = acme.ask(GPUS, duration_s=45)
        acme.make(runs("fails", "echo it fails; exit 7"), runs("told", **QUICK), runs("deleted"), runs("deaf", DEAF))
        soon(lambda: len(acme.witness.ran()) == GPUS, "all to run", LONG_S)
        soon(lambda: {"told", "deleted", "deaf"} <= acme.running(), "all to run", LONG_S)
        with acme.tenant() as client:
            client.delete(acme.path("deleted")).raise_for_status()
        soon(lambda: acme.lease(lease).state == "ended", "the lease to end", LONG_S)
        soon(lambda: _codes(acme) == {"fails": 7, "told": 3, "deleted": 3, "deaf": 137}, "how each ended")
        soon(lambda: _kept(acme, "fails") == "it fails\n", "what it said")
        soon(lambda: _kept(acme, "deaf") == "began\n", "what it said")
        for name in ("told", "deleted"):
            soon(lambda name=name: "SIGTERM" in _kept(acme, name), "what it said last")


def _codes(acme: Real) -> dict[str, int | None]:
    rows = {name: acme.row(name) for name in ("fails", "told", "deleted", "deaf")}
    return {name: row and row.exit_code for name, row in rows.items()}


def test_what_a_pod_says_last_of_all_is_kept(acme: Real) -> None:
    """It says as its last act that its checkpoint is written, and its kubelet removes its log a second later."""
    with acme.loop():
        soon(acme.has_key, "the company's key")
        lease = acme.ask(GPUS, duration_s=45)
        names = [f"saves-{number}" for number in range(GPUS)]
        acme.make(*(_two(name) for name in names))
        soon(lambda: set(names) <= acme.running(), "all to run", LONG_S)
        soon(lambda: acme.lease(lease).state == "ended", "the lease to end", LONG_S)
        want = {"main": "began\nsaved\n", "beside": "began\nsaved\n"}
        soon(lambda: {name: acme.lines(name) for name in names} == dict.fromkeys(names, want), "the last lines of all")
