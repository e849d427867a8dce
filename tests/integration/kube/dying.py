"""Two schedulers, of which one leads: who leads dies again and again while things happen, and is started again each time."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.cluster.proxy import Proxy
from tests.integration.kube.processes import Process
from tests.integration.kube.stand import Stand, collection

CHANGES = "POST|PATCH|DELETE"
STEADY_S = 3.0
"""Who led for so long has seen all that there is, and done what was due."""


@dataclass(slots=True)
class Death:
    """Of who led: when it died, and when the next had the lead."""

    how: str
    at: float
    until: float | None = None


def dealt_with(deaths: Sequence[Death], since: float) -> float:
    """By when what was known at an instant has been done: the end of the first few seconds in which somebody led."""
    leads = [since, *(one.until for one in deaths if one.until is not None and one.until > since)]
    steady = (
        begin
        for begin in leads
        if not any(one.at < begin + STEADY_S and (one.until is None or one.until > begin) for one in deaths)
    )
    return next(steady, max(leads)) + STEADY_S


@dataclass(slots=True, kw_only=True)
class Play:
    """`over` does what is due of all that happens, the next death among it; times are those of the leases."""

    made: Stand
    processes: Sequence[Process]
    proxy: Proxy
    """By which they come to the cluster."""
    clients: dict[str, httpx.Client]
    """Those of the companies, by name."""
    chance: random.Random
    kills: int
    until: float = float("inf")
    """Nobody is killed any more after it, and what could not be made by then is of leases that are over."""
    acts: list[tuple[float, Callable[[], Any]]] = field(default_factory=list[tuple[float, Callable[[], Any]]])
    objects: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    """Those still to be made, and by whom: a quota may not count yet what was just booked."""
    deaths: list[Death] = field(default_factory=list[Death])
    leader: Process | None = None
    """Who is known to lead."""
    _how: str = ""
    _at: float = float("inf")

    def over(self) -> bool:
        """One turn; whether nothing of it is left."""
        now = self.made.clock.now()
        self._live(now)
        for act in [one for one in self.acts if one[0] <= now]:
            self.acts.remove(act)
            act[1]()
        self.objects[:] = [one for one in self.objects if now <= self.until and not self._was_made(*one)]
        return self.leader is not None and self._is_spared(now) and not self.acts and not self.objects

    def _live(self, now: float) -> None:
        """Who leads dies when its time has come, and who died is started again."""
        if self.leader is not None and not self.leader.runs():
            self.deaths.append(Death(self._how, now))
            self.leader, self._at = None, float("inf")
            self.proxy.faults.heal()
        for one in self.processes:
            if not one.runs():
                one.start()
        if self.leader is None:
            self._begin(now)
        if now >= self._at and not self._is_spared(now):
            self._die()

    def _begin(self, now: float) -> None:
        """The next leads, and its death is drawn."""
        self.leader = next((one for one in self.processes if one.leads()), None)
        if self.leader is None:
            return
        if self.deaths:
            self.deaths[-1].until = self.made.clock.now()
        if not self._is_spared(now):
            self._draw(now)

    def _is_spared(self, now: float) -> bool:
        return len(self.deaths) >= self.kills or now > self.until

    def _draw(self, now: float) -> None:
        assert self.leader is not None
        number = self.chance.randint(1, 10)
        if len(self.deaths) % 5 == 3:
            self._how, self._at = "with all others", now + self.chance.uniform(1, 4)
        elif self.chance.random() < 0.5:
            self._how, self._at = "at any time", now + self.chance.uniform(0, 5)
        else:
            self._how, self._at = f"at change {number}", now + 6
            self.proxy.faults.after(number, self.leader.kill, method=CHANGES)

    def _die(self) -> None:
        for one in self.processes if self._how == "with all others" else [self.leader]:
            if one is not None:
                one.kill()

    def _was_made(self, who: str, body: dict[str, Any]) -> bool:
        answer = self.clients[who].post(collection(body, self.made.namespace(who)), json=body)
        # The quota does not count it yet, or is just being written.
        if answer.status_code not in (403, 409):
            answer.raise_for_status()
        return answer.is_success
