"""Utilisation by GPM's counters, and what is said where they do not answer."""

import pytest

from tests.unit.agents.nvml.conftest import Start
from tests.unit.agents.nvml.library import Scenario
from tests.unit.agents.nvml.reader import Reader

FIELDS = ("utilization_percent", "sm_active_percent", "tensor_active_percent", "dram_active_percent")


def test_the_first_reading_is_of_the_older_rates_for_gpm_takes_two_samples(reader: Reader) -> None:
    first = reader.gpus()[0]
    second = reader.later(1).gpus()[0]

    assert (first["utilization_percent"], first["utilization_source"]) == (42, "rates")
    assert {first["absent"][name] for name in FIELDS[1:]} == {"not_yet"}
    assert ([second[name] for name in FIELDS], second["utilization_source"]) == ([71, 72, 75, 80], "gpm")
    assert second["absent"] == {}


def test_two_readings_that_are_too_close_say_the_same(reader: Reader, scenario: Scenario) -> None:
    reader.read()
    reader.later(1).read()
    scenario.set({"gpu.0.gpm.1": 5})
    close, apart = reader.later(0.1).gpus()[0], reader.later(0.4).gpus()[0]

    assert (close["utilization_percent"], apart["utilization_percent"]) == (71, 5)
    assert (close["utilization_source"], close["sm_active_percent"]) == ("gpm", 72)


def test_a_gpu_without_gpm_is_read_by_the_older_rates(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.1.gpm": 0})
    reader.read()
    hopper, ampere = reader.later(1).gpus()

    assert (hopper["utilization_source"], ampere["utilization_source"]) == ("gpm", "rates")
    assert [ampere[name] for name in FIELDS] == [42, None, None, None]
    assert {ampere["absent"][name] for name in FIELDS[1:]} == {"not_supported"}


@pytest.mark.parametrize(
    "function",
    [
        pytest.param("nvmlGpmSampleAlloc", id="no memory for samples"),
        pytest.param("nvmlGpmSampleGet", id="no sample"),
        pytest.param("nvmlGpmMetricsGet", id="no difference between two"),
    ],
)
def test_counters_that_fail_leave_the_older_rates_and_trouble(
    reader: Reader, scenario: Scenario, function: str
) -> None:
    scenario.set({f"return.{function}": 999})
    reader.read()
    sick = reader.later(1).gpus()[0]
    scenario.remove(f"return.{function}")
    mended = [reader.later(1).gpus()[0] for _ in range(2)][-1]

    assert (sick["utilization_percent"], sick["utilization_source"], sick["sm_active_percent"]) == (42, "rates", None)
    assert (sick["absent"]["sm_active_percent"], sick["trouble"]) == ("Unknown Error", f"{function}: Unknown Error")
    assert (mended["utilization_source"], mended["trouble"], mended["absent"]) == ("gpm", None, {})


def test_one_counter_alone_may_be_missing(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.0.gpm.return": 3})
    reader.read()
    gpu = reader.later(1).gpus()[0]

    assert (gpu["utilization_source"], gpu["sm_active_percent"]) == ("rates", None)
    assert (gpu["absent"]["sm_active_percent"], gpu["trouble"]) == ("not_supported", None)


def test_a_gpu_that_goes_gives_its_samples_back(start: Start, scenario: Scenario) -> None:
    reader = start()
    reader.read()
    scenario.set({"gpu.1.present": 0})
    reader.read()

    assert (reader.calls("nvmlGpmSampleAlloc"), reader.calls("nvmlGpmSampleFree")) == (4, 2)
