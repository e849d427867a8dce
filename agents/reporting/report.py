"""Reports to the allocator and learns from its answers: what the GPUs are leased to, and what time it is there.

On a thread of its own. It reads what the sampler keeps and never waits for it, nor makes it wait. What it says is
`telling.py`'s; when, and what follows, is here.
"""

import logging
import math
import random
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from agents.allocations import Allocations
from agents.days import Days
from agents.reporting import news
from agents.reporting.backoff import Backoff
from agents.reporting.connection import Patience
from agents.reporting.offset import Exchange, Offset
from agents.reporting.telling import Identity, Telling, Told
from agents.reporting.uplink import LAST_PATIENCE, PATIENCE, NotTaken, Outcome, Taken, Uplink
from agents.sampler import Sampler
from agents.snapshot import Sample
from agents.spool.untold import Untold
from agents.totals import SETTLES_S, Use

__all__ = ["LEAST_GAP_S", "Identity", "Reporter", "host_boot", "new_boot"]

log = logging.getLogger(__name__)

LEAST_GAP_S = 0.2
"""Two reports are never closer than this, whatever happens on the node."""

LOOK_S = 1.0
"""How often it looks by itself whether there is something to say: a driver that hangs wakes nobody."""

NOTABLE_OFFSET_S = 5.0
"""A node's clock that is further off is worth a line in the log; it decides nothing."""

_HOST_BOOT = Path("/proc/sys/kernel/random/boot_id")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def new_boot() -> str:
    return f"boot_{secrets.token_hex(8)}"


def host_boot(path: Path = _HOST_BOOT) -> str | None:
    """What the kernel calls its own start, also in a container; None where it does not say."""
    with suppress(OSError, UnicodeDecodeError):
        found = path.read_text("ascii").strip()
        if _ID.fullmatch(found):
            return found
    return None


