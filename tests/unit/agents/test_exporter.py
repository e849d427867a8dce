from dataclasses import replace
from typing import Any

import pytest

from agents.allocations import Held
from agents.metrics.exporter import AgentCollector
from agents.reporting.report import Reporter
from agents.sampler import Sampler
from agents.snapshot import GpuSnapshot
from tests.unit.agents.allocator import Allocator, Reply
from tests.unit.agents.builders import Hand, ScriptedDriver, a_gpu, allocations, an_allocation
from tests.unit.agents.scraping import scrape

A = {"node": "node-1", "gpu": "GPU-a", "product": "NVIDIA H100 80GB HBM3", "pool": ""}
NO_POD = {"namespace": "", "pod": "", "container": ""}


@pytest.fixture
def collector(sampler: Sampler, reporter: Reporter, clock: Hand) -> AgentCollector:
    return AgentCollector(sampler, reporter, node="node-1", version="0.1.0", monotonic=clock.monotonic)


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("dure_gpu_utilization_ratio", 0.5),
        ("dure_gpu_memory_used_bytes", 10 * 2**30),
        ("dure_gpu_memory_total_bytes", 80 * 2**30),
        ("dure_gpu_power_watts", 350),
        ("dure_gpu_energy_joules_total", 1000),
        ("dure_gpu_temperature_celsius", 55),
        ("dure_gpu_processes", 1),
    ],
)
def test_a_reading_in_base_units(collector: AgentCollector, sampler: Sampler, name: str, want: float) -> None:
    sampler.step()

    assert scrape(collector).of(name) == [(A, want)]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("utilization_percent", "dure_gpu_utilization_ratio"),
        ("memory_used_bytes", "dure_gpu_memory_used_bytes"),
        ("memory_total_bytes", "dure_gpu_memory_total_bytes"),
        ("power_milliwatts", "dure_gpu_power_watts"),
        ("energy_millijoules", "dure_gpu_energy_joules_total"),
        ("temperature_celsius", "dure_gpu_temperature_celsius"),
        ("processes", "dure_gpu_processes"),
    ],
)
def test_an_unknown_value_has_no_series(
    collector: AgentCollector, sampler: Sampler, driver: ScriptedDriver, field: str, name: str
) -> None:
    unknown: dict[str, Any] = {field: None}
    driver.says([a_gpu(**unknown)])
    sampler.step()

    assert scrape(collector).of(name) == []


def test_health_is_one_series_a_state(collector: AgentCollector, sampler: Sampler, driver: ScriptedDriver) -> None:
    driver.says([a_gpu(health="suspect")])
    sampler.step()

    found = {labels["state"]: value for labels, value in scrape(collector).of("dure_gpu_health")}
    assert found == {"ok": 0, "suspect": 1, "unhealthy": 0}


def test_what_a_gpu_is_is_an_info_series(collector: AgentCollector, sampler: Sampler, driver: ScriptedDriver) -> None:
    driver.says([a_gpu(serial="1234", pci_bus_id="0000:01:00.0", index=3)])
    sampler.step()
    ((found, value),) = scrape(collector).of("dure_gpu_info")

    assert {name: said for name, said in found.items() if said} == {
        **{name: said for name, said in A.items() if said},
        "index": "3",
        "serial": "1234",
        "pci_bus_id": "0000:01:00.0",
        "driver_version": "570.1",
    }
    assert value == 1


def test_an_instance_says_what_it_is_cut_from_and_how(
    collector: AgentCollector, sampler: Sampler, driver: ScriptedDriver
) -> None:
    driver.says([a_gpu("MIG-a", parent="GPU-a", mig_profile="1g.10gb", mig_instance="7/0", utilization_source="gpm")])
    sampler.step()
    ((found, _),) = scrape(collector).of("dure_gpu_info")

    assert {name: found[name] for name in ("gpu", "parent", "mig_profile", "mig_instance", "utilization_source")} == {
        "gpu": "MIG-a",
        "parent": "GPU-a",
        "mig_profile": "1g.10gb",
        "mig_instance": "7/0",
        "utilization_source": "gpm",
    }


def test_the_pool_is_said_once_the_allocator_told_it(collector: AgentCollector, sampler: Sampler) -> None:
    sampler.follow(replace(allocations(), pools={"GPU-a": "h100"}))
    sampler.step()

    assert scrape(collector).of("dure_gpu_power_watts") == [({**A, "pool": "h100"}, 350)]


