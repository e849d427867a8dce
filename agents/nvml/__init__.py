"""NVIDIA's GPUs through NVML: the only package that imports pynvml.

A reading that a GPU does not have is None, and `absent` says why; a GPU that is lost or must be reset is an entry that says
so. Where MIG is on, each instance is a GPU with its own UUID, and the GPU that it is cut from is none.
"""

from agents.nvml.driver import NvmlDriver

__all__ = ["NvmlDriver"]
