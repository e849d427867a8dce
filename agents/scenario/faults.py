"""What can befall a simulated node, each kind with the numbers that it takes."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from agents.scenario.part import Layout, Part
from dure.wire import NodeName

FaultKind = Literal[
    "lost",
    "reset_required",
    "reset",
    "xid",
    "ecc",
    "remap",
    "hot",
    "slow",
    "nvlink_down",
    "nvlink_errors",
    "pcie_replays",
    "mig_change",
    "added",
    "removed",
    "zombie",
    "intruder",
    "stall",
    "no_driver",
]

ANY = ("kind", "node", "gpu", "at_s", "for_s")
TAKES: Mapping[FaultKind, tuple[str, ...]] = {
    "xid": ("xid",),
    "ecc": ("corrected", "uncorrected"),
    "remap": ("pending", "failed"),
    "hot": ("celsius",),
    "slow": ("percent",),
    "nvlink_down": ("links",),
    "nvlink_errors": ("count",),
    "pcie_replays": ("count",),
    "mig_change": ("mig",),
    "intruder": ("pid", "name", "memory_mib", "cgroup"),
}
"""What a kind takes besides what all take."""

WHOLE_NODE: frozenset[FaultKind] = frozenset({"stall", "no_driver"})
ONE_GPU: frozenset[FaultKind] = frozenset({"added", "removed"})

Errors = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Fault(Part):
    """Something that goes wrong `at_s` after the driver started, for `for_s` or for good. What was counted stays counted."""

    kind: FaultKind
    """`lost`: the GPU does not answer. `reset_required`: nor does it before it is reset. `reset`: it is reset, which ends both, and
    its counters begin anew. `xid`: the driver tells of that XID, once. `ecc`, `nvlink_errors`, `pcie_replays`: so many errors, over
    `for_s` or at once. `remap`: a row is remapped at the next reset, or cannot be. `hot`: it slows itself down. `slow`: the power
    brake holds its clocks down. `nvlink_down`: so many links are. `mig_change`: it is cut into other instances, or whole again.
    `added`: it is not there before. `removed`: it is not there any more. `zombie`: a process stays after a lease. `intruder`: a
    process without one. `stall`: the next call hangs in the driver, for the whole node. `no_driver`: the driver is gone."""
    node: NodeName | None = None
    """None: every node."""
    gpu: Annotated[int, Field(ge=0, le=1023)] | None = None
    """The GPU's place on the node, from 0; None: every GPU of the node."""
    at_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    for_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    xid: Annotated[int, Field(ge=1, le=1023)] | None = None
    corrected: Errors | None = None
    uncorrected: Errors | None = None
    count: Errors = 1
    pending: bool = False
    failed: bool = False
    celsius: Annotated[int, Field(ge=30, le=200)] = 95
    percent: Annotated[int, Field(ge=1, le=99)] = 30
    """Of the clocks that it has otherwise."""
    links: Annotated[int, Field(ge=1, le=64)] = 1
    mig: Layout | None = None
    """None: MIG is off."""
    pid: Annotated[int, Field(ge=1, le=4_194_304)] = 31337
    name: Annotated[str, Field(min_length=1, max_length=100)] = "python3"
    memory_mib: Annotated[int, Field(ge=0, le=1_048_576)] = 4096
    cgroup: Annotated[str, Field(min_length=1, max_length=1000)] = "/user.slice/user-1000.slice/session-3.scope"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        taken = TAKES.get(self.kind, ())
        foreign = sorted(self.model_fields_set.difference(ANY, taken))
        if foreign:
            there_is = ", ".join((*(name for name in ANY if name != "kind"), *taken))
            raise ValueError(f'kind "{self.kind}" takes no {foreign[0]}: there are {there_is}')
        if self.kind in ("xid", "ecc", "remap") and not any(getattr(self, name) for name in taken):
            raise ValueError(f'kind "{self.kind}" needs {" or ".join(taken)}{_EXAMPLES[self.kind]}')
        if self.kind in WHOLE_NODE and self.gpu is not None:
            raise ValueError(f'kind "{self.kind}" is of the whole node and takes no gpu')
        if self.kind in ONE_GPU and self.gpu is None:
            raise ValueError(f'kind "{self.kind}" needs gpu, the place of the GPU on its node')
        return self

    def is_of(self, gpu: int) -> bool:
        """Whether it befalls the GPU of this index."""
        return self.gpu in (None, gpu)

    def goes_on(self, at_s: float) -> bool:
        """Whether it is going on at `at_s`, wherever."""
        return self.at_s <= at_s and (self.for_s is None or at_s < self.at_s + self.for_s)

    def lasted(self, at_s: float) -> float:
        """The seconds that it went on for until `at_s`."""
        return max(0.0, min(at_s - self.at_s, self.for_s or at_s - self.at_s))

    def so_far(self, whole: int | None, at_s: float) -> int:
        """How many of `whole` errors there were until `at_s`: all at once, or evenly over `for_s`."""
        if whole is None or at_s < self.at_s:
            return 0
        return whole if self.for_s is None else int(whole * self.lasted(at_s) / self.for_s)


_EXAMPLES = {
    "xid": ", the number that the driver tells, for example xid: 79",
    "ecc": ", how many errors there are, for example uncorrected: 1",
    "remap": " to be true",
}
