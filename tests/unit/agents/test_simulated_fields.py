"""What a simulated GPU says of itself: every field of a snapshot, or why not; whole or cut into instances."""

from dataclasses import fields

import pytest

from agents.scenario import GIB, Fault, NodeGroup, Scenario
from agents.simulated import MIB, SimulatedDriver
from agents.snapshot import GpuSnapshot, Snapshot
from tests.unit.agents.builders import Hand, allocations, an_allocation

A_THIRD_SAYS = {
    "health",
    "health_reason",
    "lost",
    "trouble",
    "last_xid",
    "absent",
    "mig_profile",
    "mig_instance",
    "parent",
}
"""What is judged by somebody else, or is None where nothing happened or the GPU is whole."""


def _driver(scenario: Scenario, clock: Hand | None = None) -> SimulatedDriver:
    clock = clock or Hand()
    return SimulatedDriver(scenario, node="node-1", monotonic=clock.monotonic, now=clock.wall, wait=clock.advance)


def _read(scenario: Scenario) -> Snapshot:
    return _driver(scenario).read(processes_of=None)


@pytest.mark.parametrize(
    ("product", "mig"),
    [
        ("NVIDIA H100 80GB HBM3", None),
        ("NVIDIA H100 80GB HBM3", ("1g.10gb",)),
        ("NVIDIA A100-SXM4-80GB", None),
        ("NVIDIA A100-SXM4-80GB", ("1g.10gb",)),
        ("NVIDIA A10", None),
        ("a GPU that nobody knows", None),
    ],
)
def test_every_field_is_there_or_why_it_is_not(product: str, mig: tuple[str, ...] | None) -> None:
    gpu = _read(Scenario(product=product, mig=mig)).gpus[0]
    missing = {each.name for each in fields(GpuSnapshot) if getattr(gpu, each.name) is None} - A_THIRD_SAYS

    assert missing == set(gpu.absent or {})
    assert set((gpu.absent or {}).values()) <= {"not_supported", "mig"}


@pytest.mark.parametrize(
    ("product", "source", "domain"),
    [
        pytest.param("NVIDIA H100 80GB HBM3", "gpm", True, id="Hopper, by GPM"),
        pytest.param("NVIDIA B200", "gpm", True, id="Blackwell, by GPM"),
        pytest.param("NVIDIA A100-SXM4-80GB", "rates", True, id="before, by the older counters"),
        pytest.param("NVIDIA A10", "rates", False, id="without NVLink"),
    ],
)
def test_a_product_reads_as_it_does_in_life(product: str, source: str, domain: bool) -> None:
    gpu = _read(Scenario(product=product)).gpus[0]

    assert (gpu.utilization_source, gpu.nvlink_domain is not None) == (source, domain)
    assert (gpu.sm_active_percent is not None) == (source == "gpm")


def test_islands_are_domains_of_their_own() -> None:
    gpus = _read(Scenario(gpus=8, island=4)).gpus

    assert len({gpu.nvlink_domain for gpu in gpus[:4]}) == len({gpu.nvlink_domain for gpu in gpus[4:]}) == 1
    assert gpus[0].nvlink_domain != gpus[4].nvlink_domain
    assert gpus[5].nvlink_peers == tuple(gpus[at].pci_bus_id for at in (4, 6, 7))


def test_gpus_of_a_node_differ_in_what_tells_them_apart() -> None:
    gpus = _read(Scenario(gpus=64)).gpus

    for name in ("uuid", "serial", "pci_bus_id", "index"):
        assert len({getattr(gpu, name) for gpu in gpus}) == 64
    assert {gpu.numa_node for gpu in gpus} == {0, 1}


def test_instances_are_gpus_of_their_own_without_power_and_energy() -> None:
    snapshot = _read(Scenario(gpus=2, mig_of={1: ("1g.10gb", "1g.10gb", "2g.20gb")}))
    whole, *instances = snapshot.gpus

    assert [gpu.index for gpu in snapshot.gpus] == [0, 1, 2, 3]
    assert [(gpu.mig_profile, gpu.mig_instance) for gpu in instances] == [
        ("1g.10gb", "7/0"),
        ("1g.10gb", "8/0"),
        ("2g.20gb", "3/0"),
    ]
    assert len({gpu.parent for gpu in instances}) == 1
    assert all(gpu.uuid.startswith("MIG-") and gpu.product.endswith(f"MIG {gpu.mig_profile}") for gpu in instances)
    assert [gpu.memory_total_bytes for gpu in instances] == [10 * GIB, 10 * GIB, 20 * GIB]
    assert whole.energy_millijoules == 0
    for gpu in instances:
        assert (gpu.power_milliwatts, gpu.power_limit_milliwatts, gpu.energy_millijoules) == (None, None, None)
        assert (gpu.absent or {})["energy_millijoules"] == "mig"


