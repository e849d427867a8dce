"""What a simulated fleet is and what befalls it: a small TOML or JSON file. Read once, when the agent starts.

seed = 7
product = "NVIDIA H100 80GB HBM3"
gpus = 8

[[nodes]]           # only those that differ
name = "node-2"
gpus = 4

[[faults]]          # GPU 2 of node-2 is lost from the 30th second on, for a minute
node = "node-2"
kind = "lost"
gpu = 2
at_s = 30
for_s = 60
"""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agents.driver import DriverError
from dure.mistakes import sentence
from dure.wire import Label, NodeName

GIB = 1 << 30

GpuCount = Annotated[int, Field(ge=0, le=1024)]
MemoryGib = Annotated[int, Field(ge=1, le=4096)]
FaultKind = Literal["lost", "xid", "zombie", "stall"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Fault(_Part):
    """Something that goes wrong `at_s` after the driver started, for `for_s` or for good."""

    kind: FaultKind
    """`lost`: the GPU does not answer. `xid`: the driver reports that XID. `zombie`: a process stays after a lease.
    `stall`: the next call hangs in the driver, for the whole node."""
    node: NodeName | None = None
    """None: every node."""
    gpu: Annotated[int, Field(ge=0, le=1023)] | None = None
    """The GPU's index; None: every GPU of the node."""
    at_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    for_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    xid: Annotated[int, Field(ge=1, le=1023)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.kind == "xid") != (self.xid is not None):
            raise ValueError('kind "xid" needs a number, for example xid = 79, and no other kind takes one')
        if self.kind == "stall" and self.gpu is not None:
            raise ValueError('kind "stall" is of the whole node and takes no gpu')
        return self

    def strikes(self, at_s: float, gpu: int | None = None) -> bool:
        """Whether it is going on at `at_s`, on this GPU."""
        over = self.for_s is not None and at_s >= self.at_s + self.for_s
        return at_s >= self.at_s and not over and self.gpu in (None, gpu)


class SimulatedNode(_Part):
    """A node that differs from the fleet; what is None is as the fleet has it."""

    name: NodeName
    product: Label | None = None
    gpus: GpuCount | None = None
    memory_gib: MemoryGib | None = None


class Scenario(_Part):
    seed: int = 0
    """The same seed gives the same GPUs and the same load."""
    product: Label = "NVIDIA H100 80GB HBM3"
    """The NVML product name of every GPU."""
    gpus: GpuCount = 8
    memory_gib: MemoryGib = 80
    idle_memory_mib: Annotated[int, Field(ge=0, le=65_536)] = 500
    """Memory in use on an empty GPU: what the driver itself takes."""
    idle_watts: Annotated[int, Field(ge=0, le=10_000)] = 70
    full_watts: Annotated[int, Field(ge=0, le=10_000)] = 700
    cleanup_s: Annotated[float, Field(ge=0, le=86_400)] = 1.0
    """Seconds that a lease's process stays after the lease stopped."""
    speed: Annotated[float, Field(gt=0, le=10_000)] = 1.0
    """Seconds of a load curve that pass in one second; 60 plays an hour of readings in a minute."""
    nodes: tuple[SimulatedNode, ...] = ()
    faults: tuple[Fault, ...] = ()

    def of_node(self, name: str) -> Self:
        """The scenario as this node sees it: its own numbers in the fleet's place, and its own faults."""
        own = next((node for node in self.nodes if node.name == name), None)
        changed = own.model_dump(exclude={"name"}, exclude_none=True) if own else {}
        faults = tuple(fault for fault in self.faults if fault.node in (None, name))
        return self.model_copy(update={**changed, "nodes": (), "faults": faults})


def load(path: Path) -> Scenario:
    """Reads a scenario; raises DriverError that names the file and what is wrong in it."""
    try:
        return Scenario.model_validate(_parse(path))
    except OSError as error:
        raise DriverError(f"{path}: the scenario cannot be read: {error.strerror}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'file'}: {sentence(each)}" for each in error.errors())
        raise DriverError(f"{path}: {wrong}") from error
    except ValueError as error:
        raise DriverError(f"{path}: neither TOML nor JSON as its name says: {error}") from error


def _parse(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
