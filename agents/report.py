"""Reports to the allocator and learns from its answers: what the GPUs are leased to, and what time it is there.

On a thread of its own. It reads what the sampler keeps and never waits for it, nor makes it wait. During an outage it
keeps nothing: the totals are running ones, so the next report that arrives carries all that was missed.
"""

import logging
import math
import random
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from agents import readings
from agents.allocations import Allocations, Held
from agents.backoff import Backoff
from agents.days import Days
from agents.sampler import Sampler
from agents.snapshot import Sample
from agents.totals import SETTLES_S, Use
from agents.uplink import LAST_TIMEOUT, TIMEOUT, NotTaken, Outcome, Taken, Uplink
from dure.wire import NodeAllocation

log = logging.getLogger(__name__)

LEAST_GAP_S = 0.2
"""Two reports are never closer than this, whatever happens on the node."""

LOOK_S = 1.0
"""How often it looks by itself whether there is something to say: a driver that hangs wakes nobody."""

NOTABLE_OFFSET_S = 5.0
"""A node's clock that is further off is worth a line in the log; it decides nothing."""

NOTABLE_MEMORY_BYTES = 256 << 20
"""While a GPU is proved empty, so much less memory in use is worth a report of its own."""


_HOST_BOOT = Path("/proc/sys/kernel/random/boot_id")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who reports. `boot` is made anew with each agent process, and running totals begin at zero with it; `host_boot` with each
    start of the machine.
    """

    boot: str
    host_boot: str | None = None
    agent_version: str


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
    """`step` sends a report if one is due; `run` does so until it is told to stop."""

    def __init__(
        self,
        sampler: Sampler,
        uplink: Uplink,
        *,
        identity: Identity,
        interval_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        chance: random.Random | None = None,
    ) -> None:
        self._sampler = sampler
        self._uplink = uplink
        self._identity = identity
        self._interval_s = interval_s
        self._monotonic = monotonic
        self._now = now
        self._backoff = Backoff(interval_s, chance=chance or random.Random())
        self._seq = 0
        self._due = -math.inf
        self._not_before = -math.inf
        self._told: object = None
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
            self._send(sample, LAST_TIMEOUT)

    def step(self) -> float:
        """Reports if it is time, or if there are news; returns the seconds to the next time, news apart."""
        sample = self._sampler.view()
        if sample is None:
            return LOOK_S
        at = self._monotonic()
        due = self._not_before if _news(sample) != self._told else max(self._due, self._not_before)
        if at < due:
            return due - at
        pause = self._send(sample, TIMEOUT)
        after = self._monotonic()
        self._due = after + pause
        self._not_before = after + (LEAST_GAP_S if self._trouble is None else pause)
        return pause

    def _send(self, sample: Sample, timeout: httpx.Timeout) -> float:
        """One report and what follows from its answer; returns the seconds to the next regular one."""
        self._seq += 1
        usage = self._sampler.totals.usage()
        report = readings.report(
            sample,
            usage,
            boot=self._identity.boot,
            host_boot=self._identity.host_boot,
            seq=self._seq,
            sent_at=self._now(),
            interval_s=self._interval_s,
            agent_version=self._identity.agent_version,
        )
        outcome = self._uplink.send(report, timeout=timeout)
        if isinstance(outcome, NotTaken):
            return self._not_taken(outcome)
        self._learn(outcome, usage[: readings.MAX_ALLOCATIONS])
        self._told = _news(sample)
        return self._backoff.succeeded()

    def _learn(self, taken: Taken, usage: Sequence[Use]) -> None:
        self.outcomes["ok"] += 1
        self.last_ok_at = self._monotonic()
        if self._trouble is not None:
            log.info("reports are taken again", extra={"action": "report.recovered", "seq": self._seq})
            self._trouble = None
        server_time = taken.answer.server_time
        self._judge_clock(self._now() - (self._monotonic() - taken.at) - server_time)
        days = Days(tuple(int(midnight.timestamp()) for midnight in taken.answer.midnights))
        allocations = Allocations(
            items=tuple(_held(item) for item in taken.answer.allocations),
            server_ahead_s=server_time - taken.at,
            days=days,
        )
        _log_changes(self._sampler.allocations, allocations)
        # Settled first: a sample that is being taken must find no total to add to that was just forgotten.
        over = days.begin(server_time - SETTLES_S)
        self._sampler.totals.settle(usage, listed=allocations.listed(), over=over)
        self._sampler.follow(allocations)

    def _not_taken(self, found: NotTaken) -> float:
        self.outcomes[found.outcome] += 1
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


def _news(sample: Sample) -> object:
    """What is reported at once when it changes: the devices, their health, and an ended allocation's GPU seen empty."""
    gpus = sample.gpus()
    empty: list[tuple[str, int]] = []
    for item in sample.allocations.items:
        gpu = gpus.get(item.gpu)
        if item.ended and gpu is not None and gpu.processes == 0:
            empty.append((item.allocation, (gpu.memory_used_bytes or 0) // NOTABLE_MEMORY_BYTES))
    return tuple((gpu.uuid, gpu.health) for gpu in sample.snapshot.gpus), tuple(empty)


def _log_changes(before: Allocations, after: Allocations) -> None:
    known = {(item.allocation, item.ended) for item in before.items}
    for item in after.items:
        if (item.allocation, item.ended) not in known:
            action = "allocation.ended" if item.ended else "allocation.begun"
            about = {"action": action, "allocation": item.allocation, "lease": item.lease, "gpu": item.gpu}
            log.info(
                "%s is %s lease %s", item.gpu, "no longer held by" if item.ended else "held by", item.lease, extra=about
            )


def _held(item: NodeAllocation) -> Held:
    return Held(
        allocation=item.allocation,
        gpu=item.gpu,
        lease=item.lease,
        company=item.company,
        starts_at=item.starts_at.timestamp(),
        stops_at=item.stops_at.timestamp(),
        ended=item.ended,
        empty_memory_bytes=item.empty_memory_bytes,
    )
