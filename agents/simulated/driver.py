"""One node's simulated GPUs, read as a driver is read. Given the same calls at the same times, it says the same."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Set

from agents.allocations import Allocations
from agents.driver import DriverError
from agents.scenario.faults import Fault
from agents.scenario.fleet import Scenario
from agents.simulated import reading
from agents.simulated.card import Card
from agents.simulated.reading import Moment
from agents.snapshot import GpuSnapshot, Snapshot, Xid

STALL_STEP_S = 0.2
"""How often a stalled call looks whether it may go on."""


class SimulatedDriver:
    """`now` is the node's own clock; `wait` stands in for sleeping, where a test has a clock of its own."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        node: str,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._scenario = scenario.of_node(node)
        self._node = node
        self._monotonic = monotonic
        self._now = now
        self._changed = threading.Event()
        self._sleep = wait or time.sleep
        self._nap = wait or self._changed.wait
        self._began = monotonic()
        self._faults: tuple[Fault, ...] = ()
        self._told: set[int] = set()
        self._woken: set[int] = set()
        self._cards: dict[int, Card] = {}
        self._afflict(self._scenario.faults)

    @property
    def stalled(self) -> bool:
        """Whether a `read` would hang now."""
        return self._failing("stall")

    def read(self, *, processes_of: Set[str] | None = frozenset()) -> Snapshot:
        while self.stalled:
            self._sleep(STALL_STEP_S)
        if self._failing("no_driver"):
            raise DriverError("the simulated driver is gone, as its scenario has it: wait until that fault is over")
        now = self._monotonic()
        xids = tuple(self._fresh(now))
        moment = Moment(
            scenario=self._scenario, now=now, at_s=now - self._began, wall=self._now(), processes_of=processes_of
        )
        gpus: list[GpuSnapshot] = []
        for card in self._present(now):
            gpus += reading.units(card, moment, first=len(gpus))
        return Snapshot(
            gpus=tuple(gpus), driver_version="simulated", cuda_version="13.0", sees_processes=True, xids=xids
        )

    def wait(self, seconds: float) -> bool:
        """True as soon as a fault with an XID begins, or if one did that was not read yet."""
        until = self._monotonic() + seconds
        while True:
            self._changed.clear()
            now = self._monotonic()
            begun = [at for at, fault in self._xids() if self._began + fault.at_s <= now]
            if begun:
                self._woken.update(begun)
                return True
            if now >= until:
                return False
            self._nap(min([until, *(self._began + fault.at_s for _, fault in self._xids())]) - now)

    def follow(self, allocations: Allocations) -> None:
        now, since = self._monotonic(), self._now()
        running = allocations.running(now)
        for card in self._present(now):
            for unit in card.units(now - self._began):
                held = running.get(unit.uuid)
                if held is None:
                    unit.stop(now, self._scenario.cleanup_s)
                else:
                    stops_at = allocations.monotonic(held.stops_at)
                    unit.start(held.allocation, self._scenario, now=now, since=since, stops_at=stops_at)

    def close(self) -> None:
        """Nothing is held open."""

    def fail(self, fault: Fault) -> None:
        """Adds a fault whose `at_s` counts from now."""
        self._afflict([*self._faults, fault.model_copy(update={"at_s": self._at_s() + fault.at_s})])
        self._changed.set()

    def mend(self) -> None:
        """Ends every fault. A GPU that was gone comes back as after a reset."""
        for card in self._cards.values():
            card.mend(self._at_s())
        self._told, self._woken = set(), set()
        self._afflict(())
        self._changed.set()

    def _at_s(self) -> float:
        return self._monotonic() - self._began

    def _afflict(self, faults: Iterable[Fault]) -> None:
        self._faults = tuple(faults)
        added = {fault.gpu for fault in self._faults if fault.kind == "added" and fault.gpu is not None}
        for index in sorted({*range(self._scenario.gpus), *added} - self._cards.keys()):
            self._cards[index] = Card(self._scenario, self._node, index)
        for card in self._cards.values():
            card.faults = tuple(fault for fault in self._faults if fault.is_of(card.index))

    def _failing(self, kind: str) -> bool:
        return any(fault.kind == kind and fault.goes_on(self._at_s()) for fault in self._faults)

    def _present(self, now: float) -> list[Card]:
        at_s = now - self._began
        return [card for _, card in sorted(self._cards.items()) if card.present(at_s)]

    def _xids(self) -> Iterator[tuple[int, Fault]]:
        """The faults with an XID that nobody was told of."""
        for at, fault in enumerate(self._faults):
            if fault.kind == "xid" and at not in self._told and at not in self._woken:
                yield at, fault

    def _fresh(self, now: float) -> Iterator[Xid]:
        """The XIDs since the last reading, by when they were."""
        begun = [(at, fault) for at, fault in enumerate(self._faults) if fault.kind == "xid" and at not in self._told]
        for at, fault in sorted(begun, key=lambda one: one[1].at_s):
            began = self._began + fault.at_s
            if fault.xid is None or began > now:
                continue
            self._told.add(at)
            for card in self._present(now):
                if fault.is_of(card.index):
                    card.last_xid = fault.xid
                    yield Xid(gpu=card.uuid, xid=fault.xid, at=self._now() - (now - began))
