"""What a GPU is: it does not change while it keeps its UUID, so it is asked once."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pynvml

from agents.nvml.asking import Asking

SYS = Path("/sys")

ARCHITECTURES: Mapping[int, str] = {
    value: name.removeprefix("NVML_DEVICE_ARCH_").lower()
    for name, value in vars(pynvml).items()
    if name.startswith("NVML_DEVICE_ARCH_") and name != "NVML_DEVICE_ARCH_UNKNOWN"
}

SLOWDOWN = partial(pynvml.nvmlDeviceGetTemperatureThreshold, threshold=pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN)


def of_card(ask: Asking, handle: Any, *, sys: Path = SYS) -> dict[str, Any]:
    """Fields of a snapshot for a whole physical GPU."""
    bus_id = pci_bus_id(ask, handle)
    return {
        "product": pynvml.nvmlDeviceGetName(handle),
        "serial": ask("serial", pynvml.nvmlDeviceGetSerial, handle),
        "pci_bus_id": bus_id,
        "numa_node": _numa_node(ask, handle, bus_id, sys),
        "architecture": _architecture(ask, handle),
        "slowdown_celsius": ask.number("slowdown_celsius", SLOWDOWN, handle),
    }


def pci_bus_id(ask: Asking, handle: Any) -> str | None:
    info = ask("pci_bus_id", pynvml.nvmlDeviceGetPciInfo_v3, handle)
    return None if info is None else bus_id_of(info)


def bus_id_of(info: Any) -> str:
    return info.busId.decode() if isinstance(info.busId, bytes) else str(info.busId)


def _architecture(ask: Asking, handle: Any) -> str | None:
    number = ask("architecture", pynvml.nvmlDeviceGetArchitecture, handle)
    if number is None:
        return None
    if number not in ARCHITECTURES:
        ask.lacks("architecture", f"unknown number {number}")
    return ARCHITECTURES.get(number)


def _numa_node(ask: Asking, handle: Any, bus_id: str | None, sys: Path) -> int | None:
    """The node of the processors that it hangs on, as the kernel has it: NVML's is, on some machines, that of its own memory."""
    by_kernel = None if bus_id is None else _kernels_numa_node(bus_id, sys)
    return ask.number("numa_node", pynvml.nvmlDeviceGetNumaNodeId, handle) if by_kernel is None else by_kernel


def _kernels_numa_node(bus_id: str, sys: Path) -> int | None:
    """None where the kernel knows of none, which it says with -1."""
    domain, rest = bus_id.lower().split(":", 1)
    try:
        node = int((sys / "bus/pci/devices" / f"{domain[-4:]}:{rest}" / "numa_node").read_text())
    except (OSError, ValueError):
        return None
    return node if node >= 0 else None
