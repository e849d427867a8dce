"""GPUs that are not there, with the same calls as NVML's: what runs the whole stack on a laptop and in tests.

A simulated GPU works while it is leased and is empty otherwise. It knows of leases by `follow` alone, which is given
what the answer to a report said. It can be told to fail, by its scenario or by `fail`. It judges nothing.
"""

from agents.simulated.driver import SimulatedDriver
from agents.simulated.unit import MIB

__all__ = ["MIB", "SimulatedDriver"]
