"""NVIDIA's GPUs through NVML: the only module that imports pynvml. Called from the sampler's thread alone.

A reading the GPU does not support is None; a GPU that is lost or must be reset is an entry that says so. Where MIG is
on, each instance is a GPU with its own UUID, and the GPU it is cut from is none.
"""

import logging
import time
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pynvml

from agents.allocations import Allocations
from agents.driver import DriverError
from agents.snapshot import GpuSnapshot, Lost, Snapshot, Xid, without_readings

log = logging.getLogger(__name__)

MAX_EVENTS_A_READ = 64

HOST_PID_NAMESPACE = "pid:[4026531836]"
"""The first PID namespace has this number in every Linux kernel (PROC_PID_INIT_INO)."""

START_ERRORS = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "libnvidia-ml.so.1 is not here: install the NVIDIA driver on the node, or run"
    " the container with the NVIDIA runtime, which mounts it",
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: "libnvidia-ml.so.1 is here but is not NVML: look at what"
    " `ldconfig -p | grep nvidia-ml` names",
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "the NVIDIA kernel driver is not loaded: run `nvidia-smi` on the node",
    pynvml.NVML_ERROR_NO_PERMISSION: "/dev/nvidiactl may not be opened: the agent needs the NVIDIA device files",
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "libnvidia-ml.so.1 and the kernel driver are of different versions:"
    " reload the driver or restart the node",
}

NOT_HERE = (
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_NO_PERMISSION,
    pynvml.NVML_ERROR_NOT_FOUND,
    pynvml.NVML_ERROR_INVALID_ARGUMENT,
)
"""What a healthy GPU answers for something it does not have, or a MIG instance for what only its GPU has."""

GONE: dict[int, Lost] = {
    pynvml.NVML_ERROR_GPU_IS_LOST: "lost",
    pynvml.NVML_ERROR_RESET_REQUIRED: "reset_required",
}


NOT_AVAILABLE = (pynvml.NVML_VALUE_NOT_AVAILABLE_uint.value, pynvml.NVML_VALUE_NOT_AVAILABLE_ulonglong.value)


class _Ask:
    """Asks one GPU one thing after another. What it does not have is None; the first other error is kept in `trouble`."""

    def __init__(self) -> None:
        self.trouble: str | None = None

    def __call__(self, call: Callable[..., Any], *arguments: object) -> Any:
        try:
            return call(*arguments)
        except (pynvml.NVMLError, pynvml.NVMLLibraryMismatchError) as error:
            code = _code(error)
            if code in GONE:
                raise
            if code not in NOT_HERE:
                self.trouble = self.trouble or f"{call.__name__}: {error}"
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    product: str
    serial: str | None
    pci_bus_id: str | None


