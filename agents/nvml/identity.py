"""What a GPU is: it does not change while it keeps its UUID, so it is asked once."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pynvml

from agents.nvml import failures
from agents.nvml.asking import Asking

SYS = Path("/sys")

ARCHITECTURES: Mapping[int, str] = {
    value: name.removeprefix("NVML_DEVICE_ARCH_").lower()
    for name, value in vars(pynvml).items()
    if name.startswith("NVML_DEVICE_ARCH_") and name != "NVML_DEVICE_ARCH_UNKNOWN"
}

NAMELESS = "unknown"
"""The product of a GPU whose name is no text: every GPU has one."""

SLOWDOWN = partial(pynvml.nvmlDeviceGetTemperatureThreshold, threshold=pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN)


def of_card(ask: Asking, handle: Any, *, sys: Path = SYS) -> dict[str, Any]:
    """Fields of a snapshot for a whole physical GPU."""
    bus_id = pci_bus_id(ask, handle)
    return {
        "product": product(ask, handle),
        "serial": ask("serial", pynvml.nvmlDeviceGetSerial, handle),
        "pci_bus_id": bus_id,
        "numa_node": _numa_node(ask, handle, bus_id, sys),
        "architecture": _architecture(ask, handle),
        "slowdown_celsius": ask.number("slowdown_celsius", SLOWDOWN, handle),
    }


def product(ask: Asking, handle: Any) -> str:
    """Of a GPU or an instance. Raises NVMLError where it cannot be told."""
    try:
        return pynvml.nvmlDeviceGetName(handle)
    except UnicodeError as error:
        ask.failed("product", error, named=pynvml.nvmlDeviceGetName)
        return NAMELESS


def pci_bus_id(ask: Asking, handle: Any) -> str | None:
    info = ask("pci_bus_id", pynvml.nvmlDeviceGetPciInfo_v3, handle)
    if info is None:
        return None
    bus_id = bus_id_of(info)
    if bus_id is None:
        ask.lacks("pci_bus_id", failures.UNREADABLE)
    return bus_id


def bus_id_of(info: Any) -> str | None:
    """None where it is no text."""
    try:
        return info.busId.decode() if isinstance(info.busId, bytes) else str(info.busId)
    except UnicodeError:
        return None


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
    domain, _, rest = bus_id.lower().partition(":")
    try:
        node = int((sys / "bus/pci/devices" / f"{domain[-4:]}:{rest}" / "numa_node").read_text())
    except (OSError, ValueError):
        return None
    return node if node >= 0 else None
