"""Reports of nodes on their way into the database: those that arrive at about the same time are one transaction.

All but the transactions happens in the event loop, so nothing here is locked. A report of which something goes at once has a
transaction of its own, right away. Of one node one report is under way at a time. The queue is bounded: whoever finds it full
is told when to come again.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import structlog
from starlette.requests import Request

from api import auth
from api.admitted import Admitted
from api.metrics import Metrics
from api.vouching import Vouching
from dure.errors import DureError, Unavailable
from dure.wire import Role
from scheduler import decoding
from scheduler.actor import Actor
from scheduler.clock import Clock
from scheduler.core import folding, pacing
from scheduler.core.reported import Answer, Report
from scheduler.kube.reviews import is_jwt
from scheduler.newest import Newest
from scheduler.store import credentials, db, intake, tokens
from scheduler.store.db import Database, Session
from scheduler.store.intake import Arrived, ChangesFleet, Folded, Taken

log = structlog.get_logger()

ROLES = (Role.NODE,)

MOST = 64
"""Reports in one transaction, so that the first does not wait long for the last."""

MOST_CHANGES = 16
"""The same of those that may change the fleet, for whoever asks for GPUs waits for that."""

MOST_WAITING = 512
"""Reports that wait, or are under way, before others are turned away."""

MOST_STRANGERS = 64
"""How many of these may be from who was not admitted lately, and may be nobody."""

FULL = "more reports wait to be taken in than may; send it again when Retry-After says, nothing is lost by then"


@dataclass(slots=True, eq=False)
class _Entry:
    """A report, who sent it, and what becomes of it."""

    node: str
    report: Report
    request: Request
    secret: str
    vouched: Actor | None
    """Who reports, where a cluster vouches for it."""
    answered: asyncio.Future[bytes]
    folded: Folded | None = None
    changes: bool = False
    """Whether it is to be taken under the locks of the pools: it says of the fleet what was not known."""


Outcome = Taken | ChangesFleet | Exception
Work = Callable[[Sequence[_Entry]], Sequence[Outcome]]


class Take(Protocol):
    """How a batch is taken in within a transaction."""

    def __call__(
        self, session: Session, batch: Sequence[Arrived], newest: Newest, *, now: float
    ) -> Sequence[Taken | ChangesFleet | DureError]: ...


class _Lane:
    """A queue of reports and the thread that takes them in, one transaction after the other."""

    def __init__(self, name: str, work: Work, *, most: int, waits: bool) -> None:
        self.threads = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.work, self.most, self.waits = work, most, waits
        self.waiting: deque[_Entry] = deque()
        self.timer: asyncio.TimerHandle | None = None
        self.job: asyncio.Task[None] | None = None
        self.last = 0
        """How many there were in the newest batch."""


class Intake:
    """One a process, used in its event loop alone."""

    def __init__(
        self, database: Database, clock: Clock, metrics: Metrics, vouching: Vouching, *, newest: Newest | None = None
    ) -> None:
        self._db, self._clock, self._metrics, self._vouching = database, clock, metrics, vouching
        self._newest = newest or Newest()
        self._regular = _Lane("reports", self._take_all, most=MOST, waits=True)
        self._urgent = _Lane("changes", self._take_urgent, most=MOST_CHANGES, waits=False)
        self._under_way: set[str] = set()
        self._admitted = Admitted()
        self._count = self._strangers = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lane in (self._regular, self._urgent):
            lane.threads.shutdown()

    async def take(self, node: str, report: Report, request: Request) -> bytes:
        """The answer's JSON, once the report is committed. Raises DureError."""
        secret = auth.secret(request)
        strange = 0 if secret in self._admitted else 1
        if self._count >= MOST_WAITING or self._strangers + strange > MOST_STRANGERS:
            self._metrics.report("turned_away")
            raise Unavailable(FULL, retry_after_s=pacing.come_again_s(random.random()))
        self._wait(1, strange)
        try:
            vouched = await self._vouched(secret)
            entry = _Entry(node, report, request, secret, vouched, asyncio.get_running_loop().create_future())
            self._add(self._urgent if self._is_urgent(entry) else self._regular, entry)
            return await entry.answered
        finally:
            self._wait(-1, -strange)

    def admitted(self, request: Request) -> bool:
        """Whether who sends it was admitted lately: then it is worth work in the event loop. Raises TokenMissing."""
        return auth.secret(request) in self._admitted

    def _wait(self, more: int, strangers: int) -> None:
        self._count += more
        self._strangers += strangers
        self._metrics.reports_wait(self._count)

    async def _vouched(self, secret: str) -> Actor | None:
        """Who reports, where its cluster has to say so: it may be asked over the network, before there is a transaction."""
        if not is_jwt(secret):
            return None
        found = await self._vouching.heard(secret)
        if isinstance(found, DureError):
            self._metrics.report("refused")
            raise found
        return found

    def _is_urgent(self, entry: _Entry) -> bool:
        base = self._newest.base(entry.node, entry.report.boot)
        gpus, before = folding.readings(entry.report, base), None if base is None else base[1]
        entry.folded, entry.changes = (base, gpus), folding.changes(gpus, before)
        return folding.urgent(entry.report, gpus, before)

    def _add(self, lane: _Lane, entry: _Entry) -> None:
        lane.waiting.append(entry)
        self._schedule(lane)

    def _schedule(self, lane: _Lane) -> None:
        """Sees to it that what waits is begun: at once, or when others had the time to come."""
        if lane.timer is None and lane.job is None and lane.waiting:
            hurry = not lane.waits or len(lane.waiting) >= lane.most
            pause_s = 0.0 if hurry else pacing.pause_s(lane.last)
            lane.timer = asyncio.get_running_loop().call_later(pause_s, self._begin, lane)

    def _begin(self, lane: _Lane) -> None:
        """The next batch: of each node the first that waits, unless another report of it is under way."""
        lane.timer = None
        batch: list[_Entry] = []
        later: deque[_Entry] = deque()
        while lane.waiting and len(batch) < lane.most:
            entry = lane.waiting.popleft()
            if entry.node in self._under_way:
                later.append(entry)
            else:
                self._under_way.add(entry.node)
                batch.append(entry)
        lane.waiting = later + lane.waiting
        if batch:
            lane.last = len(batch)
            lane.job = asyncio.get_running_loop().create_task(self._run(lane, batch))

    async def _run(self, lane: _Lane, batch: Sequence[_Entry]) -> None:
        outcomes: Sequence[Outcome]
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(lane.threads, lane.work, batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where each report came from
            outcomes = [error] * len(batch)
        for entry, outcome in zip(batch, outcomes, strict=True):
            self._under_way.discard(entry.node)
            self._settle(entry, outcome)
        lane.job = None
        for each in (self._regular, self._urgent):
            self._schedule(each)

    def _settle(self, entry: _Entry, outcome: Outcome) -> None:
        if isinstance(outcome, ChangesFleet):
            entry.changes = True
            self._urgent.waiting.append(entry)
            return
        if isinstance(outcome, Taken):
            self._admitted.add(entry.secret)
        if isinstance(outcome, Taken) and outcome.known is not None:
            self._newest.remember(entry.node, outcome.known)
        if entry.answered.done():  # whoever sent it is gone
            return
        if isinstance(outcome, Taken):
            entry.answered.set_result(self._paced(entry, outcome.answer))
        else:
            self._refuse(entry, outcome)

    def _refuse(self, entry: _Entry, error: Exception) -> None:
        self._metrics.report("refused")
        if isinstance(error, DureError) and not isinstance(error, Unavailable):
            self._admitted.discard(entry.secret)
            said = {"node": entry.node, "code": error.code, "detail": error.detail}
            log.warning("a report was refused", action="report.refused", **said)
        entry.answered.set_exception(error)

    def _paced(self, entry: _Entry, answer: Answer) -> bytes:
        load = (self._count - 1) / MOST_WAITING
        self._metrics.report("whole_wanted" if answer.whole else "taken")
        report_in_s = pacing.report_in_s(load, entry.report.interval_s, random.random())
        return decoding.encoded(answer, replay=pacing.replay(load), report_in_s=report_in_s)

    # What follows is done on the lanes' threads.

    def _take_all(self, batch: Sequence[_Entry]) -> Sequence[Outcome]:
        return self._each_or_all(intake.take_all, batch)

    def _take_urgent(self, batch: Sequence[_Entry]) -> Sequence[Outcome]:
        """Those that change the fleet under the locks of its pools, and the others, as proofs of empty, without."""
        changes = [entry for entry in batch if entry.changes]
        others = [entry for entry in batch if not entry.changes]
        outcomes = [*self._or_error(self._take_changes, changes), *self._or_error(self._take_all, others)]
        found = dict(zip([*changes, *others], outcomes, strict=True))
        return [found[entry] for entry in batch]

    def _or_error(self, work: Work, batch: Sequence[_Entry]) -> Sequence[Outcome]:
        """Whatever becomes of these, others of their batch are taken in already."""
        try:
            return work(batch) if batch else []
        except Exception as error:  # noqa: BLE001 - it is raised where each report came from
            return [error] * len(batch)

    def _take_changes(self, batch: Sequence[_Entry]) -> Sequence[Outcome]:
        return self._each_or_all(intake.take_changes, batch)

    def _each_or_all(self, take: Take, batch: Sequence[_Entry]) -> Sequence[Outcome]:
        """All in one transaction; each in its own after what nobody expected, which may be one report's fault alone, and after they
        and others waited for each other.
        """
        try:
            return self._in_one(take, batch)
        except DureError as error:
            if not isinstance(error, Unavailable) or not db.entangled(error):
                raise
            log.warning("reports and others waited for each other", action="report.entangled", reports=len(batch))
        except Exception:
            if len(batch) == 1:
                raise
            log.exception("reports could not be taken in together", action="report.apart", reports=len(batch))
        return [self._apart(take, entry) for entry in batch]

    def _apart(self, take: Take, entry: _Entry) -> Outcome:
        try:
            return self._in_one(take, [entry])[0]
        except Exception as error:  # noqa: BLE001 - it is raised where the report came from
            return error

    def _in_one(self, take: Take, batch: Sequence[_Entry]) -> Sequence[Outcome]:
        with self._db.begin() as session:
            now = self._clock.now()
            refused = self._admit(session, batch, now)
            admitted = [entry for entry in batch if entry not in refused]
            arrived = [Arrived(node=entry.node, report=entry.report, folded=entry.folded) for entry in admitted]
            found = take(session, arrived, self._newest, now=now) if arrived else []
        self._notice(refused.values())
        self._metrics.reports_together(len(batch))
        outcomes = dict(zip(admitted, found, strict=True))
        return [refused.get(entry) or outcomes[entry] for entry in batch]

    def _admit(self, session: Session, entries: Sequence[_Entry], now: float) -> dict[_Entry, DureError]:
        """Those that may not report, and why."""
        asked = {entry.secret for entry in entries if entry.vouched is None}
        holders = tokens.authenticate_all(session, asked, now) if asked else {}
        refused: dict[_Entry, DureError] = {}
        for entry in entries:
            try:
                holder = entry.vouched or holders[entry.secret]
                if isinstance(holder, DureError):
                    raise holder
                auth.allowed(holder, entry.request, ROLES)
                entry.request.state.actor = str(holder)
                credentials.arrived(session, holder, now=now)
            except DureError as error:
                refused[entry] = error
        return refused

    def _notice(self, refused: Iterable[DureError]) -> None:
        """Who came with a credential that was used up leaves a line in the audit log, though nothing else is done."""
        reused = [error for error in refused if isinstance(error, credentials.REUSES)]
        if reused:
            with self._db.begin() as session:
                for error in reused:
                    credentials.reused(session, error, now=self._clock.now())
