"""Ends that were decided a moment ahead, and are asked for at their own instant, however busy whoever decided them is then."""

import threading
from collections.abc import Callable, Iterable

import structlog

from scheduler.kube.actions import End

log = structlog.get_logger()

LOOKS_S = 1.0
"""How often it is looked at the clock where nothing is to come: it may have been set."""


class Arming:
    """Has a thread between `start` and `stop`. `now` is the time that instants are of; `fire` is called from the thread with all
    that is due, never before its instant. Safe from any thread.
    """

    def __init__(self, *, now: Callable[[], float], fire: Callable[[tuple[End, ...]], object]) -> None:
        self._now, self._fire = now, fire
        self._changed = threading.Condition()
        self._armed: dict[str, tuple[End, ...]] = {}
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="kube-ends", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Nothing that is not due yet is asked for any more."""
        with self._changed:
            self._armed, self._is_over = {}, True
            self._changed.notify()

    def only(self, company: str, ends: Iterable[End]) -> None:
        """What is to come for a company, in the place of what was said before."""
        armed = tuple(ends)
        with self._changed:
            if self._is_over or _instants(armed) == _instants(self._armed.get(company, ())):
                return
            self._armed.pop(company, None)
            if armed:
                self._armed[company] = armed
            self._changed.notify()

    def _run(self) -> None:
        while not self._is_over:
            due = self._due()
            try:
                if due:
                    self._fire(due)
            except Exception:
                log.exception("ends could not be asked for at their instant", action="kube_failed")

    def _due(self) -> tuple[End, ...]:
        """What is due, which is then not armed any more; after a wait where it is nothing."""
        with self._changed:
            now = self._now()
            due = tuple(one for ends in self._armed.values() for one in ends if _at(one) <= now)
            if due:
                left = {name: tuple(one for one in ends if _at(one) > now) for name, ends in self._armed.items()}
                self._armed = {name: ends for name, ends in left.items() if ends}
            else:
                first = min((_at(one) for ends in self._armed.values() for one in ends), default=now + LOOKS_S)
                self._changed.wait(min(LOOKS_S, first - now))
            return due


def _instants(ends: Iterable[End]) -> list[tuple[End, float]]:
    """The same removal for another instant is another thing here."""
    return [(one, _at(one)) for one in ends]


def _at(end: End) -> float:
    """One that is for no instant is due."""
    return end.at or 0
