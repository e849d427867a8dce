"""The fleet: what its nodes are alike in, groups of them, those that differ, and what befalls them."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from agents.scenario.curves import Kind
from agents.scenario.faults import Fault
from agents.scenario.part import Layout, Part
from dure.wire import Label, NodeName

GIB = 1 << 30

GpuCount = Annotated[int, Field(ge=0, le=1024)]
MemoryGib = Annotated[int, Field(ge=1, le=4096)]
Watts = Annotated[int, Field(ge=0, le=10_000)]
Place = Annotated[int, Field(ge=0, le=1023)]


class Shape(Part):
    """What some nodes are; what is None is as the fleet has it."""

    product: Label | None = None
    gpus: GpuCount | None = None
    memory_gib: MemoryGib | None = None
    idle_watts: Watts | None = None
    full_watts: Watts | None = None
    island: Annotated[int, Field(ge=1, le=1024)] | None = None
    mig: Layout | None = None
    mig_of: Mapping[Place, Layout] | None = None
    load: Kind | None = None

    def said(self) -> dict[str, Any]:
        """What it says, under the fleet's names."""
        named = {name: getattr(self, name) for name in Shape.model_fields}
        return {name: value for name, value in named.items() if value is not None}


class SimulatedNode(Shape):
    """A node that differs from its group or from the fleet."""

    name: NodeName


class NodeGroup(Shape):
    """So many nodes that are alike, called by `name` and a number, which goes on from group to group."""

    count: Annotated[int, Field(ge=1, le=100_000)]
    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,239}[a-z0-9])?$")] = "node"


class Scenario(Part):
    seed: int = 0
    """The same seed gives the same GPUs and the same load."""
    product: Label = "NVIDIA H100 80GB HBM3"
    """The NVML product name of every GPU."""
    gpus: GpuCount = 8
    memory_gib: MemoryGib = 80
    idle_memory_mib: Annotated[int, Field(ge=0, le=65_536)] = 500
    """Memory in use on an empty GPU: what the driver itself takes."""
    idle_watts: Watts = 70
    full_watts: Watts = 700
    island: Annotated[int, Field(ge=1, le=1024)] | None = None
    """So many GPUs, in order, are joined by NVLink; None: all of a node, where the product has NVLink."""
    mig: Layout | None = None
    """What every GPU is cut into; None: it is whole."""
    mig_of: Mapping[Place, Layout] = {}
    """What single GPUs are cut into, by their place on the node."""
    load: Kind = "any"
    """What leases do on their GPUs."""
    cleanup_s: Annotated[float, Field(ge=0, le=86_400)] = 1.0
    """Seconds that a lease's process stays after the lease stopped."""
    speed: Annotated[float, Field(gt=0, le=10_000)] = 1.0
    """Seconds of a load curve that pass in one second; 60 plays an hour of readings in a minute."""
    groups: tuple[NodeGroup, ...] = ()
    nodes: tuple[SimulatedNode, ...] = ()
    faults: tuple[Fault, ...] = ()

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [node.name for node in self.nodes]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"node {twice} is said twice")
        return self

    def layout(self, gpu: int) -> Layout | None:
        """What the GPU at this place is cut into; None: it is whole."""
        return self.mig_of.get(gpu, self.mig)

    def names(self) -> Iterator[str]:
        """The nodes of all groups, in order."""
        for group, first in self._numbered():
            yield from (f"{group.name}-{first + more}" for more in range(group.count))

    def of_node(self, name: str) -> Self:
        """The scenario as this node sees it: its own numbers in the fleet's place, and its own faults."""
        group = self._group(name)
        own = next((node for node in self.nodes if node.name == name), None)
        changed = (group.said() if group else {}) | (own.said() if own else {})
        faults = tuple(fault for fault in self.faults if fault.node in (None, name))
        return self.model_copy(update={**changed, "groups": (), "nodes": (), "faults": faults})

    def _group(self, name: str) -> NodeGroup | None:
        word, _, number = name.rpartition("-")
        if not number.isdecimal():
            return None
        found = (group for group, first in self._numbered() if group.name == word and _in(group, first, int(number)))
        return next(found, None)

    def _numbered(self) -> Iterator[tuple[NodeGroup, int]]:
        """The groups, each with the number of its first node."""
        next_of: dict[str, int] = {}
        for group in self.groups:
            first = next_of.get(group.name, 1)
            yield group, first
            next_of[group.name] = first + group.count


def _in(group: NodeGroup, first: int, number: int) -> bool:
    return first <= number < first + group.count
