"""What the sampler asks of a driver. `nvml` and `simulated.py` both satisfy it.

A driver is read from the sampler's thread alone, and `wait` is called from one of its own. Either may block for as long
as the hardware does.
"""

from collections.abc import Set
from typing import Protocol

from agents.allocations import Allocations
from agents.snapshot import Snapshot


class DriverError(Exception):
    """The GPUs cannot be asked at all; the text says what is missing and what to do."""


class Driver(Protocol):
    def read(self, *, processes_of: Set[str] | None = frozenset()) -> Snapshot:
        """Everything cheap of every GPU, and the processes of the GPUs named (None: of all), which costs more. It judges no
        health: it says `lost` and `trouble`.

        Raises DriverError when no GPU can be asked.
        """
        ...

    def wait(self, seconds: float) -> bool:
        """Blocks until the driver tells of an event, such as an XID, which the next `read` then has; false after `seconds`
        without one. Raises nothing: a driver that tells of none only takes its time.
        """
        ...

    def follow(self, allocations: Allocations) -> None:
        """Says what the node's GPUs are leased to, as the newest answer had it."""
        ...

    def close(self) -> None: ...
