"""Each field of a snapshot as a series; who holds a GPU; what nobody can tell; how many there are."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from agents.metrics import exporter, series
from agents.sampler import Sampler
from agents.scenario import Scenario
from agents.simulated import SimulatedDriver
from agents.snapshot import GpuSnapshot, Holder, Sample, Violation
from agents.spool.spool import Spool
from agents.totals import Use
from tests.unit.agents.builders import Hand, ScriptedDriver, a_gpu, allocations, an_allocation
from tests.unit.agents.scraping import a_collector, scrape, seen

UNSEEN = {
    "uuid": "the label gpu",
    "product": "a label",
    "trouble": "a sentence, in the report",
    "health_reason": "a sentence, in the report",
    "nvlink_peers": "what its links lead to, in the report",
    "seen": "processes, of which there is one series each as long as they live",
    "absent": "why others have no series",
}


def test_every_field_of_a_gpu_has_a_series_or_a_reason() -> None:
    told = {field for one in series.TABLE for field in one.fields}

    assert {each.name for each in fields(GpuSnapshot)} - told == set(UNSEEN)


def test_a_gpu_that_says_everything_has_every_series(clock: Hand) -> None:
    driver = SimulatedDriver(Scenario(gpus=1), node="node-1", monotonic=clock.monotonic, now=clock.wall)

    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(driver, name)

        def read(self, **_: Any) -> Any:
            gpu = replace(
                driver.read(processes_of=None).gpus[0], retired_pages=1, retired_pages_pending=True, last_xid=13
            )
            return replace(driver.read(), gpus=(gpu,))

    found = scrape(a_collector(seen(clock, Full()), clock))
    missing = {one.name for one in (*series.READINGS, series.INFO, series.SEES)} - found.series.keys()

    assert missing == set()


def test_a_gpu_that_says_nothing_has_no_series_but_what_it_is_and_how_it_is(clock: Hand) -> None:
    sampler = seen(clock, ScriptedDriver([GpuSnapshot(uuid="GPU-a", index=0, product="x", lost="lost")]))
    found = scrape(a_collector(sampler, clock))

    assert {name for name, each in found.series.items() if any("product" in labels for labels, _ in each)} == {
        "dure_gpu_health",
        "dure_gpu_lost",
        "dure_gpu_info",
        "dure_gpu_violations",
    }


@pytest.mark.parametrize(
    ("changed", "name", "want"),
    [
        ({"power_limit_milliwatts": 700_000}, "dure_gpu_power_limit_watts", {"": 700}),
        ({"sm_clock_megahertz": 1980}, "dure_gpu_sm_clock_hertz", {"": 1.98e9}),
        ({"throttled_nanoseconds": {"power": 1_500_000_000}}, "dure_gpu_throttled_seconds_total", {"power": 1.5}),
        ({"remap_pending": True}, "dure_gpu_row_remap_pending", {"": 1}),
        ({"nvlinks_active": 17, "nvlinks_inactive": 1}, "dure_gpu_nvlinks", {"active": 17, "inactive": 1}),
        ({"remapped_rows_uncorrected": 2}, "dure_gpu_remapped_rows_total", {"uncorrected": 2}),
        ({"lost": "reset_required"}, "dure_gpu_lost", {"lost": 0, "reset_required": 1}),
        ({"tensor_active_percent": 30}, "dure_gpu_tensor_active_ratio", {"": 0.3}),
    ],
)
def test_what_a_field_looks_like(clock: Hand, changed: dict[str, Any], name: str, want: dict[str, float]) -> None:
    found = scrape(a_collector(seen(clock, ScriptedDriver([a_gpu(**changed)])), clock)).of(name)
    more = next((each.more for each in series.TABLE if each.name == name), ())

    assert {"".join(labels[label] for label in more): value for labels, value in found} == want


def test_reasons_of_throttling_are_one_series_each(clock: Hand) -> None:
    sampler = seen(clock, ScriptedDriver([a_gpu(throttle_reasons=("sw_power_cap", "one_that_nobody_knows"))]))
    found = {labels["reason"]: value for labels, value in scrape(a_collector(sampler, clock)).of("dure_gpu_throttled")}

    assert found == {**dict.fromkeys(series.THROTTLE_REASONS, 0), "sw_power_cap": 1}


HOLDER = Holder(gpu="GPU-a", namespace="acme", pod="train-0", container="main", resource="nvidia.com/gpu")


def _held_by(*holders: Holder) -> Callable[[Sample, Sample | None], Sample]:
    return lambda sample, before: replace(sample, holders=holders)


@pytest.mark.parametrize(
    ("leased", "holders", "want"),
    [
        pytest.param(True, (HOLDER,), [("lea_1", "acme", "acme", "train-0", "main")], id="a lease and its pod"),
        pytest.param(False, (HOLDER,), [("", "", "acme", "train-0", "main")], id="a pod without a lease"),
        pytest.param(True, (), [("lea_1", "acme", "", "", "")], id="a lease whose pod is not there yet"),
        pytest.param(
            True,
            (HOLDER, replace(HOLDER, container="side"), HOLDER),
            [("lea_1", "acme", "acme", "train-0", "main"), ("lea_1", "acme", "acme", "train-0", "side")],
            id="containers that share it, each once",
        ),
        pytest.param(False, (replace(HOLDER, gpu="GPU-gone"),), [], id="a pod on a GPU that is not there"),
    ],
)
def test_who_holds_a_gpu_with_its_pod(clock: Hand, leased: bool, holders: tuple[Holder, ...], want: list) -> None:
    sampler = seen(clock, ScriptedDriver([a_gpu()]), _held_by(*holders))
    sampler.follow(allocations(*([an_allocation()] if leased else [])))
    found = scrape(a_collector(sampler, clock)).of("dure_gpu_holder_info")

    assert [tuple(labels[name] for name in series.HOLDER.more) for labels, _ in found] == want


def test_the_series_of_a_pod_go_with_it(clock: Hand) -> None:
    there = [HOLDER]
    sampler = Sampler(
        ScriptedDriver([a_gpu()]),
        sample_s=1,
        stages=[lambda sample, before: replace(sample, holders=tuple(there))],
        monotonic=clock.monotonic,
        now=clock.wall,
    )
    sampler.step()
    before = exporter.route(a_collector(sampler, clock))("").body
    there.clear()
    sampler.step()
    after = exporter.route(a_collector(sampler, clock))("").body

    assert (b"train-0" in before, b"train-0" in after) == (True, False)


def test_violations_are_counted_by_kind_and_not_where_nobody_can_tell(clock: Hand) -> None:
    found = Violation(gpu="GPU-a", kind="process", since=1.0, pid=3)
    driver = ScriptedDriver([a_gpu()])
    sampler = seen(clock, driver, lambda sample, before: replace(sample, violations=(found, replace(found, pid=4))))
    before = scrape(a_collector(sampler, clock)).of("dure_gpu_violations")
    driver.sees_processes = False
    sampler.step()
    blind = scrape(a_collector(sampler, clock))

    assert [(labels["kind"], value) for labels, value in before] == [("process", 2)]
    assert blind.of("dure_gpu_violations") == []
    assert blind.of("dure_agent_sees_processes") == [({"node": "node-1"}, 0)]


class _Kept:
    bytes = 4096
    dropped = 3


def test_what_the_agent_knows_of_its_clock_and_its_spool(clock: Hand) -> None:
    sampler = seen(clock, ScriptedDriver([a_gpu()]))
    found = scrape(a_collector(sampler, clock, kept=_Kept(), clock_ahead_s=lambda: -1.5))
    without = scrape(a_collector(sampler, clock))

    wanted = {
        "dure_agent_clock_offset_seconds": -1.5,
        "dure_agent_spool_bytes": 4096,
        "dure_agent_spool_dropped_total": 3,
    }
    assert {name: found.of(name) for name in wanted} == {
        name: [({"node": "node-1"}, value)] for name, value in wanted.items()
    }
    assert not wanted.keys() & without.series.keys()


MOST_OF_A_UNIT = 55


def test_the_largest_node_has_a_bounded_number_of_series(clock: Hand) -> None:
    driver = SimulatedDriver(Scenario(mig=("1g.10gb",) * 7), node="node-1", monotonic=clock.monotonic, now=clock.wall)
    sampler = seen(clock, driver)
    clock.advance(1)
    sampler.step()
    first = scrape(a_collector(sampler, clock))
    clock.advance(1)
    sampler.step()
    again = scrape(a_collector(sampler, clock))
    count = sum(len(each) for each in first.series.values())

    assert len(first.gpus()) == 56
    assert count <= 56 * MOST_OF_A_UNIT
    assert {name: len(each) for name, each in first.series.items()} == {
        name: len(each) for name, each in again.series.items()
    }


def test_a_spool_says_what_it_fills_of_its_folder_and_nothing_without_one(tmp_path: Path, clock: Hand) -> None:
    (tmp_path / "state").mkdir()
    spool = Spool(tmp_path / "state", boot="boot_1", totals=lambda: [Use(allocation="all_1", day=0, sampled_ms=5)])
    spool.step()
    sampler = seen(clock, ScriptedDriver([a_gpu()]))
    ((_, filled),) = scrape(a_collector(sampler, clock, kept=spool)).of("dure_agent_spool_bytes")
    on_disk = sum(path.stat().st_size for path in (tmp_path / "state").iterdir())
    spool.close([])
    without = scrape(a_collector(sampler, clock, kept=Spool(None, boot="boot_1", totals=list)))

    assert 0 < on_disk <= filled
    assert without.of("dure_agent_spool_bytes") == []
    assert without.of("dure_agent_spool_dropped_total") == [({"node": "node-1"}, 0)]


def test_a_gpu_that_is_cut_has_the_series_of_the_whole_of_it_and_none_of_what_can_be_granted(clock: Hand) -> None:
    cards = (a_gpu("GPU-a", utilization_percent=None, memory_total_bytes=None, memory_used_bytes=None, processes=None),)
    bare = {"power_milliwatts": None, "energy_millijoules": None, "temperature_celsius": None, "parent": "GPU-a"}
    sampler = seen(
        clock,
        ScriptedDriver([a_gpu("MIG-1", **bare), a_gpu("MIG-2", **bare)]),
        lambda sample, before: replace(sample, snapshot=replace(sample.snapshot, cards=cards)),
    )
    found = scrape(a_collector(sampler, clock))
    clock.advance(60)
    silent = scrape(a_collector(sampler, clock))

    own = {name for name, each in found.series.items() if any(labels.get("gpu") == "GPU-a" for labels, _ in each)}
    assert own == {
        "dure_gpu_power_watts",
        "dure_gpu_energy_joules_total",
        "dure_gpu_temperature_celsius",
        "dure_gpu_ecc_uncorrected_errors_total",
        "dure_gpu_info",
    }
    assert [value for _, value in found.of("dure_gpu_power_watts")] == [350]
    assert {labels["gpu"]: labels["parent"] for labels, _ in found.of("dure_gpu_info")} == {
        "MIG-1": "GPU-a",
        "MIG-2": "GPU-a",
        "GPU-a": "",
    }
    assert silent.of("dure_gpu_power_watts") == [], "what was read before is no longer said"