def test_an_instance_works_for_its_lease_and_the_others_do_not() -> None:
    clock = Hand()
    driver = _driver(Scenario(gpus=1, mig=("3g.40gb", "3g.40gb")), clock)
    first, second = driver.read().gpus
    driver.follow(allocations(an_allocation(gpu=second.uuid)))
    clock.advance(1)
    gpus = driver.read(processes_of={second.uuid}).gpus

    assert [gpu.processes for gpu in gpus] == [None, 1]
    assert gpus[0].memory_used_bytes == first.memory_used_bytes
    assert (gpus[1].memory_used_bytes or 0) > (second.memory_used_bytes or 0)


def test_an_xid_on_a_gpu_that_is_cut_is_the_whole_gpus() -> None:
    snapshot = _read(Scenario(gpus=1, mig=("1g.10gb",) * 2, faults=(Fault(kind="xid", xid=79),)))

    assert [one.gpu for one in snapshot.xids] == [snapshot.gpus[0].parent]
    assert [gpu.last_xid for gpu in snapshot.gpus] == [79, 79]


def test_a_gpu_is_cut_anew_and_made_whole_again() -> None:
    clock = Hand()
    faults = (
        Fault(kind="mig_change", gpu=0, at_s=5, mig=("1g.10gb", "2g.20gb")),
        Fault(kind="mig_change", gpu=0, at_s=10),
    )
    driver = _driver(Scenario(gpus=1, mig_of={0: ("1g.10gb",)}, faults=faults), clock)
    seen = [[gpu.uuid for gpu in driver.read().gpus]]
    for _ in range(2):
        clock.advance(5)
        seen.append([gpu.uuid for gpu in driver.read().gpus])

    assert [len(each) for each in seen] == [1, 2, 1]
    assert seen[0][0] == seen[1][0]
    assert seen[2][0].startswith("GPU-")


def test_a_gpu_where_mig_is_on_and_nothing_was_made_is_not_there_to_lease() -> None:
    assert _read(Scenario(gpus=2, mig_of={0: ()})).gpus[0].index == 0
    assert len(_read(Scenario(gpus=2, mig_of={0: ()})).gpus) == 1


def test_the_process_of_a_lease_is_seen_where_it_is_asked_for() -> None:
    clock = Hand()
    driver = _driver(Scenario(gpus=1), clock)
    uuid = driver.read().gpus[0].uuid
    driver.follow(allocations(an_allocation(gpu=uuid)))
    began = clock.wall()
    clock.advance(3)
    gpu = driver.read(processes_of=None).gpus[0]
    (process,) = gpu.seen

    assert driver.read().gpus[0].seen == ()
    assert (process.name, process.started_at, process.cgroup) == ("python3", began, "/dure.slice/all_1.scope")
    assert process.used_memory_bytes == (gpu.memory_used_bytes or 0) - 500 * MIB


def test_a_zombie_is_the_process_that_was_there_before() -> None:
    clock = Hand()
    driver = _driver(Scenario(gpus=1, faults=(Fault(kind="zombie"),)), clock)
    uuid = driver.read().gpus[0].uuid
    driver.follow(allocations(an_allocation(gpu=uuid)))
    working = driver.read(processes_of=None).gpus[0].seen
    clock.at = 5000
    stuck = driver.read(processes_of=None).gpus[0].seen

    assert [process.pid for process in stuck] == [process.pid for process in working]


def test_a_node_of_a_group_is_what_its_group_is() -> None:
    scenario = Scenario(groups=(NodeGroup(count=1, gpus=4, mig=("7g.80gb",)),))

    assert [gpu.mig_profile for gpu in _read(scenario).gpus] == ["7g.80gb"] * 4
