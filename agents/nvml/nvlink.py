"""NVLink: how many links are up, what they lead to, and which fabric the GPU is in."""

from ctypes import byref
from typing import Any

import pynvml

from agents.nvml.asking import Asking
from agents.nvml.identity import bus_id_of

ERRORS = (
    pynvml.NVML_NVLINK_ERROR_DL_REPLAY,
    pynvml.NVML_NVLINK_ERROR_DL_RECOVERY,
    pynvml.NVML_NVLINK_ERROR_DL_CRC_FLIT,
    pynvml.NVML_NVLINK_ERROR_DL_CRC_DATA,
)

UNNAMED = "FFFFFFFF"
"""The PCI domain of a switch that this machine may not see."""


class Links:
    """Of one GPU. What a link leads to is asked when the links that are up have changed."""

    def __init__(self) -> None:
        self._active: tuple[int, ...] | None = None
        self._peers: tuple[str, ...] | None = None

    def read(self, ask: Asking, handle: Any, *, count: int | None, errors: int | None) -> dict[str, Any]:
        """Fields of a snapshot. `count` is how many links there are, `errors` theirs in all, where NVML told both already."""
        states = _states(ask, handle, pynvml.NVML_NVLINK_MAX_LINKS if count is None else count)
        if not states:
            return _without(ask)
        active = tuple(link for link, up in enumerate(states) if up)
        if active != self._active:
            self._active, self._peers = active, _peers(ask, handle, active)
        return {
            "nvlinks_active": len(active),
            "nvlinks_inactive": len(states) - len(active),
            "nvlink_peers": self._peers,
            "nvlink_errors": _errors(ask, handle, active) if errors is None else errors,
        }


def fabric(ask: Asking, handle: Any) -> str | None:
    """Cluster and clique, as in `aabb.../3`; None where the GPU is in no fabric, or not yet."""
    asked: Any = pynvml.c_nvmlGpuFabricInfo_v2_t()
    found = ask("nvlink_domain", pynvml.nvmlDeviceGetGpuFabricInfoV, handle, byref(asked))
    if found is None or asked.state != pynvml.NVML_GPU_FABRIC_STATE_COMPLETED:
        return None
    cluster = bytes(list(asked.clusterUuid))
    return f"{cluster.hex()}/{asked.cliqueId}" if any(cluster) else None


def _states(ask: Asking, handle: Any, count: int) -> list[bool]:
    """A link that there is not is an invalid argument: the GPU has as many as came before it."""
    states: list[bool] = []
    for link in range(count):
        up = ask("nvlinks_active", pynvml.nvmlDeviceGetNvLinkState, handle, link)
        if up is None:
            break
        states.append(bool(up))
    if states:
        ask.has("nvlinks_active")
        ask.has("nvlinks_inactive")
    return states


def _without(ask: Asking) -> dict[str, Any]:
    fields = ("nvlinks_active", "nvlinks_inactive", "nvlink_peers", "nvlink_errors")
    for field in fields:
        ask.lacks(field, ask.absent.get("nvlinks_active", "not_supported"))
    return dict.fromkeys(fields)


def _peers(ask: Asking, handle: Any, active: tuple[int, ...]) -> tuple[str, ...] | None:
    found = [ask("nvlink_peers", pynvml.nvmlDeviceGetNvLinkRemotePciInfo, handle, link) for link in active]
    if active and not any(found):
        return None
    ask.has("nvlink_peers")
    named = (bus_id_of(info) for info in found if info is not None)
    return tuple(sorted({bus_id for bus_id in named if bus_id and not bus_id.startswith(UNNAMED)}))


def _errors(ask: Asking, handle: Any, active: tuple[int, ...]) -> int | None:
    """By one call for each link and kind, for who does not tell the sum; None unless every one was told."""
    found = [
        ask.number("nvlink_errors", pynvml.nvmlDeviceGetNvLinkErrorCounter, handle, link, kind)
        for link in active
        for kind in ERRORS
    ]
    known = [value for value in found if value is not None]
    return sum(known) if known and len(known) == len(found) else None
