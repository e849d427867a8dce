"""The node agent: NVML to snapshot to report and /metrics."""
