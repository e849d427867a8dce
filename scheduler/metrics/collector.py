"""The state of the fleet, collected from one database snapshot at scrape time, so that no series outlives what it speaks of."""

from collections.abc import Callable, Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from dure.errors import Unavailable
from scheduler.metrics import calendar, companies, database, fleet, leases, promises
from scheduler.metrics.database import Measured
from scheduler.metrics.reading import Reader
from scheduler.metrics.rows import alone
from scheduler.store import snapshot
from scheduler.store.db import Database
from scheduler.store.snapshot import FleetSnapshot


class FleetCollector(Collector):
    """Fleet, lease and ledger series, while `leads()` says so; and always whether the database answers: while it does not, nobody
    leads. Every scrape tells `answers` whether the database did.
    """

    def __init__(
        self,
        db: Database,
        now: Callable[[], float],
        leads: Callable[[], bool],
        *,
        measured: Measured | None = None,
        answers: Callable[[bool], None] = lambda _: None,
        reader: Reader | None = None,
    ) -> None:
        self._reader, self._now, self._leads = reader or Reader(db), now, leads
        self._measured, self._answers = measured or Measured(), answers

    def collect(self) -> Iterator[Metric]:
        try:
            found = self._read()
        except Unavailable:
            self._answers(False)
            yield alone(database.UP, 0)
            return
        self._answers(True)
        yield alone(database.UP, 1)
        if found is not None:
            yield from families(found, self._measured, self._now())

    def _read(self) -> FleetSnapshot | None:
        """None where another leads. Raises Unavailable."""
        if not self._leads():
            self._reader.check()
            return None
        return self._reader.read(lambda session: snapshot.read(session, now=self._now()))


def families(found: FleetSnapshot, measured: Measured, now: float) -> Iterator[Metric]:
    """What is told of a snapshot."""
    yield from fleet.families(found.fleet, now)
    yield from calendar.families(found.calendar)
    yield from companies.families(found.companies)
    yield from promises.families(found.promises)
    yield from leases.families(found.leases)
    yield from database.families(found.connections, found.verified, measured)