class Reporter:
    """`step` sends a report if one is due; `run` does so until it is told to stop. `untold` is what earlier processes left to be
    told, and events."""

    def __init__(
        self,
        sampler: Sampler,
        uplink: Uplink,
        *,
        identity: Identity,
        interval_s: float,
        untold: Untold | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        chance: random.Random | None = None,
    ) -> None:
        self._sampler = sampler
        self._uplink = uplink
        self._telling = Telling(untold or Untold(0), identity=identity, interval_s=interval_s)
        self._monotonic = monotonic
        self._now = now
        self._backoff = Backoff(interval_s, chance=chance or random.Random())
        self._offset = Offset()
        self._seq = 0
        self._due = -math.inf
        self._not_before = -math.inf
        self._told: object = None
        self._counts: Mapping[str, int] = {}
        self._trouble: NotTaken | None = None
        self._clock_off = False
        self._wake = threading.Event()
        self.outcomes: Counter[Outcome] = Counter()
        self.last_ok_at: float | None = None
        """The monotonic second at which the newest answer came."""
        sampler.tell(self.wake)

    @property
    def trouble(self) -> str | None:
        """Why the newest report was not taken; None if it was."""
        return None if self._trouble is None else self._trouble.why

    @property
    def clock_offset_s(self) -> float | None:
        """How far this node's clock is ahead of the allocator's; None before any answer. It decides nothing."""
        ahead_s = self._offset.ahead_s
        return None if ahead_s is None else self._now() - self._monotonic() - ahead_s

    def untold(self) -> list[Use]:
        """This process's totals that the allocator has not."""
        acknowledged = self._telling.acknowledged
        return [use for use in self._sampler.totals.usage() if acknowledged.get(use.key) != use]

    def wake(self) -> None:
        """There may be news, or it is time to stop."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Reports until `stop` is set (`wake` it then), and once more at the end so that the last totals arrive."""
        while not stop.is_set():
            self._wake.wait(min(LOOK_S, self.step()))
            self._wake.clear()
        sample = self._sampler.view()
        if sample is not None and self._trouble is None and self.last_ok_at is not None:
            self._send(sample, LAST_PATIENCE)

    def step(self) -> float:
        """Reports if it is time, or if there are news; returns the seconds to the next time, news apart."""
        sample = self._sampler.view()
        if sample is None:
            return LOOK_S
        at = self._monotonic()
        self._counts = news.counts(sample, self._counts)
        is_news = (news.of(sample), self._counts) != self._told
        due = self._not_before if is_news else max(self._due, self._not_before)
        if at < due:
            return due - at
        pause = self._send(sample, PATIENCE)
        after = self._monotonic()
        self._due = after + pause
        self._not_before = after + (LEAST_GAP_S if self._trouble is None else pause)
        return pause

    def _send(self, sample: Sample, patience: Patience) -> float:
        """One report and what follows from its answer; returns the seconds to the next regular one."""
        self._seq += 1
        usage, counts = self._sampler.totals.usage(), self._counts
        told = self._telling.compose(sample, usage, seq=self._seq, sent_at=self._now(), at=self._monotonic())
        outcome = self._uplink.send(told.parcel, patience=patience)
        if isinstance(outcome, NotTaken):
            return self._not_taken(outcome, told)
        self._taken(outcome)
        if not self._telling.take(told, outcome.answer):
            return LEAST_GAP_S
        self._follow(outcome)
        self._told = news.of(sample), counts
        return self._backoff.succeeded(outcome.answer.report_in_s)

    def _taken(self, taken: Taken) -> None:
        self.outcomes["ok"] += 1
        self.last_ok_at = self._monotonic()
        if self._trouble is not None:
            log.info("reports are taken again", extra={"action": "report.recovered", "seq": self._seq})
            self._trouble = None
        self._offset.learn(Exchange(taken.answer.server_time - taken.at, taken.round_trip_s))
        self._judge_clock(self.clock_offset_s or 0.0)

    def _follow(self, taken: Taken) -> None:
        """Learns what the GPUs are leased to, and which totals need not be kept."""
        answer = taken.answer
        days = Days(answer.midnights)
        ahead_s = self._offset.ahead_s
        allocations = Allocations(
            items=answer.allocations,
            server_ahead_s=answer.server_time - taken.at if ahead_s is None else ahead_s,
            days=days,
            pools=self._sampler.allocations.pools if answer.pools is None else answer.pools,
        )
        _log_changes(self._sampler.allocations, allocations)
        # Settled first: a sample that is being taken must find no total to add to that was just forgotten.
        over = days.begin(answer.server_time - SETTLES_S)
        acknowledged = self._telling.acknowledged.values()
        self._sampler.totals.settle(acknowledged, listed=allocations.listed(), over=over)
        self._sampler.follow(allocations)

    def _not_taken(self, found: NotTaken, told: Told) -> float:
        self.outcomes[found.outcome] += 1
        self._telling.miss()
        if found.unversed and told.body["version"] == 2:
            self._telling.speak_the_first_version(told.at)
            return LEAST_GAP_S
        before = self._trouble
        # A line when a trouble begins or becomes another one, not one for every try.
        if before is None or (before.outcome, before.code) != (found.outcome, found.code):
            log.error(
                "a report was not taken: %s",
                found.why,
                extra={"action": f"report.{found.outcome}", "seq": self._seq, "code": found.code},
            )
        self._trouble = found
        if found.renewed:
            log.info("there is another token in the token file", extra={"action": "credential.renewed"})
            return LEAST_GAP_S
        return self._backoff.refused() if found.outcome == "refused" else self._backoff.failed(found.retry_after_s)

    def _judge_clock(self, ahead_s: float) -> None:
        """Says once that the node's wall clock is off by `ahead_s` seconds."""
        off = abs(ahead_s) > NOTABLE_OFFSET_S
        if off and not self._clock_off:
            sentence = "this node's clock is %.0f s ahead of the allocator's; it decides nothing, but set it"
            log.warning(sentence, ahead_s, extra={"action": "clock.off", "ahead_s": round(ahead_s, 3)})
        self._clock_off = off


def _log_changes(before: Allocations, after: Allocations) -> None:
    known = {(item.allocation, item.ended) for item in before.items}
    for item in after.items:
        if (item.allocation, item.ended) not in known:
            action = "allocation.ended" if item.ended else "allocation.begun"
            about = {"action": action, "allocation": item.allocation, "lease": item.lease, "gpu": item.gpu}
            log.info(
                "%s is %s lease %s", item.gpu, "no longer held by" if item.ended else "held by", item.lease, extra=about
            )
