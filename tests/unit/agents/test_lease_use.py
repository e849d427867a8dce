"""What a lease used, from the driver to the wire: leased, busy, idle and joules, exact to the sampling interval."""

import json

import pytest

from agents.allocations import Allocations
from agents.sampler import Sampler
from agents.scenario import Fault, Scenario
from agents.simulated import SimulatedDriver
from agents.totals import Use
from dure.wire import AllocationUsage
from tests.unit.agents.builders import Hand, allocations, an_allocation

WHOLE = Scenario(seed=7, gpus=1, speed=60)
CUT = Scenario(seed=7, gpus=1, speed=60, mig=("1g.10gb", "2g.20gb"))
CUT_BEFORE_GPM = CUT.model_copy(update={"product": "NVIDIA A100-SXM4-80GB"})


def _use(scenario: Scenario, *, starts: float = 1000.0, stops: float = 1060.0, sample_s: float = 1.0) -> Use:
    """Of a lease on the first GPU, sampled from well before its start until well after its stop."""
    clock = Hand(990.0)
    driver = SimulatedDriver(scenario, node="node-1", monotonic=clock.monotonic, now=clock.wall, wait=clock.advance)
    sampler = Sampler(driver, sample_s=sample_s, monotonic=clock.monotonic, now=clock.wall)
    uuid = driver.read().gpus[0].uuid
    known: Allocations = allocations(an_allocation(gpu=uuid, starts=starts, stops=stops))
    sampler.totals.settle([], listed=known.listed())
    while clock.at < 1100:
        sampler.follow(allocations(*known.items))
        sampler.step()
        clock.advance(sample_s)
    (use,) = sampler.totals.usage()
    return use


def test_a_lease_is_seen_for_exactly_as_long_as_it_is_whatever_the_samples_are() -> None:
    assert [_use(WHOLE, sample_s=each).sampled_ms for each in (0.25, 0.5, 1.0)] == [60_000] * 3
    assert _use(WHOLE, starts=1000.4, stops=1049.9).sampled_ms == 49_500


def test_busy_is_a_part_of_what_was_seen_and_energy_lies_between_rest_and_full_load() -> None:
    use = _use(WHOLE)

    assert 0 < use.busy_ms < use.sampled_ms
    assert 70 * 60 * 1000 < (use.energy_millijoules or 0) < 700 * 60 * 1000


@pytest.mark.parametrize(
    ("scenario", "measured"),
    [
        pytest.param(CUT, True, id="GPM tells how busy an instance is"),
        pytest.param(CUT_BEFORE_GPM, False, id="before GPM nobody can tell"),
    ],
)
def test_an_instance_has_no_energy_and_no_use_that_nobody_measured(scenario: Scenario, measured: bool) -> None:
    use = _use(scenario)

    assert use.energy_millijoules is None
    assert use.memory_ms == 60_000
    assert (use.sampled_ms > 0, use.busy_ms > 0) == (measured, measured)


def test_energy_that_nobody_measured_is_null_on_the_wire_and_not_zero() -> None:
    said = AllocationUsage.model_validate(
        {"allocation": "all_1", "day_began_at": "2026-11-30T00:00:00Z", "sampled_ms": 5, "busy_ms": 0}
    )

    assert json.loads(said.model_dump_json())["energy_millijoules"] is None


def test_a_counter_that_begins_anew_in_a_reset_takes_nothing_off() -> None:
    reset = WHOLE.model_copy(update={"faults": (Fault(kind="reset", at_s=30.5),)})

    assert 0 < (_use(reset).energy_millijoules or 0) < (_use(WHOLE).energy_millijoules or 0)


def test_time_in_which_a_gpu_was_lost_is_neither_busy_nor_idle() -> None:
    lost = WHOLE.model_copy(update={"faults": (Fault(kind="lost", at_s=20, for_s=20),)})

    assert _use(lost).sampled_ms == 40_000
