"""Reports of nodes on their way into the database: those that arrive at about the same time are one transaction.

All but the transactions happens in the event loop, so nothing here is locked. A report of which something goes at once has a
transaction of its own, right away. Of one node one report is under way at a time. The queue is bounded: whoever finds it full
is told when to come again.
"""

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from starlette.requests import Request

from api import auth
from api.metrics import Metrics
from dure.errors import DureError, Unavailable
from dure.wire import Role
from scheduler import decoding
from scheduler.clock import Clock
from scheduler.core import folding, pacing
from scheduler.core.reported import Answer, Report
from scheduler.newest import Newest
from scheduler.store import intake, tokens
from scheduler.store.db import Database, Session
from scheduler.store.intake import Arrived, ChangesFleet, Taken

ROLES = (Role.NODE,)
PAUSE_S = 0.25
"""How long a report that is not urgent waits for others. A report in ten seconds is not held up by it, and of 125 a second
thirty share a transaction."""

MOST = 64
"""Reports in one transaction, so that the first does not wait long for the last."""

MOST_WAITING = 512
"""Reports that wait, or are under way, before others are turned away."""

ALONE = 2
"""Reports that are taken alone at a time, beside a batch."""

FULL = "more reports wait to be taken in than may; send it again when Retry-After says, nothing is lost by then"


@dataclass(slots=True, eq=False)
class _Entry:
    """A report, who sent it, and what becomes of it."""

    node: str
    report: Report
    request: Request
    secret: str
    answered: asyncio.Future[bytes]


@dataclass(slots=True)
class _Result:
    """What is found of one entry: its answer, what is wrong, or that it has to be taken alone."""

    entry: _Entry
    outcome: Taken | Exception


