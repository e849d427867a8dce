"""What is read out of Kubernetes' JSON."""

import pytest

from dure.kube_objects import has, whole
from tests.unit.dure.kube_objects import a_node


@pytest.mark.parametrize(
    ("said", "want"),
    [
        ("8", 8),
        (8, 8),
        ("1k", 1000),
        ("2Ki", 2048),
        ("1M", 10**6),
        ("3e3", 3000),
        ("", 0),
        ("much", 0),
        ("500m", 0),
        ("-1", 0),
    ],
)
def test_a_quantity_of_devices_is_a_whole_number_however_it_is_written(said: object, want: int) -> None:
    assert whole(said) == want


@pytest.mark.parametrize(("said", "want"), [("8", 8), ("1k", 1000), ("0", 0), ("many", 0), (None, 0)])
def test_what_a_node_has_is_counted_however_it_is_written(said: str | None, want: int) -> None:
    node = a_node(gpus=0)
    if said is not None:
        node["status"]["allocatable"]["nvidia.com/gpu"] = said
    assert has(node, "nvidia.com/gpu") == want
