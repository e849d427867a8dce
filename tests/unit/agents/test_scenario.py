import json
from pathlib import Path

import pytest

from agents import scenario
from agents.driver import DriverError
from agents.scenario import Fault, Scenario

TOML = """
seed = 7
gpus = 4

[[nodes]]
name = "node-2"
gpus = 2
product = "NVIDIA A100-SXM4-80GB"

[[faults]]
kind = "lost"
node = "node-2"
gpu = 1
at_s = 30

[[faults]]
kind = "stall"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.toml"
    path.write_text(TOML)
    return path


def test_a_node_that_is_named_has_its_own_numbers_and_faults(file: Path) -> None:
    found = scenario.load(file).of_node("node-2")

    assert (found.gpus, found.product, found.seed) == (2, "NVIDIA A100-SXM4-80GB", 7)
    assert [fault.kind for fault in found.faults] == ["lost", "stall"]


def test_any_other_node_is_as_the_fleet_is(file: Path) -> None:
    found = scenario.load(file).of_node("node-1")

    assert (found.gpus, found.product) == (4, Scenario().product)
    assert [fault.kind for fault in found.faults] == ["stall"]


def test_json_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps({"seed": 7, "gpus": 4}))

    assert scenario.load(path) == Scenario(seed=7, gpus=4)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("gpu = 4", "gpu: Extra inputs are not permitted", id="an unknown word is named"),
        pytest.param("gpus = -1", "gpus: Input should be greater than or equal to 0", id="a number out of range"),
        pytest.param("speed = nan", "speed: Input should be", id="not a number"),
        pytest.param("gpus = ", "neither TOML nor JSON", id="not TOML"),
        pytest.param('faults = [{kind = "xid"}]', "needs a number", id="an xid fault without its number"),
        pytest.param(
            'faults = [{kind = "lost", xid = 79}]', "no other kind takes one", id="a number where none belongs"
        ),
        pytest.param('faults = [{kind = "stall", gpu = 1}]', "takes no gpu", id="a stall of one GPU"),
        pytest.param('faults = [{kind = "melted"}]', "faults.0.kind", id="an unknown kind"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_it_and_the_place(tmp_path: Path, text: str, want: str) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(text)

    with pytest.raises(DriverError) as caught:
        scenario.load(path)

    assert str(path) in str(caught.value)
    assert want in str(caught.value)
    assert "Value error" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="No such file"):
        scenario.load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("at_s", "gpu", "want"),
    [
        pytest.param(9.9, 2, False, id="before it begins"),
        pytest.param(10, 2, True, id="from its first instant on"),
        pytest.param(10, 3, False, id="another GPU"),
        pytest.param(15, 2, False, id="when it is over"),
    ],
)
def test_when_a_fault_strikes(at_s: float, gpu: int, want: bool) -> None:
    assert Fault(kind="lost", gpu=2, at_s=10, for_s=5).strikes(at_s, gpu) is want


def test_a_fault_without_a_length_is_for_good_and_without_a_gpu_for_all() -> None:
    assert Fault(kind="lost").strikes(1e9, 63)
