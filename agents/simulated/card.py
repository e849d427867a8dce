"""One physical GPU: what it is, what it is cut into, and the counters that it keeps whoever uses it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.scenario.faults import Fault
from agents.scenario.fleet import GIB, Scenario
from agents.scenario.part import Layout, gibibytes
from agents.scenario.products import Product, known
from agents.simulated import effects, identity, rest
from agents.simulated.unit import MIB, Unit


@dataclass(slots=True)
class Card:
    """`faults` are those that are its own, `kept` what mended ones had counted, `base` what a reset took off."""

    scenario: Scenario
    node: str
    index: int
    uuid: str = ""
    faults: Sequence[Fault] = ()
    last_xid: int | None = None
    energy_millijoules: float = 0.0
    reset_s: float = -1.0
    product: Product = field(default_factory=Product)
    kept: Counter[str] = field(default_factory=Counter)
    base: Counter[str] = field(default_factory=Counter)
    _read_at: float | None = None
    _watts: int = 0
    _units: dict[Layout | None, tuple[Unit, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.uuid = identity.gpu_uuid(self.scenario.seed, self.node, self.index)
        self.product = known(self.scenario.product)

    def present(self, at_s: float) -> bool:
        comes = [fault for fault in self.faults if fault.kind == "added"]
        there = self.index < self.scenario.gpus if not comes else any(fault.goes_on(at_s) for fault in comes)
        return there and not self.failing("removed", at_s)

    def failing(self, kind: str, at_s: float) -> Fault | None:
        return next((one for one in self.faults if one.kind == kind and effects.holds(one, at_s, self.reset_s)), None)

    def units(self, at_s: float) -> tuple[Unit, ...]:
        """Itself, or the instances that it is cut into now."""
        layout = self.scenario.layout(self.index)
        for fault in self.faults:
            if fault.kind == "mig_change" and fault.goes_on(at_s):
                layout = fault.mig
        if layout not in self._units:
            self._units[layout] = tuple(self._cut(layout))
        return self._units[layout]

    def draw(self, now: float, watts: int) -> None:
        """Energy since the last reading, at the power that reading showed."""
        if self._read_at is not None:
            self.energy_millijoules += max(0.0, now - self._read_at) * self._watts * 1000
        self._read_at, self._watts = now, watts

    def turn(self, at_s: float) -> None:
        """Resets it if it is time: where it is told so, and where it comes back after it was gone."""
        ends = [_back(fault) for fault in self.faults if fault.kind in ("reset", "lost", "reset_required")]
        newest = max((end for end in ends if end is not None and end <= at_s), default=-1.0)
        if newest > self.reset_s:
            self.reset(newest)

    def reset(self, at_s: float) -> None:
        """What is counted since the driver was loaded begins anew."""
        self.reset_s = at_s
        self.energy_millijoules, self._read_at = 0.0, None
        self.base = self.kept + effects.counted(self.faults, at_s)

    def mend(self, at_s: float) -> None:
        """Ends its faults; what they counted stays counted."""
        self.turn(at_s)
        gone = self.failing("lost", at_s) or self.failing("reset_required", at_s)
        self.kept += effects.counted(self.faults, at_s)
        self.faults = ()
        if gone:
            self.reset(at_s)

    def changes(self, at_s: float) -> dict[str, Any]:
        """What its faults make of its readings."""
        if not self.faults and not self.kept:
            return {}
        ever = self.kept + effects.counted(self.faults, at_s)
        going_on = [fault for fault in self.faults if effects.holds(fault, at_s, self.reset_s)]
        return effects.counters(ever - self.base, ever, self.product) | effects.struck(going_on, self.product)

    def _cut(self, layout: Layout | None) -> Iterator[Unit]:
        scenario, same = self.scenario, self._known()
        whole, idle = scenario.memory_gib * GIB, scenario.idle_memory_mib * MIB
        if layout is None:
            told = same | {"uuid": self.uuid, "product": scenario.product, "memory_total_bytes": whole}
            yield Unit(self.uuid, told, rest.of_gpu(scenario, self.product), whole, min(whole, idle))
            return
        for profile, place in identity.instances(layout):
            uuid = identity.instance_uuid(self.uuid, profile, place)
            memory = gibibytes(profile) * GIB
            own = {"uuid": uuid, "product": f"{scenario.product} MIG {profile}", "memory_total_bytes": memory}
            told = same | own | {"parent": self.uuid, "mig_profile": profile, "mig_instance": place}
            at_rest = rest.of_instance(scenario, self.product)
            yield Unit(uuid, told, at_rest, memory, min(memory, idle * memory // whole))

    def _known(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "serial": identity.serial(self.uuid),
            "pci_bus_id": identity.pci_bus_id(self.index),
            "numa_node": self.index * 2 // max(self.scenario.gpus, self.index + 1),
            "architecture": self.product.architecture,
        }
        if not self.product.nvlinks:
            return found
        size = self.scenario.island or max(1, self.scenario.gpus)
        first = self.index // size * size
        peers = (at for at in range(first, min(first + size, self.scenario.gpus)) if at != self.index)
        return found | {
            "nvlink_domain": identity.domain(self.scenario.seed, self.node, self.index // size),
            "nvlink_peers": tuple(identity.pci_bus_id(at) for at in peers),
        }


def _back(fault: Fault) -> float | None:
    """When the GPU is reset by it: at once, or when it is over."""
    if fault.kind == "reset":
        return fault.at_s
    return None if fault.for_s is None else fault.at_s + fault.for_s
