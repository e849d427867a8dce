"""Who simulated GPUs are: the same seed and node give the same names. A MIG instance is who it is by its place on its GPU."""

import hashlib
import uuid
from collections import Counter
from collections.abc import Iterator

from agents.scenario.part import Layout, slices

FIRST_INSTANCE = {7: 0, 4: 1, 3: 1, 2: 3, 1: 7}
"""The number that NVML gives to the first GPU instance of so many slices."""


def gpu_uuid(seed: int, node: str, index: int) -> str:
    return f"GPU-{_uuid(f'{seed}:{node}:{index}')}"


def instance_uuid(gpu: str, profile: str, instance: str) -> str:
    return f"MIG-{_uuid(f'{gpu}:{profile}:{instance}')}"


def domain(seed: int, node: str, island: int) -> str:
    """The NVLink fabric of a node, by cluster and clique."""
    return f"{_uuid(f'{seed}:{node}:nvlink')}.{island}"


def serial(gpu: str) -> str:
    return f"16{int(_digest(gpu).hex()[:10], 16) % 10**11:011d}"


def pci_bus_id(index: int) -> str:
    return f"{index // 32:08X}:{0x10 + index % 32 * 7:02X}:00.0"


def instances(layout: Layout) -> Iterator[tuple[str, str]]:
    """Profile and place of each, the place as NVML numbers it: GPU instance and compute instance."""
    taken: Counter[int] = Counter()
    for profile in layout:
        size = slices(profile)
        yield profile, f"{FIRST_INSTANCE.get(size, 0) + taken[size]}/0"
        taken[size] += 1


def pid(gpu: str, lease: int) -> int:
    """Of the process of a GPU's so manyeth lease."""
    return 10_000 + int(_digest(f"{gpu}:{lease}").hex()[:8], 16) % 4_000_000


def _uuid(of: str) -> uuid.UUID:
    return uuid.UUID(bytes=_digest(of)[:16])


def _digest(of: str) -> bytes:
    return hashlib.sha256(of.encode()).digest()
