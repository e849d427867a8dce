"""How the functions beside this are compiled: to machine code for the types they are called with, kept between runs."""

from collections.abc import Callable
from typing import Any

from numba import njit  # pyright: ignore[reportMissingTypeStubs] - numba ships no types


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function without the interpreter's lock; numba's cache folder holds what was compiled before."""
    made: Callable[..., Any] = njit(cache=True, nogil=True)(function)  # pyright: ignore[reportUnknownVariableType]
    return made
