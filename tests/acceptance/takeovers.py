"""What is done to the scheduler that leads, and how soon another does by PostgreSQL's own clock."""

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import psycopg

from tests.acceptance.house import House
from tests.acceptance.way import Way

WITHIN_S = {"killed": 5.0, "stopped": 20.0, "cut off": 20.0}
"""DESIGN's promise, by what became of who led."""
ALLOWED_S = {**WITHIN_S, "killed": 15.0}
"""Where a machine is loaded. Of what is stopped or cut off, most is PostgreSQL's own waiting, which no load makes longer."""

_HOLD = "SELECT FROM lease WHERE state IN ('active', 'ending') FOR NO KEY UPDATE SKIP LOCKED"
_WAITS = (
    "SELECT FROM pg_stat_activity WHERE application_name = %s AND pg_backend_pid() = ANY(pg_blocking_pids(pid)) LIMIT 1"
)


@dataclass(kw_only=True)
class Takeovers:
    """Schedulers by name, each by a way of its own to one database; `url` leads there as a superuser."""

    house: House
    url: str
    ways: Mapping[str, Way]
    led: list[str] = field(default_factory=list[str])
    """Who was seen to lead, in order."""
    killed: dict[str, float] = field(default_factory=dict[str, float])
    """When, in Unix seconds: what it counted since it was last asked is lost."""
    took_s: dict[str, float] = field(default_factory=dict[str, float])
    """For how long nobody led, by what became of who did."""

    def leads(self, name: str) -> bool:
        return self.house.metric(name, "dure_leader") == 1

    def who(self) -> str:
        """Waits until one leads and no other says so."""
        found: list[str] = []

        def one() -> bool:
            found[:] = filter(self.leads, self.ways)
            return len(found) == 1

        self.house.until(one, "somebody to lead")
        return found[0]

    def kill(self) -> None:
        leader = self.who()
        since = self._now()
        self.house.kill(leader)
        self.killed[leader] = time.time()
        self._taken_over(leader, "killed", since)
        self.house.again(leader)
        self._stands_by(leader)

    def stop(self) -> None:
        """In the midst of ending a lease, and lets it go on once another leads: it can end nothing."""
        leader, epoch = self.who(), self._epoch()
        stop, go_on = (partial(self.house.signal, leader, how) for how in (signal.SIGSTOP, signal.SIGCONT))
        self._taken_over(leader, "stopped", self._while_it_ends_a_lease(leader, stop, go_on))
        go_on()
        self._is_refused(leader, epoch)

    def cut_off(self) -> None:
        """From the database alone, in the midst of ending a lease; what it sent meanwhile comes once another leads, and does nothing."""
        leader, epoch = self.who(), self._epoch()
        way = self.ways[leader]
        self._taken_over(leader, "cut off", self._while_it_ends_a_lease(leader, way.swallow, way.open))
        way.open()
        self._is_refused(leader, epoch)

    def epochs(self) -> Mapping[int, str]:
        """Who took each, as they said."""
        return {line["epoch"]: name for name in self.ways for line in self.house.said(name, "take_over")}

    def _while_it_ends_a_lease(self, leader: str, harm: Callable[[], None], undo: Callable[[], None]) -> float:
        """Does harm when it has begun to, which it cannot go on with here; when that was. The harm done, nothing holds it back."""
        with psycopg.connect(self.url) as holding:

            def waits() -> bool:
                holding.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees who is there as it first did
                return holding.execute(_WAITS, [leader]).fetchone() is not None

            def harmed() -> bool:
                holding.execute(_HOLD)
                if not waits():
                    return False
                harm()
                if waits():
                    return True
                undo()  # it gave up just before, and may be anywhere
                return False

            self.house.until(harmed, f"{leader} to end a lease")
            return _clock(holding)

    def _taken_over(self, leader: str, why: str, since: float) -> None:
        (other,) = self.ways.keys() - {leader}
        self.house.until(lambda: self.leads(other), f"{other} to lead")
        self.took_s[why] = self._took_over_at() - since
        print(f"a leader that was {why} was taken over from in {self.took_s[why]:.1f} s")
        self.led.append(other)

    def _is_refused(self, leader: str, epoch: int) -> None:
        """It still believes to lead, until the database says that it does not."""
        why = f"this is epoch {epoch}"
        self.house.until(
            lambda: any(line["error"].endswith(why) for line in self.house.said(leader, "deposed")),
            f"{leader} to be refused what it commits",
        )
        self._stands_by(leader)

    def _stands_by(self, leader: str) -> None:
        self.house.until(lambda: self.house.metric(leader, "dure_leader") == 0, f"{leader} to stand by")

    def _now(self) -> float:
        with psycopg.connect(self.url) as connection:
            return _clock(connection)

    def _epoch(self) -> int:
        return int(self._leader("epoch"))

    def _took_over_at(self) -> float:
        return float(self._leader("extract(epoch FROM took_over_at)"))

    def _leader(self, column: str) -> float:
        with psycopg.connect(self.url) as connection:
            found = connection.execute(f"SELECT {column} FROM leader".encode()).fetchone()
        assert found is not None
        return found[0]


def _clock(connection: psycopg.Connection) -> float:
    found = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    assert found is not None
    return found[0]
