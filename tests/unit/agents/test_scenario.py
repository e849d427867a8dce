import json
from pathlib import Path

import pytest

from agents import scenario
from agents.driver import DriverError
from agents.scenario import Fault, NodeGroup, Scenario

YAML = """
seed: 7
gpus: 4
mig_of: {3: [1g.10gb, 1g.10gb, 2g.20gb]}
groups:
  - {count: 2, product: NVIDIA A10, gpus: 1, memory_gib: 24}
  - {count: 3, name: big, gpus: 8, island: 4}
  - {count: 2, product: NVIDIA H200, gpus: 8, mig: [3g.71gb, 3g.71gb]}
nodes:
  - {name: node-2, gpus: 2}
faults:
  - {kind: lost, node: node-2, gpu: 1, at_s: 30}
  - kind: stall
"""

TOML = """
seed = 7
gpus = 4

[[nodes]]
name = "node-2"
gpus = 2

[[faults]]
kind = "lost"
node = "node-2"
gpu = 1
at_s = 30
"""

CSV = """gpu_model,gpu_capacity_num,cpu_num,node_name
A10,1,128,2
A100-SXM4-80GB,8,128,3
A10,1,128,4
GPU-series-1,4,192,0
"""


def _file(folder: Path, text: str, name: str = "fleet.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("node", "want"),
    [
        pytest.param("node-1", ("NVIDIA A10", 1, 24), id="the first of the first group"),
        pytest.param("node-2", ("NVIDIA A10", 2, 24), id="one that differs from its group"),
        pytest.param("node-4", ("NVIDIA H200", 8, 80), id="numbers go on in the next group of that name"),
        pytest.param("big-3", ("NVIDIA H100 80GB HBM3", 8, 80), id="a group of another name begins at one"),
        pytest.param("node-5", ("NVIDIA H100 80GB HBM3", 4, 80), id="beyond the groups it is as the fleet is"),
        pytest.param("node", ("NVIDIA H100 80GB HBM3", 4, 80), id="a name without a number"),
    ],
)
def test_what_a_node_is(tmp_path: Path, node: str, want: tuple[str, int, int]) -> None:
    found = scenario.load(_file(tmp_path, YAML)).of_node(node)

    assert (found.product, found.gpus, found.memory_gib) == want


def test_a_node_has_its_own_faults_and_everybodys(tmp_path: Path) -> None:
    found = scenario.load(_file(tmp_path, YAML))

    assert [fault.kind for fault in found.of_node("node-2").faults] == ["lost", "stall"]
    assert [fault.kind for fault in found.of_node("node-1").faults] == ["stall"]


def test_the_nodes_of_all_groups_in_order(tmp_path: Path) -> None:
    found = scenario.load(_file(tmp_path, YAML))

    assert list(found.names()) == ["node-1", "node-2", "big-1", "big-2", "big-3", "node-3", "node-4"]


@pytest.mark.parametrize(
    ("node", "gpu", "want"),
    [
        ("node-9", 0, None),
        ("node-9", 3, ("1g.10gb", "1g.10gb", "2g.20gb")),
        ("node-3", 0, ("3g.71gb", "3g.71gb")),
    ],
)
def test_what_a_gpu_is_cut_into(tmp_path: Path, node: str, gpu: int, want: tuple[str, ...] | None) -> None:
    assert scenario.load(_file(tmp_path, YAML)).of_node(node).layout(gpu) == want


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("fleet.json", json.dumps({"seed": 7, "gpus": 4}), id="JSON"),
        pytest.param("fleet.toml", "seed = 7\ngpus = 4\n", id="TOML"),
        pytest.param("fleet.yml", "seed: 7\ngpus: 4\n", id="YAML"),
    ],
)
def test_other_forms_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    assert scenario.load(_file(tmp_path, text, name)) == Scenario(seed=7, gpus=4)


def test_toml_of_before_goes_on_to_work(tmp_path: Path) -> None:
    found = scenario.load(_file(tmp_path, TOML, "fleet.toml")).of_node("node-2")

    assert (found.gpus, [fault.at_s for fault in found.faults]) == (2, [30])


