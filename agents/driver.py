"""What the sampler asks of a driver. `nvml.py` and `simulated.py` both satisfy it.

A driver is called from the sampler's thread alone. It may block for as long as the hardware does.
"""

from collections.abc import Set
from typing import Protocol

from agents.allocations import Allocations
from agents.snapshot import Snapshot


class DriverError(Exception):
    """The GPUs cannot be asked at all; the text says what is missing and what to do."""


class Driver(Protocol):
    def read(self, *, processes_of: Set[str] | None = frozenset()) -> Snapshot:
        """Everything cheap of every GPU, and the processes of the GPUs named (None: of all), which costs more.

        Raises DriverError when no GPU can be asked.
        """
        ...

    def follow(self, allocations: Allocations) -> None:
        """Says what the node's GPUs are leased to, as the newest answer had it."""
        ...

    def close(self) -> None: ...
