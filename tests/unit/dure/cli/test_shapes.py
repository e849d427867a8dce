"""Shapes on the command line."""

import pytest

from dure import wire
from dure.cli import shapes
from dure.cli.terminal import BadUsage


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("8", wire.Shape(gpus=8)),
        ("2x8", wire.Shape(nodes=2, gpus_per_node=8)),
        (" 2X8 ", wire.Shape(nodes=2, gpus_per_node=8)),
        ("100000", wire.Shape(gpus=100_000)),
        ("008", wire.Shape(gpus=8)),
    ],
)
def test_a_shape_is_read(text: str, want: wire.Shape) -> None:
    assert shapes.parse(text) == want


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "2x", "x8", "axb", "2x8x1", "0x8", "2x0", "1.5", "100001", "999999999x8", "9" * 5000, "８", "2×8"],
)
def test_what_is_no_shape_is_refused_with_what_would_be(text: str) -> None:
    with pytest.raises(BadUsage) as caught:
        shapes.parse(text)
    assert caught.value.option == "SHAPE"
    assert "write 8 for 8 GPUs" in caught.value.detail or "from 1 to 100000" in caught.value.detail