@pytest.mark.parametrize(
    ("item", "want"),
    [
        pytest.param(
            an_allocation(),
            [({"node": "node-1", "gpu": "GPU-a", "lease": "lea_1", "company": "acme", **NO_POD}, 1)],
            id="a GPU that is held",
        ),
        pytest.param(an_allocation(ended=True), [], id="one whose lease is over"),
        pytest.param(an_allocation(stops=1000), [], id="one whose lease has stopped, told or not"),
        pytest.param(an_allocation(gpu="GPU-gone"), [], id="one that is not there"),
    ],
)
def test_who_holds_a_gpu(collector: AgentCollector, sampler: Sampler, item: Held, want: list) -> None:
    sampler.follow(allocations(item))
    sampler.step()

    assert scrape(collector).of("dure_gpu_holder_info") == want


def test_series_go_with_their_gpu_and_lease(
    collector: AgentCollector, sampler: Sampler, driver: ScriptedDriver, clock: Hand
) -> None:
    driver.says([a_gpu("GPU-a"), a_gpu("GPU-b")], [a_gpu("GPU-b")])
    sampler.follow(allocations(an_allocation()))
    sampler.step()
    before = scrape(collector)
    sampler.follow(allocations())
    clock.advance(1)
    sampler.step()
    after = scrape(collector)

    assert (before.gpus(), len(before.of("dure_gpu_holder_info"))) == ({"GPU-a", "GPU-b"}, 1)
    assert (after.gpus(), after.of("dure_gpu_holder_info")) == ({"GPU-b"}, [])


def test_a_driver_that_hangs_leaves_no_old_readings(collector: AgentCollector, sampler: Sampler, clock: Hand) -> None:
    sampler.step()
    clock.advance(30)
    found = scrape(collector)

    assert found.of("dure_gpu_utilization_ratio") == []
    assert found.of("dure_agent_snapshot_age_seconds") == [({"node": "node-1"}, 30)]
    assert {labels["state"]: value for labels, value in found.of("dure_gpu_health")}["suspect"] == 1


def test_before_anything_happened_age_counts_from_the_start_and_every_outcome_from_zero(
    collector: AgentCollector, clock: Hand
) -> None:
    clock.advance(7)
    found = scrape(collector)

    assert found.gpus() == set()
    assert found.of("dure_agent_snapshot_age_seconds") == [({"node": "node-1"}, 7)]
    assert found.of("dure_agent_report_age_seconds") == []
    assert {labels["outcome"]: value for labels, value in found.of("dure_agent_reports_total")} == {
        "ok": 0,
        "refused": 0,
        "busy": 0,
        "unreachable": 0,
        "garbage": 0,
    }
    assert found.of("dure_agent_build_info") == [({"node": "node-1", "version": "0.1.0"}, 1)]


def test_reports_are_counted_and_the_last_one_taken_has_an_age(
    collector: AgentCollector, sampler: Sampler, reporter: Reporter, allocator: Allocator, clock: Hand
) -> None:
    sampler.step()
    reporter.step()
    allocator.replies = [Reply(503)]
    clock.advance(12)
    reporter.step()
    found = scrape(collector)
    counted = {labels["outcome"]: value for labels, value in found.of("dure_agent_reports_total") if value}

    assert counted == {"ok": 1, "busy": 1}
    assert found.of("dure_agent_report_age_seconds") == [({"node": "node-1"}, 12)]


def test_a_product_with_odd_letters_does_not_break_the_page(
    collector: AgentCollector, sampler: Sampler, driver: ScriptedDriver
) -> None:
    odd: GpuSnapshot = a_gpu(product='a "b" \\ c\nd')
    driver.says([odd])
    sampler.step()

    assert scrape(collector).of("dure_gpu_power_watts")[0][0]["product"] == odd.product


def test_pools_are_as_the_allocator_last_told_them(
    collector: AgentCollector, sampler: Sampler, reporter: Reporter, allocator: Allocator, clock: Hand
) -> None:
    told: list[dict[str, str] | None] = [{"GPU-a": "h100"}, None, {}]
    seen = []
    for seq, pools in enumerate(told, 1):
        said = {"server_time": allocator.server_time(), "seq": seq, "allocations": [], "pools": pools}
        allocator.replies = [Reply(200, said)]
        sampler.step()
        reporter.step()
        seen.append(scrape(collector).of("dure_gpu_power_watts")[0][0]["pool"])
        clock.advance(20)

    assert seen == ["h100", "h100", ""]
