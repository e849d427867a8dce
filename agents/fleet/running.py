"""The loop of a fleet: a heap of when each node is to be sampled, and a line of those that may have something to say."""

import heapq
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from agents.fleet.figures import Figures
from agents.fleet.node import FleetNode

log = logging.getLogger(__name__)

SAYS_S = 60.0
LEAVE_S = 15.0
"""How long a fleet that is stopped waits for reports that are on their way."""


class Fleet:
    """`turn` samples those that are due; `run` does so until it is told to stop."""

    def __init__(
        self,
        nodes: Sequence[FleetNode],
        *,
        sample_s: float,
        spread_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        """The first samples, and so the first reports, are spread over `spread_s`."""
        self._nodes = nodes
        self._sample_s = sample_s
        self._monotonic = monotonic
        self._cpu = cpu
        self._line: SimpleQueue[FleetNode | None] = SimpleQueue()
        now = monotonic()
        step = spread_s / max(1, len(nodes))
        # The second number settles who is first of those that are due together.
        self._due = [(now + step * at, at) for at in range(len(nodes))]
        self._counted: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._over = False
        self.figures = self._fresh()

    def turn(self) -> float:
        """Samples the nodes that are due, each once, and puts them into the line; the seconds until the next is, less than 0 if late."""
        # Those that become due meanwhile wait for the next turn: a fleet that is too slow can still be stopped.
        began = self._monotonic()
        while self._due and self._due[0][0] <= began:
            due, at = self._due[0]
            node = self._nodes[at]
            node.sample()
            now = self._monotonic()
            # A sample that is late takes none of those after it with it: what was missed is left out.
            missed = int((now - due) // self._sample_s)
            heapq.heapreplace(self._due, (due + (missed + 1) * self._sample_s, at))
            self.figures.sampled(now - due, missed)
            if not node.waits:
                node.waits = True
                self._line.put(node)
        return self._due[0][0] - self._monotonic() if self._due else SAYS_S

    def report(self) -> bool:
        """Lets the first in the line say what it has to say; waits for one if there is none. False: there will be no more."""
        node = self._line.get()
        if node is None or self._over:
            return False
        try:
            node.reporter.step()
        except Exception:
            log.exception("a report of %s went wrong", node.name, extra={"action": "fleet.failed", "node": node.name})
            with self._lock:
                self.figures.failed += 1
        # Not before: a reporter is for one thread at a time.
        node.waits = False
        return True

    def run(self, stop: threading.Event, *, threads: int) -> None:
        """Samples and reports until `stop` is set; says once a minute, and at the end, what was done."""
        about = {"action": "fleet.started", "nodes": len(self._nodes), "threads": threads}
        log.info("%d nodes begin", len(self._nodes), extra=about)
        tellers = [threading.Thread(target=self._tell, name=f"teller-{at}", daemon=True) for at in range(threads)]
        for teller in tellers:
            teller.start()
        says_at = self._monotonic() + SAYS_S
        while not stop.wait(max(0.0, min(self.turn(), says_at - self._monotonic()))):
            if self._monotonic() >= says_at:
                self.say("minute")
                says_at += SAYS_S
        self._over = True
        for _ in tellers:
            self._line.put(None)
        until = self._monotonic() + LEAVE_S
        for teller in tellers:
            teller.join(max(0.0, until - self._monotonic()))
        self.say("end")

    @property
    def was_heard(self) -> bool:
        """Whether any report was taken."""
        return self._counted["ok"] > 0

    def say(self, word: str) -> None:
        """One line of what was done since the last one."""
        counted: Counter[str] = Counter()
        for node in self._nodes:
            counted.update({str(outcome): count for outcome, count in node.reporter.outcomes.items()})
        self.figures.outcomes, self._counted = counted - self._counted, counted
        now, cpu = self._monotonic(), self._cpu()
        told = self.figures.told(nodes=len(self._nodes), sample_s=self._sample_s, now=now, cpu=cpu)
        troubled = [node for node in self._nodes if node.reporter.trouble is not None]
        about = {"action": f"fleet.{word}", **told, "troubled": len(troubled)}
        if troubled:
            about["trouble"] = f"{troubled[0].name}: {troubled[0].reporter.trouble}"
        log.info("%s nodes: %s samples, reports %s", told["nodes"], told["samples"], told["reports"], extra=about)
        self.figures = self._fresh()

    def _tell(self) -> None:
        while self.report():
            pass

    def _fresh(self) -> Figures:
        return Figures(began=self._monotonic(), cpu_began=self._cpu())