class Intake:
    """One a process, used in its event loop alone."""

    def __init__(self, db: Database, clock: Clock, metrics: Metrics, *, newest: Newest | None = None) -> None:
        self._db, self._clock, self._metrics = db, clock, metrics
        self._newest = newest or Newest()
        self._for_batches = ThreadPoolExecutor(1, thread_name_prefix="reports")
        self._for_one = ThreadPoolExecutor(ALONE, thread_name_prefix="report")
        self._waiting: deque[_Entry] = deque()
        self._under_way: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._batching = False
        self._count = 0
        self._jobs: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._for_batches.shutdown()
        self._for_one.shutdown()

    async def take(self, node: str, report: Report, request: Request) -> bytes:
        """The answer's JSON, once the report is committed. Raises DureError."""
        secret = auth.secret(request)
        if self._count >= MOST_WAITING:
            self._metrics.report("turned_away")
            raise Unavailable(FULL, retry_after_s=pacing.come_again_s(random.random()))
        entry = _Entry(node, report, request, secret, asyncio.get_running_loop().create_future())
        self._count += 1
        self._metrics.reports_wait(self._count)
        try:
            self._add(entry)
            return await entry.answered
        finally:
            self._count -= 1
            self._metrics.reports_wait(self._count)

    def _add(self, entry: _Entry) -> None:
        if entry.node not in self._under_way and self._is_urgent(entry):
            self._start([entry], alone=True)
            return
        self._waiting.append(entry)
        self._schedule(PAUSE_S)

    def _is_urgent(self, entry: _Entry) -> bool:
        base = self._newest.base(entry.node, entry.report.boot)
        gpus = folding.readings(entry.report, base)
        return folding.urgent(entry.report, gpus, None if base is None else base[1])

    def _schedule(self, pause_s: float) -> None:
        if self._timer is None and not self._batching:
            self._timer = asyncio.get_running_loop().call_later(pause_s, self._flush)

    def _flush(self) -> None:
        """Begins the next batch: of each node the first that waits."""
        self._timer = None
        batch: list[_Entry] = []
        later: deque[_Entry] = deque()
        taken = set(self._under_way)
        while self._waiting and len(batch) < MOST:
            entry = self._waiting.popleft()
            if entry.node in taken:
                later.append(entry)
            else:
                taken.add(entry.node)
                batch.append(entry)
        self._waiting = later + self._waiting
        if batch:
            self._batching = True
            self._start(batch, alone=False)

    def _start(self, entries: Sequence[_Entry], *, alone: bool) -> None:
        for entry in entries:
            self._under_way[entry.node] = self._under_way.get(entry.node, 0) + 1
        job = asyncio.get_running_loop().create_task(self._run(entries, alone=alone))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _run(self, entries: Sequence[_Entry], *, alone: bool) -> None:
        loop = asyncio.get_running_loop()
        threads, work = (self._for_one, self._alone) if alone else (self._for_batches, self._together)
        try:
            results = await loop.run_in_executor(threads, work, entries)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where each report came from
            results = [_Result(entry, error) for entry in entries]
        for result in results:
            self._settle(result, alone=alone or len(entries) == 1)
        if not alone:
            self._batching = False
        if self._waiting:
            self._schedule(0 if len(self._waiting) >= MOST else PAUSE_S)

    def _settle(self, result: _Result, *, alone: bool) -> None:
        entry, outcome = result.entry, result.outcome
        self._leave(entry.node)
        # What nobody expected may be one report's fault alone.
        if isinstance(outcome, ChangesFleet) or not (alone or isinstance(outcome, (Taken, DureError))):
            self._start([entry], alone=True)
            return
        if isinstance(outcome, Taken) and outcome.known is not None:
            self._newest.remember(entry.node, outcome.known)
        if entry.answered.done():
            return
        if isinstance(outcome, Taken):
            entry.answered.set_result(self._paced(entry, outcome.answer))
        else:
            self._metrics.report("refused")
            entry.answered.set_exception(outcome)

    def _leave(self, node: str) -> None:
        left = self._under_way[node] - 1
        if left:
            self._under_way[node] = left
        else:
            del self._under_way[node]

    def _paced(self, entry: _Entry, answer: Answer) -> bytes:
        load = (self._count - 1) / MOST_WAITING
        self._metrics.report("whole_wanted" if answer.whole else "taken")
        report_in_s = pacing.report_in_s(load, entry.report.interval_s, random.random())
        return decoding.encoded(answer, replay=pacing.replay(load), report_in_s=report_in_s)

    # What follows is done on a thread, in a transaction.

    def _together(self, entries: Sequence[_Entry]) -> list[_Result]:
        with self._db.begin() as session:
            now = self._clock.now()
            refused = self._admit(session, entries, now)
            admitted = [entry for entry in entries if entry not in refused]
            batch = [Arrived(node=entry.node, report=entry.report) for entry in admitted]
            outcomes = intake.take_all(session, batch, self._newest, now=now) if batch else []
        self._metrics.reports_together(len(entries))
        found = dict(zip(admitted, outcomes, strict=True))
        return [_Result(entry, refused.get(entry) or found[entry]) for entry in entries]

    def _alone(self, entries: Sequence[_Entry]) -> list[_Result]:
        [entry] = entries
        try:
            with self._db.begin() as session:
                now = self._clock.now()
                refused = self._admit(session, entries, now)
                if refused:
                    return [_Result(entry, refused[entry])]
                arrived = Arrived(node=entry.node, report=entry.report)
                found = intake.take_alone(session, arrived, self._newest, now=now)
        except DureError as error:
            return [_Result(entry, error)]
        self._metrics.reports_together(1)
        return [_Result(entry, found)]

    def _admit(self, session: Session, entries: Sequence[_Entry], now: float) -> dict[_Entry, DureError]:
        """Those that may not report, and why."""
        holders = tokens.authenticate_all(session, {entry.secret for entry in entries}, now)
        refused: dict[_Entry, DureError] = {}
        for entry in entries:
            try:
                holder = holders[entry.secret]
                if isinstance(holder, DureError):
                    raise holder
                auth.allowed(holder, entry.request, ROLES)
                entry.request.state.actor = str(holder)
            except DureError as error:
                refused[entry] = error
        return refused
