"""Pods and nodes, parsed from what an API server says."""

from typing import Any

import pytest

from scheduler.kube.observed import Node, devices, is_device, node, pod
from tests.unit.scheduler.kube.builders import GPU, a_json_pod

MIG = "nvidia.com/mig-1g.10gb"


def asks(count: object, resource: str = GPU, **more: Any) -> dict[str, Any]:
    return {"name": "c", "resources": {"limits": {resource: count}}, **more}


def test_a_pod_is_read_with_all_that_is_decided_on() -> None:
    found = pod(
        a_json_pod(
            "web",
            meta={
                "labels": {"dure.dev/lease": "nightly", "dure.dev/placement": "lea_a"},
                "annotations": {"dure.dev/ends-at": "then", "dure.dev/ending": "soon"},
                "deletionTimestamp": "1970-01-01T00:10:00Z",
                "deletionGracePeriodSeconds": 30,
                "finalizers": ["a/b"],
            },
            nodeName="n1",
            nodeSelector={"kubernetes.io/hostname": "host-1"},
            tolerations=[{"operator": "Exists"}],
            activeDeadlineSeconds=60,
        )
    )
    assert (found.uid, found.namespace, found.name, found.version) == ("uid-web", "dure-co-acme", "web", "7")
    assert found.path == "/api/v1/namespaces/dure-co-acme/pods/web"
    assert (found.gpus, found.is_gated, found.wish, found.placed) == (((GPU, 1),), True, "nightly", "lea_a")
    assert (found.node, found.hostname, found.selects, found.tolerates) == ("n1", "host-1", True, True)
    assert (found.ends_at, found.warned, found.deadline_s, found.grace_s) == ("then", "soon", 60, 30)
    assert (found.created_at, found.deleted_at, found.deletion_grace_s) == (200, 600, 30)
    assert (found.finalizers, found.containers) == (("a/b",), ("main",))


def test_a_pod_of_which_little_is_said_is_read_too() -> None:
    found = pod({"metadata": {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "1"}})
    assert (found.phase, found.gpus, found.gates, found.has_labels, found.has_annotations) == (
        "Pending",
        (),
        (),
        False,
        False,
    )
    assert (found.selects, found.tolerates, found.started_at, found.deleted_at, found.grace_s) == (
        False,
        False,
        None,
        None,
        30,
    )


def test_the_first_bad_exit_code_is_the_pods() -> None:
    said = a_json_pod()
    states: list[dict[str, Any]] = [{"terminated": {"exitCode": code}} for code in (0, 137, 1)]
    states[1]["terminated"]["finishedAt"] = "1970-01-01T00:05:00Z"
    said["status"] = {
        "phase": "Failed",
        "reason": "DeadlineExceeded",
        "message": "too long",
        "startTime": "1970-01-01T00:03:21Z",
        "containerStatuses": [{"state": {"running": {}}}, *({"state": one} for one in states)],
    }
    found = pod(said)
    assert (found.exit_code, found.reason, found.message, found.is_over) == (137, "DeadlineExceeded", "too long", True)
    assert (found.started_at, found.over_at) == (201, 300)


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        pytest.param({"containers": [asks("2"), asks("1")]}, {GPU: 3}, id="containers run together"),
        pytest.param(
            {"initContainers": [asks("4"), asks("3")], "containers": [asks("2")]}, {GPU: 4}, id="init, in turn"
        ),
        pytest.param(
            {"initContainers": [asks("1", restartPolicy="Always"), asks("4")], "containers": [asks("2")]},
            {GPU: 5},
            id="an init container beside the sidecar before it",
        ),
        pytest.param(
            {"initContainers": [asks("4"), asks("1", restartPolicy="Always")], "containers": [asks("2")]},
            {GPU: 4},
            id="a sidecar that begins later",
        ),
        pytest.param(
            {"initContainers": [asks("3", restartPolicy="Always")], "containers": [asks("2")]}, {GPU: 5}, id="a sidecar"
        ),
        pytest.param({"containers": [asks("1"), asks("1", MIG)]}, {GPU: 1, MIG: 1}, id="two kinds"),
        pytest.param(
            {"containers": [{"name": "c", "resources": {"requests": {GPU: "1"}}}]}, {GPU: 1}, id="requests alone"
        ),
        pytest.param(
            {"containers": [asks("0"), asks("500m", "cpu"), asks("1", "kubernetes.io/x")]}, {}, id="no device"
        ),
        pytest.param({"containers": [asks("1"), asks("1k")]}, {GPU: 1001}, id="a thousand as the API server writes it"),
        pytest.param({}, {}, id="nothing"),
    ],
)
def test_devices_are_counted_as_the_scheduler_counts_them(spec: dict[str, Any], want: dict[str, int]) -> None:
    assert dict(devices(spec)) == want


@pytest.mark.parametrize(
    ("name", "want"),
    [
        (GPU, True),
        (MIG, True),
        ("cpu", False),
        ("hugepages-2Mi", False),
        ("kubernetes.io/batch", False),
        ("k8s.io/x", False),
    ],
)
def test_what_nodes_have_of_others_is_a_device(name: str, want: bool) -> None:
    assert is_device(name) is want


def test_a_node_is_read_with_the_name_that_selectors_go_by() -> None:
    found = node(
        {
            "metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "host-1", "dure.dev/pool": "h200"}},
            "spec": {"taints": [{"key": GPU, "effect": "NoSchedule"}, {"key": "soft", "effect": "PreferNoSchedule"}]},
            "status": {
                "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}],
                "allocatable": {"cpu": "4", GPU: "8", "acme.example/bandwidth": "1k"},
            },
        }
    )
    devices_ = (("acme.example/bandwidth", 1000), (GPU, 8))
    assert found == Node(name="n1", hostname="host-1", ready=True, pool="h200", devices=devices_, taints=(GPU,))
    assert [found.has(GPU), found.has(MIG)] == [8, 0]


@pytest.mark.parametrize("status", [{}, {"conditions": None}, {"conditions": [{"type": "Ready", "status": "Unknown"}]}])
def test_a_node_that_does_not_say_that_it_is_ready_is_not(status: dict[str, Any]) -> None:
    assert node({"metadata": {"name": "n1"}, "status": status}) == Node(name="n1", hostname="n1", ready=False)
