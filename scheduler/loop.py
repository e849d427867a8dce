"""The loop: waits for the lead, then sleeps to the next edge and has all done that is due, turn after turn."""

import threading
from collections.abc import Callable

import structlog

from dure.errors import Unavailable
from scheduler.clock import DatabaseClock
from scheduler.metrics import Counters
from scheduler.service import Service
from scheduler.store import due
from scheduler.store.books import Books
from scheduler.store.db import Database
from scheduler.store.leader import Deposed, Lead
from scheduler.turns import starts
from scheduler.turns.turn import Turn

log = structlog.get_logger()

RETRY_S = 1.0
"""Between tries to reach a database that is away, or to take a lead that another has."""


class Loop:
    """One scheduler's loop; `run` returns after `stop`."""

    def __init__(
        self,
        db: Database,
        clock: DatabaseClock,
        counters: Counters,
        *,
        wake_s: float = 1.0,
        turned: Callable[[], None] = lambda: None,
    ) -> None:
        """`turned` is called after each turn: what enforces leases looks then at what became of them."""
        self._turned = turned
        self.db, self.clock, self.counters, self.wake_s = db, clock, counters, wake_s
        self.service = Service(Books(), clock.now)
        self.service.tell_plan = counters.of_plan
        self.lead: Lead | None = None
        self.leading = starts.Leading(since=0.0, away="scheduler_away")
        self._work = Turn(db, clock, counters, self.service, lambda: self.epoch, lambda: self.leading)
        self._away = "scheduler_away"
        self._stop = threading.Event()

    @property
    def leads(self) -> bool:
        return self.lead is not None and self.lead.epoch is not None

    @property
    def epoch(self) -> int | None:
        """Of our lead; None while another leads."""
        lead = self.lead
        return None if lead is None else lead.epoch

    @property
    def follows(self) -> bool:
        """Whether another leads, as the database says; while it does not answer nobody knows."""
        lead = self.lead
        return lead is not None and lead.epoch is None

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Leads whenever it can, until stopped. What the database's absence interrupts is tried again."""
        while not self._stop.is_set():
            try:
                self._serve()
            except Unavailable as error:
                self._away = "database_away"
                log.warning("the database is away", action="database_away", error=str(error).strip())
            except Deposed as error:
                self._away = "scheduler_away"
                log.warning("another scheduler leads", action="deposed", error=str(error))
            finally:
                self._resign()
            self._stop.wait(RETRY_S)

    def _serve(self) -> None:
        self.db.check()
        self.lead = Lead(self.db.url, self.db.where)
        while not self._stop.is_set():
            if self.lead.try_take():
                self._take_over()
                edge = None
                while not self._stop.is_set():
                    edge = self._turn(self.lead, edge)
            else:
                self.lead.ping()
                self._stop.wait(RETRY_S)

    def _take_over(self) -> None:
        assert self.lead is not None
        self.clock.resync()
        self.leading = starts.Leading(since=self.clock.now(), away=self._away)
        self.counters.leads(True)
        log.info("this scheduler leads", action="take_over", epoch=self.lead.epoch)

    def _turn(self, lead: Lead, awaited: float | None) -> float | None:
        """One turn and the sleep after it; the edge that it slept to. Raises Unavailable, also where it would lead elsewhere."""
        if lead.where != self.db.where:
            raise Unavailable("the address names another database now")
        began = self.clock.now()
        self.tick()
        self._turned()
        lead.ping()
        edge = self._work.committed(lambda session: due.next_edge(session, now=began))
        due_edge = awaited if awaited is not None and awaited <= began else None
        self.counters.turned(began, took_s=self.clock.now() - began, edge=due_edge)
        lead.wait(
            self.wake_s if edge is None or self._stuck(edge, awaited) else min(self.wake_s, edge - self.clock.now())
        )
        return edge

    def _stuck(self, edge: float, awaited: float | None) -> bool:
        """The edge that this turn was for is still there: it cannot be dealt with now, and trying at once is no use."""
        return edge == awaited and edge <= self.clock.now()

    def _resign(self) -> None:
        self.counters.leads(False)
        self._work.forget()
        if self.lead is not None:
            self.lead.close()
            self.lead = None

    def tick(self) -> None:
        """One turn of everything."""
        self._work.tick()
