"""Batches of reports in the database, on the threads of their lanes: who may report is looked up, and the rest is taken in."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from starlette.requests import Request

from api import auth
from api.metrics import Metrics
from dure.errors import DureError, Unavailable
from dure.wire import Role
from scheduler.actor import Actor
from scheduler.clock import Clock
from scheduler.core.reported import Report
from scheduler.newest import Newest
from scheduler.store import credentials, db, intake, tokens
from scheduler.store.db import Database, Session
from scheduler.store.intake import Arrived, ChangesFleet, Folded, Taken

log = structlog.get_logger()

ROLES = (Role.NODE,)


@dataclass(slots=True, eq=False)
class Entry:
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
Work = Callable[[Sequence[Entry]], Sequence[Outcome]]


class Take(Protocol):
    """How a batch is taken in within a transaction."""

    def __call__(
        self, session: Session, batch: Sequence[Arrived], newest: Newest, *, now: float
    ) -> Sequence[Taken | ChangesFleet | DureError]: ...


class Taking:
    """How batches are taken in, each report with its own outcome."""

    def __init__(self, database: Database, clock: Clock, metrics: Metrics, newest: Newest) -> None:
        self._db, self._clock, self._metrics, self._newest = database, clock, metrics, newest

    def take_all(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        return self._each_or_all(intake.take_all, batch)

    def take_urgent(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        """Those that change the fleet under the locks of its pools, and the others, as proofs of empty, without."""
        changes = [entry for entry in batch if entry.changes]
        others = [entry for entry in batch if not entry.changes]
        outcomes = [*self._or_error(self.take_changes, changes), *self._or_error(self.take_all, others)]
        found = dict(zip([*changes, *others], outcomes, strict=True))
        return [found[entry] for entry in batch]

    def _or_error(self, work: Work, batch: Sequence[Entry]) -> Sequence[Outcome]:
        """Whatever becomes of these, others of their batch are taken in already."""
        try:
            return work(batch) if batch else []
        except Exception as error:  # noqa: BLE001 - it is raised where each report came from
            return [error] * len(batch)

    def take_changes(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        return self._each_or_all(intake.take_changes, batch)

    def _each_or_all(self, take: Take, batch: Sequence[Entry]) -> Sequence[Outcome]:
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

    def _apart(self, take: Take, entry: Entry) -> Outcome:
        try:
            return self._in_one(take, [entry])[0]
        except Exception as error:  # noqa: BLE001 - it is raised where the report came from
            return error

    def _in_one(self, take: Take, batch: Sequence[Entry]) -> Sequence[Outcome]:
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

    def _admit(self, session: Session, entries: Sequence[Entry], now: float) -> dict[Entry, DureError]:
        """Those that may not report, and why."""
        asked = {entry.secret for entry in entries if entry.vouched is None}
        holders = tokens.authenticate_all(session, asked, now) if asked else {}
        refused: dict[Entry, DureError] = {}
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
