"""A card as its driver tells of it at one moment: a snapshot of itself, or of each instance that it is cut into."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from agents.scenario.curves import Load
from agents.scenario.faults import Fault
from agents.scenario.fleet import Scenario
from agents.simulated.card import Card
from agents.simulated.unit import MIB, Unit
from agents.snapshot import GpuSnapshot, Lost, Process

INTRUDER_PERCENT = 20
"""How busy an intruder keeps a GPU at least."""

IDLE_MEGAHERTZ = 345
GONE: tuple[Lost, ...] = ("lost", "reset_required")
LINKED = ("nvlink_peers",)
"""What is not told of a GPU that does not answer, though it is known otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """`now` is monotonic, `at_s` counts from the driver's start, `wall` is the node's own clock."""

    scenario: Scenario
    now: float
    at_s: float
    wall: float
    processes_of: Set[str] | None

    def asks(self, unit: Unit) -> bool:
        return self.processes_of is None or unit.uuid in self.processes_of

    def since(self, fault: Fault) -> float:
        return self.wall - (self.at_s - fault.at_s)


def units(card: Card, moment: Moment, *, first: int) -> list[GpuSnapshot]:
    """Numbered from `first` on."""
    plight, found = _plight(card, moment.at_s), card.units(moment.at_s)
    loads = [unit.load(moment.now, moment.scenario, zombie=plight.zombie) for unit in found]
    card.draw(moment.now, sum(_watts(moment.scenario, load) for load in loads))
    told: list[GpuSnapshot] = []
    for unit, load in zip(found, loads, strict=True):
        index = first + len(told)
        if plight.gone is not None:
            told.append(_gone(card, unit, plight.gone, index))
        else:
            # An intruder is on the first instance alone.
            told.append(_of(card, unit, load, moment, index, plight.changes, () if told else plight.intruders))
    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plight:
    """What befalls a card at a moment. `changes` are fields of its readings."""

    gone: Lost | None = None
    zombie: bool = False
    changes: Mapping[str, Any]
    intruders: Sequence[Fault] = ()


_WELL = _Plight(changes={})


def _plight(card: Card, at_s: float) -> _Plight:
    if not card.faults and not card.kept:
        return _WELL
    card.turn(at_s)
    gone: Lost | None = next((kind for kind in GONE if card.failing(kind, at_s)), None)
    return _Plight(
        gone=gone,
        zombie=card.failing("zombie", at_s) is not None,
        changes=card.changes(at_s),
        intruders=[fault for fault in card.faults if fault.kind == "intruder" and fault.goes_on(at_s)],
    )


def _gone(card: Card, unit: Unit, lost: Lost, index: int) -> GpuSnapshot:
    known = {name: value for name, value in unit.known.items() if name not in LINKED}
    return GpuSnapshot(**known, index=index, lost=lost, last_xid=card.last_xid)


def _of(
    card: Card,
    unit: Unit,
    load: Load,
    moment: Moment,
    index: int,
    changes: Mapping[str, Any],
    intruders: Sequence[Fault],
) -> GpuSnapshot:
    busy = max(load.utilization_percent, INTRUDER_PERCENT) if intruders else load.utilization_percent
    if unit.shown_busy != busy:
        unit.shown_busy, unit.shown = busy, {**unit.known, **unit.at_rest, **_working(card, unit, busy)}
    # Most of it is as it was the last time, and making it anew is what a reading would cost.
    told = dict(unit.shown) if changes or moment.asks(unit) else unit.shown
    told["index"], told["last_xid"] = index, card.last_xid
    memory = unit.memory(load) + sum(fault.memory_mib for fault in intruders) * MIB
    told["memory_used_bytes"] = min(unit.memory_bytes, memory)
    if unit.whole:
        told["power_milliwatts"] = _watts(moment.scenario, load) * 1000
        told["energy_millijoules"] = int(card.energy_millijoules)
    if changes:
        told.update(changes)
    if moment.asks(unit):
        seen = (*unit.processes(load), *(_intruder(fault, moment) for fault in intruders))
        told.update(processes=len(seen), seen=seen)
    return GpuSnapshot(**told)


def _working(card: Card, unit: Unit, busy: int) -> dict[str, Any]:
    """What a GPU shows that is so busy, in percent."""
    product = card.product
    told: dict[str, Any] = {
        "temperature_celsius": 30 + busy * 45 // 100,
        "memory_temperature_celsius": 35 + busy * 40 // 100 if product.hbm else None,
        "sm_clock_megahertz": product.sm_megahertz if busy else IDLE_MEGAHERTZ,
        "throttle_reasons": () if busy else ("gpu_idle",),
    }
    if unit.whole or product.by_gpm:
        told["utilization_percent"] = busy
    if product.by_gpm:
        told["sm_active_percent"] = busy * 9 // 10
        told["tensor_active_percent"] = busy // 2
        told["dram_active_percent"] = busy * 6 // 10
    return told


def _intruder(fault: Fault, moment: Moment) -> Process:
    return Process(
        pid=fault.pid,
        name=fault.name,
        used_memory_bytes=fault.memory_mib * MIB,
        started_at=moment.since(fault),
        cgroup=fault.cgroup,
    )


def _watts(scenario: Scenario, load: Load) -> int:
    return scenario.idle_watts + max(0, scenario.full_watts - scenario.idle_watts) * load.utilization_percent // 100
