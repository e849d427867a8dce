"""Shapes on the command line: `8` is GPUs in total, `2x8` a gang of 2 nodes with 8 GPUs each."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli.terminal import BadUsage

if TYPE_CHECKING:
    from dure.wire import Shape

Most = Annotated[
    int | None,
    typer.Option(
        "--max", metavar="N", min=1, help="For inference: the most that it is ever resized to; else the quota says."
    ),
]

_SHAPE = re.compile(r"([0-9]+)(?:[xX]([0-9]+))?", re.ASCII)


def parse(text: str) -> "Shape":
    """Raises BadUsage."""
    from dure.wire import MAX_GPUS, Shape

    found = _SHAPE.fullmatch(text.strip())
    if found is None:
        raise BadUsage(
            "SHAPE", f"{text!r} is no shape; write 8 for 8 GPUs in total, or 2x8 for 2 nodes with 8 GPUs each"
        )
    counts = [_count(part, text, MAX_GPUS) for part in found.groups() if part is not None]
    return Shape(gpus=counts[0]) if len(counts) == 1 else Shape(nodes=counts[0], gpus_per_node=counts[1])


def _count(digits: str, text: str, most: int) -> int:
    # By length first: int() refuses thousands of digits.
    if len(digits.lstrip("0")) > len(str(most)) or not 1 <= int(digits) <= most:
        raise BadUsage("SHAPE", f"{text!r} is no shape: each number is from 1 to {most}")
    return int(digits)
