"""The desk at which a process takes asks: those of one pool that arrive together are decided in one transaction."""

from collections.abc import Callable, Sequence

from dure import wire
from dure.errors import DureError
from scheduler.service import Request, Service
from scheduler.store.db import Database
from scheduler.together import Together


class Desk:
    """For many threads, each with one ask."""

    def __init__(self, db: Database, service: Service, now: Callable[[], float]) -> None:
        self._db, self._service, self._now = db, service, now
        self._together: Together[Request, wire.Lease] = Together(self._decide)

    def ask(self, request: Request) -> wire.Lease:
        """What `Service.ask` answers, once it is committed. Raises what it raises, and Unavailable."""
        return self._together.do(request.body.pool, request)

    def _decide(self, pool: str, requests: Sequence[Request]) -> list[wire.Lease | DureError]:
        with self._db.begin() as session:
            return self._service.ask_all(session, pool, requests, now=self._now())
