"""What can be known of MIG instances that a lease left behind.

Known is what the agent saw: which units shared a lease's GPU instance when the lease was first heard of. Instances of other GPU
instances can be made by administrators of the node alone, and are held against no lease.
"""

from collections.abc import Mapping

from agents.allocations import Held
from agents.snapshot import GpuSnapshot, Sample


class Layouts:
    """Remembers, for each allocation, the units of its GPU instance from when it was first heard of as a running one."""

    def __init__(self) -> None:
        self._items: tuple[Held, ...] | None = None
        self._known: dict[str, frozenset[str]] = {}

    def follow(self, sample: Sample) -> None:
        items = sample.allocations.items
        if items is self._items:
            return
        self._items = items
        gpus = sample.gpus()
        listed: dict[str, frozenset[str]] = {}
        for item in items:
            if item.allocation in self._known:
                listed[item.allocation] = self._known[item.allocation]
            elif not item.ended and item.gpu in gpus:
                listed[item.allocation] = _beside(gpus[item.gpu], gpus)
        self._known = listed

    def left_behind(self, item: Held, gpus: Mapping[str, GpuSnapshot]) -> str | None:
        """Why the GPU of an ended allocation is not as it was given; None where nothing speaks for that."""
        made = sorted(unit.uuid for unit in gpus.values() if unit.parent == item.gpu)
        if made:
            return f"it was cut into MIG instances, which must be destroyed first: {', '.join(made)}"
        unit = gpus.get(item.gpu)
        if unit is None:
            return "it is not on this node any more"
        known = self._known.get(item.allocation)
        more = sorted(_beside(unit, gpus) - known) if known is not None else []
        return f"made in its GPU instance since it was leased, and to be destroyed: {', '.join(more)}" if more else None


def _beside(unit: GpuSnapshot, gpus: Mapping[str, GpuSnapshot]) -> frozenset[str]:
    """The compute instances of its GPU instance; of a whole GPU itself alone."""
    if unit.parent is None or unit.mig_instance is None:
        return frozenset({unit.uuid})
    return frozenset(one.uuid for one in gpus.values() if one.parent == unit.parent and _place(one) == _place(unit))


def _place(unit: GpuSnapshot) -> str | None:
    return None if unit.mig_instance is None else unit.mig_instance.partition("/")[0]