class NvmlDriver:
    """Raises DriverError, at the start or later, when the driver as a whole does not answer."""

    def __init__(self, *, sees_processes: bool | None = None) -> None:
        self._sees_processes = sees_host_processes() if sees_processes is None else sees_processes
        self._known: dict[int, tuple[GpuSnapshot, ...]] = {}
        self._identities: dict[str, _Identity] = {}
        self._last_xid: dict[str, int] = {}
        self._xids: list[Xid] = []
        self._watched: set[str] = set()
        self._events: Any = None
        self._driver_version: str | None = None
        self._open = False
        self._start()

    def read(self, *, processes_of: Set[str] | None = frozenset()) -> Snapshot:
        if not self._open:
            self._start()
        try:
            count = pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError as error:
            self.close()
            raise DriverError(_sentence(error)) from error
        self._take_events()
        units: list[GpuSnapshot] = []
        for index in range(count):
            units.extend(self._units(index, processes_of))
        numbered = tuple(replace(unit, index=at) for at, unit in enumerate(units))
        xids, self._xids = tuple(self._xids), []
        return Snapshot(
            gpus=numbered, driver_version=self._driver_version, sees_processes=self._sees_processes, xids=xids
        )

    def wait(self, seconds: float) -> bool:
        """Events are taken by `read`."""
        time.sleep(seconds)
        return False

    def follow(self, allocations: Allocations) -> None:
        """Real GPUs work for whoever holds them and need no telling."""

    def close(self) -> None:
        """Lets go of the driver; the next `read` starts anew."""
        self._open = False
        self._events = None
        self._watched.clear()
        try:
            pynvml.nvmlShutdown()
        except pynvml.NVMLError as error:
            log.info("the driver was gone already: %s", error, extra={"action": "nvml.closed"})

    def _start(self) -> None:
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise DriverError(_sentence(error)) from error
        self._open = True
        ask = _Ask()
        self._driver_version = ask(pynvml.nvmlSystemGetDriverVersion)
        self._events = ask(pynvml.nvmlEventSetCreate)

    def _units(self, index: int, processes_of: Set[str] | None) -> tuple[GpuSnapshot, ...]:
        """The schedulable GPUs of one physical one: itself, or its MIG instances."""
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            units = tuple(self._instances_or_whole(index, handle, processes_of))
        except pynvml.NVMLError as error:
            return self._gone(index, error)
        self._known[index] = units
        return units

    def _gone(self, index: int, error: Exception) -> tuple[GpuSnapshot, ...]:
        code = _code(error)
        lost = GONE.get(code)
        reason = lost or f"the driver says: {error}"
        known = self._known.get(index, ())
        if not known:
            log.error("GPU %s cannot be named: %s", index, reason, extra={"action": "nvml.unnamed", "gpu": index})
        health = "unhealthy" if lost else "suspect"
        bare = (without_readings(unit, health=health, reason=reason, lost=lost) for unit in known)
        return tuple(unit if lost else replace(unit, trouble=reason) for unit in bare)

    def _instances_or_whole(self, index: int, handle: Any, processes_of: Set[str] | None) -> Iterator[GpuSnapshot]:
        uuid = pynvml.nvmlDeviceGetUUID(handle)
        self._watch(uuid, handle)
        ask = _Ask()
        mode = ask(pynvml.nvmlDeviceGetMigMode, handle)
        if not mode or mode[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
            yield self._unit(index, handle, uuid, None, processes_of)
            return
        for at in range(ask(pynvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
            instance = ask(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, at)
            if instance is not None:
                yield self._unit(index, instance, pynvml.nvmlDeviceGetUUID(instance), uuid, processes_of)

    def _unit(
        self, index: int, handle: Any, uuid: str, parent: str | None, processes_of: Set[str] | None
    ) -> GpuSnapshot:
        ask = _Ask()
        identity = self._identity(ask, handle, uuid)
        physical = parent or uuid
        memory = ask(pynvml.nvmlDeviceGetMemoryInfo, handle)
        rates = ask(pynvml.nvmlDeviceGetUtilizationRates, handle)
        asked = self._sees_processes and (processes_of is None or uuid in processes_of)
        processes = ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle) if asked else None
        return GpuSnapshot(
            uuid=uuid,
            index=index,
            product=identity.product,
            parent=parent,
            serial=identity.serial,
            pci_bus_id=identity.pci_bus_id,
            utilization_percent=None if rates is None else int(rates.gpu),
            memory_total_bytes=None if memory is None else _known(memory.total),
            memory_used_bytes=None if memory is None else _known(memory.used),
            power_milliwatts=_known(ask(pynvml.nvmlDeviceGetPowerUsage, handle)),
            energy_millijoules=_known(ask(pynvml.nvmlDeviceGetTotalEnergyConsumption, handle)),
            temperature_celsius=_temperature(ask, handle),
            ecc_uncorrected=_ecc(ask, handle),
            last_xid=self._last_xid.get(physical),
            processes=None if processes is None else len(processes),
            trouble=ask.trouble,
        )

    def _identity(self, ask: _Ask, handle: Any, uuid: str) -> _Identity:
        """What a GPU is does not change while it keeps its UUID, so it is asked once."""
        if uuid not in self._identities:
            self._identities[uuid] = _Identity(
                product=pynvml.nvmlDeviceGetName(handle),
                serial=ask(pynvml.nvmlDeviceGetSerial, handle),
                pci_bus_id=_pci(ask, handle),
            )
        return self._identities[uuid]

    def _watch(self, uuid: str, handle: Any) -> None:
        """Asks for this GPU's XID events, once. A GPU that sends none has no last XID."""
        if self._events is not None and uuid not in self._watched:
            self._watched.add(uuid)
            _Ask()(pynvml.nvmlDeviceRegisterEvents, handle, pynvml.nvmlEventTypeXidCriticalError, self._events)

    def _take_events(self) -> None:
        """Takes the events that are waiting; it waits for none."""
        for _ in range(MAX_EVENTS_A_READ if self._events is not None else 0):
            try:
                event = pynvml.nvmlEventSetWait_v2(self._events, 0)
                uuid = pynvml.nvmlDeviceGetUUID(event.device)
            except pynvml.NVMLError:
                return
            self._take_xid(uuid, int(event.eventData))

    def _take_xid(self, uuid: str, xid: int) -> None:
        self._last_xid[uuid] = xid
        self._xids.append(Xid(gpu=uuid, xid=xid, at=time.time()))
        log.warning("XID %s on %s", xid, uuid, extra={"action": "nvml.xid", "gpu": uuid, "xid": xid})


def sees_host_processes() -> bool:
    """Whether this process is in the host's own PID namespace, as with `hostPID`.

    In another one the driver hides the processes of the rest of the node, and "none" would be a lie.
    """
    try:
        return str(Path("/proc/self/ns/pid").readlink()) == HOST_PID_NAMESPACE
    except OSError:
        return False


def _pci(ask: _Ask, handle: Any) -> str | None:
    info = ask(pynvml.nvmlDeviceGetPciInfo, handle)
    if info is None:
        return None
    return info.busId.decode() if isinstance(info.busId, bytes) else str(info.busId)


def _known(value: int | None) -> int | None:
    """NVML also says "not available" with the largest number that fits."""
    return None if value is None or value in NOT_AVAILABLE else int(value)


def _temperature(ask: _Ask, handle: Any) -> int | None:
    """The older call is going away, and older drivers have no other."""
    celsius = ask(pynvml.nvmlDeviceGetTemperatureV, handle, pynvml.NVML_TEMPERATURE_GPU)
    return ask(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU) if celsius is None else celsius


def _ecc(ask: _Ask, handle: Any) -> int | None:
    return ask(
        pynvml.nvmlDeviceGetTotalEccErrors,
        handle,
        pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
        pynvml.NVML_VOLATILE_ECC,
    )


def _code(error: Exception) -> int:
    """NVML's number for the error; a function that the library lacks is one of them."""
    return getattr(error, "value", pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)


def _sentence(error: pynvml.NVMLError) -> str:
    return START_ERRORS.get(_code(error), f"NVML does not answer: {error}")
