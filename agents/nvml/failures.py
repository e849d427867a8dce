"""What NVML's error codes mean to the agent, and what a person can do about those that end everything."""

import pynvml

from agents.snapshot import Lost

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

NOT_SUPPORTED = "not_supported"
NOT_IN_LIBRARY = "not_in_library"
NO_PERMISSION = "no_permission"
UNREADABLE = "unreadable"

NO_TEXT = -1
"""Stands for an answer that is no text among NVML's numbers, which are not negative."""
OF_MIG = "mig"

REASONS = {
    pynvml.NVML_ERROR_NOT_SUPPORTED: NOT_SUPPORTED,
    pynvml.NVML_ERROR_NOT_FOUND: NOT_SUPPORTED,
    pynvml.NVML_ERROR_INVALID_ARGUMENT: NOT_SUPPORTED,
    pynvml.NVML_ERROR_VGPU_ECC_NOT_SUPPORTED: NOT_SUPPORTED,
    pynvml.NVML_ERROR_DEPRECATED: NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: NOT_IN_LIBRARY,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH: NOT_IN_LIBRARY,
    pynvml.NVML_ERROR_NO_PERMISSION: NO_PERMISSION,
    pynvml.NVML_ERROR_NO_DATA: "no_data",
    pynvml.NVML_ERROR_NOT_READY: "not_ready",
    NO_TEXT: UNREADABLE,
}
"""What a healthy GPU answers for something that it does not have, or whose memory of itself was written badly."""

LASTING = frozenset(
    {
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_VGPU_ECC_NOT_SUPPORTED,
        pynvml.NVML_ERROR_DEPRECATED,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
    }
)
"""Answers that stay the same for as long as the driver is open: who gave one is not asked again."""

GONE: dict[int, Lost] = {
    pynvml.NVML_ERROR_GPU_IS_LOST: "lost",
    pynvml.NVML_ERROR_RESET_REQUIRED: "reset_required",
}

DRIVER_GONE = frozenset(
    {
        pynvml.NVML_ERROR_UNINITIALIZED,
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    }
)
"""Answers after which no GPU can be asked before NVML is started anew."""


class LayoutUnknown(Exception):
    """It cannot be told what a GPU is cut into, so nothing can be said of it."""

    value = pynvml.NVML_ERROR_UNKNOWN


ERRORS = (pynvml.NVMLError, pynvml.NVMLLibraryMismatchError, LayoutUnknown, UnicodeError)
"""Of any call. pynvml makes text of what is bytes, and fails where it is none."""


def code(error: Exception) -> int:
    """NVML's number for the error; a function that the library lacks is one of them."""
    return NO_TEXT if isinstance(error, UnicodeError) else getattr(error, "value", pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)


def sentence(error: Exception) -> str:
    """For DriverError: what is missing and what to do."""
    return START_ERRORS.get(code(error), f"NVML does not answer: {error}")