def test_an_empty_file_is_the_fleet_as_it_is_by_itself(tmp_path: Path) -> None:
    assert scenario.load(_file(tmp_path, "# nothing\n")) == Scenario()


def test_a_list_of_real_nodes_is_a_fleet(tmp_path: Path) -> None:
    found = scenario.load(_file(tmp_path, CSV, "nodes.csv"))

    assert [(group.count, group.product, group.gpus, group.memory_gib) for group in found.groups] == [
        (2, "A10", 1, 24),
        (1, "A100-SXM4-80GB", 8, 80),
        (1, "GPU-series-1", 4, 80),
    ]
    assert found.of_node("node-3").full_watts == 400


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("gpu: 4", "gpu: Extra inputs are not permitted; there are seed, product,", id="an unknown word"),
        pytest.param(
            "nodes: [{name: a, gpu: 1}]",
            "nodes.0.gpu: Extra inputs are not permitted; there are product, gpus,",
            id="an unknown word of a node",
        ),
        pytest.param("gpus: -1", "gpus: Input should be greater than or equal to 0", id="a number out of range"),
        pytest.param("speed: .nan", "speed: Input should be", id="not a number"),
        pytest.param("gpus: [", "this is no YAML", id="not YAML"),
        pytest.param("just words", "file: Input should be a valid dictionary", id="not a table"),
        pytest.param("nodes: [{name: a}, {name: a}]", "node a is said twice", id="a node twice"),
        pytest.param("mig: [1g.10gb, 7g.80gb]", "a GPU has 7 slices and these instances take 8", id="more than a GPU"),
        pytest.param("mig: [1c.10gb]", "mig.0: String should match", id="no profile"),
        pytest.param("faults: [{kind: xid}]", 'kind "xid" needs xid, the number', id="an xid fault without its number"),
        pytest.param("faults: [{kind: ecc}]", "needs corrected or uncorrected", id="ECC errors without a number"),
        pytest.param("faults: [{kind: remap}]", "needs pending or failed to be true", id="a remap that is neither"),
        pytest.param(
            "faults: [{kind: lost, xid: 79}]",
            'kind "lost" takes no xid: there are node, gpu, at_s, for_s',
            id="a number where none belongs",
        ),
        pytest.param(
            "faults: [{kind: hot, percent: 3}]",
            'kind "hot" takes no percent: there are node, gpu, at_s, for_s, celsius',
            id="another's number",
        ),
        pytest.param("faults: [{kind: stall, gpu: 1}]", "takes no gpu", id="a stall of one GPU"),
        pytest.param("faults: [{kind: added}]", "needs gpu", id="an added GPU without its place"),
        pytest.param("faults: [{kind: melted}]", "faults.0.kind", id="an unknown kind"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_it_and_the_place(tmp_path: Path, text: str, want: str) -> None:
    path = _file(tmp_path, text)

    with pytest.raises(DriverError) as caught:
        scenario.load(path)

    assert str(path) in str(caught.value)
    assert want in str(caught.value)
    assert "Value error" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "want"),
    [
        pytest.param("fleet.toml", "gpus = ", "this is no TOML", id="not TOML"),
        pytest.param("nodes.csv", "model,gpus\nA10,1\n", "names no column gpu_model", id="other columns"),
        pytest.param("nodes.csv", CSV + "A10,many,1,9\n", "line 6: gpu_capacity_num is 'many'", id="no number"),
    ],
)
def test_other_forms_that_are_wrong_are_named(tmp_path: Path, name: str, text: str, want: str) -> None:
    with pytest.raises(DriverError, match=want):
        scenario.load(_file(tmp_path, text, name))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="No such file"):
        scenario.load(tmp_path / "none.yaml")


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
    fault = Fault(kind="lost", gpu=2, at_s=10, for_s=5)
    assert (fault.goes_on(at_s) and fault.is_of(gpu)) is want


def test_a_fault_without_a_length_is_for_good_and_without_a_gpu_for_all() -> None:
    fault = Fault(kind="lost")
    assert fault.goes_on(1e9)
    assert fault.is_of(63)


def test_a_group_says_what_it_was_told_and_nothing_else() -> None:
    assert NodeGroup(count=3, gpus=2).said() == {"gpus": 2}
