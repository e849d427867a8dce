"""Shapes by their size, which is in nodes for a gang and in GPUs for a total."""

from collections.abc import Callable
from dataclasses import replace

from scheduler.core.model import Ask, Gang, Shape, Total


def size_of(shape: Shape) -> int:
    return shape.nodes if isinstance(shape, Gang) else shape.gpus


def resized(shape: Shape, size: int) -> Shape:
    """The same kind of shape with so many nodes, or GPUs in total."""
    return replace(shape, nodes=size) if isinstance(shape, Gang) else Total(gpus=size)


def most(fits: Callable[[int], bool], highest: int) -> int:
    """The most of `1..highest` that fits, where less always fits too; 0 if nothing does."""
    if highest < 1 or not fits(1):
        return 0
    low, high = 1, highest
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def at_least(ask: Ask) -> Ask:
    """The same ask for the least that it takes."""
    shape = ask.shape if ask.min_size is None else resized(ask.shape, ask.min_size)
    return ask if shape == ask.shape else replace(ask, shape=shape)
