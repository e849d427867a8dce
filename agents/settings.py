"""What can be set about an agent, each as `DURE_AGENT_<NAME>` in the environment. Read once, at start."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dure.wire import NodeName

PREFIX = "DURE_AGENT_"


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    server: Annotated[str, Field(pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$")] = "http://127.0.0.1:8470"
    """the allocator's API, for example https://dure.example.org"""
    node: NodeName | None = None
    """the name under which this node is enrolled; needed to report"""
    token_file: Path | None = None
    """a file that holds the node's token and nothing else; needed to report"""
    driver: Literal["nvml", "simulated"] = "nvml"
    """nvml for real GPUs, simulated for none"""
    interval_s: Annotated[float, Field(ge=0.1, le=3600, allow_inf_nan=False)] = 10.0
    """seconds between two reports, 0.1 to 3600"""
    sample_s: Annotated[float, Field(ge=0.05, le=3600, allow_inf_nan=False)] = 1.0
    """seconds between two samples of the GPUs, 0.05 to 3600"""
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """the address on which /metrics, /healthz and /readyz answer"""
    port: Annotated[int, Field(ge=0, le=65535)] = 8480
    """the port on which they answer; 0 takes any that is free"""
    scenario: Path | None = None
    """a file that says what the simulated fleet is and what befalls it; for the simulated driver alone"""
    state: Path | None = None
    """a folder of the agent's own that outlives it: what was not told yet, verdicts on GPUs, its credential; without it they
    are lost with the process"""
    spool_mib: Annotated[int, Field(ge=1, le=1024)] = 50
    """how much of that folder may be used for what was not told yet, in MiB"""
    join_token_file: Path | None = None
    """a file with a one-time token that makes this node's first credential; needs STATE, and TOKEN_FILE is not needed then"""
    pod_resources: Path | None = None
    """the kubelet's socket that says which pod has which GPU; on Kubernetes alone"""
    allowed_processes: str = "nvidia-persistenced,nv-hostengine,dcgm-exporter,nvidia-smi"
    """names of processes that may be on a GPU without a lease, separated by commas"""
    scrub_command: str | None = None
    """a command that cleans a GPU (DURE_GPU is its UUID) after a lease, before it is called empty"""
    check_command: str | None = None
    """a command that tries a GPU (DURE_GPU is its UUID) after a lease; unless it succeeds the GPU is not called empty"""
    check_s: Annotated[float, Field(ge=1, le=600, allow_inf_nan=False)] = 60.0
    """how long either of them may take, 1 to 600 seconds"""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """the least level that is logged"""

    @model_validator(mode="after")
    def _scenario_is_simulated(self) -> Self:
        if self.scenario is not None and self.driver != "simulated":
            raise ValueError(f"{PREFIX}SCENARIO is for {PREFIX}DRIVER=simulated, and the driver is {self.driver}")
        return self
