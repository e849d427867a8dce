"""Pools and nodes on a screen."""

from dataclasses import replace

import pytest

from dure import wire
from dure.render import fleet
from tests.unit.dure.answers import a_gpu, a_node, a_pool, in_s
from tests.unit.dure.screen import SEOUL, text
from tests.unit.dure.tops import a_drain


def test_a_pool_is_a_line_with_what_is_free_now() -> None:
    shown = text(fleet.pools([a_pool()], SEOUL)).splitlines()
    assert shown[0].split() == ["POOL", "GPUS", "FREE", "LEASED", "OTHER", "NODES", "QUEUED", "PRODUCT"]
    assert shown[1].split()[:7] == ["h100-80gb", "16", "7", "8", "1", "unhealthy", "2"]


def test_free_is_what_a_lease_could_start_on_and_not_what_is_on_a_node_out_of_service() -> None:
    out = a_pool(free_draining=4)
    assert text(fleet.pools([out], SEOUL)).splitlines()[1].split()[:7] == [
        *("h100-80gb", "16", "3", "8", "4", "draining,", "1")
    ]
    assert "3 free, 8 leased, 4 draining, 1 unhealthy (on 2 nodes)" in text(fleet.pool(out, SEOUL))
    drained = a_node(drains=[a_drain()])
    assert text(fleet.nodes([drained], SEOUL)).splitlines()[1].split()[:4] == ["gpu-01", "ok", "2", "0"]


def test_one_pool_says_its_rules() -> None:
    shown = text(fleet.pool(a_pool(gap_s=90), SEOUL))
    for part in ("7 free, 8 leased, 1 unhealthy (on 2 nodes)", "1m30s after each lease", "at most 1024 MiB in use"):
        assert part in shown
    assert "on free GPUs 512 MiB at most now" in text(fleet.pool(a_pool(seen_empty_bytes=512 << 20), SEOUL))


@pytest.mark.parametrize(
    ("cluster", "state", "says"),
    [
        (None, None, "by nobody: no cluster is named"),
        ("main", "ok", "as nvidia.com/gpu in cluster main\n"),
        ("main", "trouble", "in cluster main, where something is wrong (dure clusters)"),
        ("mian", "unknown", "by nobody: no scheduler is told of cluster mian"),
    ],
)
def test_a_pool_says_who_enforces_it(cluster: str | None, state: str | None, says: str) -> None:
    assert says in text(fleet.pool(a_pool(cluster=cluster, cluster_state=state), replace(SEOUL, width=200)))


def test_a_pool_says_when_what_is_idle_is_given_back() -> None:
    shown = text(fleet.pool(a_pool(idle_after_s=7200, idle_below_ppm=25_000), SEOUL))
    assert "given back where under 2.5 % is used for 2h" in shown
    assert "nothing is given back" in shown, "inference has a rule of its own"


@pytest.mark.parametrize("gpus", [{}, {wire.GpuState.FREE: 0}])
def test_a_pool_without_gpus_says_none(gpus: dict[wire.GpuState, int]) -> None:
    assert "none (on 0 nodes)" in text(fleet.pool(a_pool(gpus=gpus, nodes=0), SEOUL))


def test_a_node_is_a_line_with_when_it_was_heard() -> None:
    never = a_node("gpu-02", state=wire.NodeState.ENROLLED, silent_s=None, last_report_at=None, gpus=[])
    shown = text(fleet.nodes([a_node(), never], SEOUL)).splitlines()
    assert shown[1].split() == ["gpu-01", "ok", "2", "1", "h100-80gb", "–", "–", "4s", "ago", "0.1.0"]
    assert shown[2].split()[:8] == ["gpu-02", "enrolled", "0", "0", "–", "–", "–", "never"]


def test_what_could_not_be_read_of_a_gpu_is_nothing_and_not_zero() -> None:
    unread = a_gpu(
        0,
        pool=None,
        state=wire.GpuState.UNPOOLED,
        memory_used_bytes=None,
        utilization_percent=None,
        power_milliwatts=None,
        temperature_celsius=None,
    )
    line = text(fleet.node(a_node(gpus=[unread]), SEOUL)).splitlines()[-1]
    assert line.split() == ["0", "GPU-00000000", "unpooled", "–", "unpooled", "–", "–", "–", "–", "–", "ok"]


@pytest.mark.parametrize("width", [100, 160])
def test_a_node_shows_each_gpu_and_its_lease(width: int) -> None:
    view = replace(SEOUL, width=width)
    shown = text(fleet.node(a_node(), view), view)
    for part in (
        "3s behind ours",
        "0    GPU-00000000",
        "1    GPU-00000001",
        "lea_1",
        "0.5/80 GiB",
        "71 W",
        "31 C",
        "driver 560.35",
    ):
        assert part in shown


def test_a_node_fits_a_narrow_screen_with_a_line_a_gpu() -> None:
    view = replace(SEOUL, width=80)
    gpus = [
        a_gpu(
            n,
            uuid=f"GPU-8f2a11c0-1111-2222-3333-44445555666{n}",
            lease="lea_06eqz8n1hg7k2m9v4r3t",
            state=wire.GpuState.QUARANTINED,
        )
        for n in range(8)
    ]
    lines = text(fleet.node(a_node(gpus=gpus), view), view).splitlines()
    assert [line.split()[:3] for line in lines[-8:]] == [
        [str(n), "lea_06eqz8n1hg7k2m9v4r3t", "quarantined"] for n in range(8)
    ]
    assert max(map(len, lines)) <= 80


def test_a_node_that_never_reported_says_so() -> None:
    node = a_node(last_report_at=None, clock_offset_s=None, agent_version=None, gpus=[])
    shown = text(fleet.node(node, SEOUL)).splitlines()
    assert "reported  never" in shown
    assert shown[-1] == "GPUs      none reported yet"


def test_nothing_there_says_how_to_begin() -> None:
    assert "dure pool add" in text(fleet.pools([], SEOUL))
    assert "dure node enroll" in text(fleet.nodes([], SEOUL))


def test_a_gpu_that_may_not_be_called_empty_says_why() -> None:
    shown = text(
        fleet.node(a_node(gpus=[a_gpu(3, unproved="scrub_command runs since 12 s")], cuda_version="13.0"), SEOUL), SEOUL
    )
    assert "GPU 3     not proved empty: scrub_command runs since 12 s" in shown
    assert "driver 560.35, CUDA 13.0" in shown


@pytest.mark.parametrize(
    ("identity", "says"),
    [
        (None, "none: let its agent join with dure node join-token gpu-01"),
        (wire.NodeIdentity(by="token", token="tok_1"), "token tok_1 of an admin's, for ever"),
        (wire.NodeIdentity(by="token", token="tok_1", ends_at=in_s(60)), "token tok_1 of an admin's, until Tue 2026"),
        (
            wire.NodeIdentity(by="credential", token="tok_1", ends_at=in_s(60)),
            "credential tok_1, renewed by its agent, until Tue 2026",
        ),
        (
            wire.NodeIdentity(by="credential", token="tok_1", ends_at=in_s(-60)),
            "let its agent join again with dure node join-token gpu-01",
        ),
        (wire.NodeIdentity(by="cluster", cluster="main"), "cluster main vouches for its agent"),
    ],
)
def test_a_node_says_how_its_agent_is_known_and_until_when(identity: wire.NodeIdentity | None, says: str) -> None:
    assert says in text(fleet.node(a_node(identity=identity), replace(SEOUL, width=160)), replace(SEOUL, width=160))
