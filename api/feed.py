"""New events on their way to every open stream of this process: one thread reads them once and hands them round.

No stream has a database connection, and none can hold the others up: each has a buffer, and one whose client does not
take what it is sent is ended, to come back with the id of the last event it has.
"""

import time
from collections.abc import Sequence
from threading import Condition, Thread
from types import TracebackType
from typing import Self

import structlog
from fastapi.sse import format_sse_event

from api.metrics import Metrics
from api.subscription import Chunk, Reason, Subscription, Wanted
from dure.errors import DureError, Unavailable
from scheduler.clock import Clock
from scheduler.store import events, lives, tokens
from scheduler.store.db import Database, Session
from scheduler.store.events import BEGINNING, Position
from scheduler.store.tables import LeaseEvent

log = structlog.get_logger()

LOOK_S = 0.5
"""How often new events are looked for while somebody listens."""

RECHECK_S = 10.0
"""A stream whose token was revoked or has expired ends after at most this."""

BATCH = 500
MOST = 1000
MOST_OF_A_COMPANY = 50
"""Streams of one process, and of one company's tokens (or all admins') in it."""


class Feed:
    """A thread between `with` and its end. A database that is away is waited for; streams stay open meanwhile."""

    def __init__(self, db: Database, clock: Clock, metrics: Metrics) -> None:
        self._db, self._clock, self._metrics = db, clock, metrics
        self._changed = Condition()
        self._streams: set[Subscription] = set()
        self._at = BEGINNING
        self._over = True
        self._life: str | None = None
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        self._over = False
        self._thread = Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        if self._thread is not None:
            self._thread.join()

    def join(self, stream: Subscription) -> None:
        """From now on the stream is handed what is new. Raises Unavailable, also where there are too many."""
        with self._db.snapshot() as session:
            head = events.head(session)
        with self._changed:
            self._refuse_too_many(stream.wanted)
            if not self._streams:
                self._at = head
            stream.begin(self._at)
            self._streams.add(stream)
            self._metrics.streams(len(self._streams))
            self._changed.notify()

    def leave(self, stream: Subscription) -> None:
        """Once for every stream that joined."""
        with self._changed:
            self._streams.discard(stream)
            self._metrics.streams(len(self._streams))
        self._metrics.stream_ended(stream.reason)

    def past(self, stream: Subscription, position: Position) -> Sequence[Chunk]:
        """What a stream is owed from before it joined, after `position`; empty when that is all. Raises Unavailable."""
        wanted = stream.wanted
        with self._db.snapshot() as session:
            rows = events.after(
                session,
                position,
                company=wanted.company,
                pool=wanted.pool,
                since=wanted.since,
                until=stream.joined,
                limit=BATCH,
            )
        return [_chunk(row) for row in rows]

    def end(self) -> None:
        """Ends every stream: the process is told to."""
        with self._changed:
            self._over = True
            for stream in self._streams:
                stream.end(Reason.SHUTDOWN)
            self._changed.notify()

    def _refuse_too_many(self, wanted: Wanted) -> None:
        if self._over:
            raise Unavailable("this process is ending; try again, another answers", retry_after_s=1)
        yours = sum(1 for other in self._streams if other.wanted.owner == wanted.owner)
        if len(self._streams) >= MOST or yours >= MOST_OF_A_COMPANY:
            told = f"there are {len(self._streams)} event streams open here, {yours} of them yours: close what you do not read"
            raise Unavailable(told, retry_after_s=60)

    def _run(self) -> None:
        checked = 0.0
        while self._await_streams():
            try:
                self._hand_round()
                if time.monotonic() - checked > RECHECK_S:
                    self._end_revoked()
                    checked = time.monotonic()
            except Unavailable as error:
                log.warning("the database is away", action="database_away", detail=error.detail)
            except Exception:
                log.exception("reading events failed", action="feed_failed")

    def _await_streams(self) -> bool:
        """Sleeps until it is time to look again and somebody listens; false when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._over, LOOK_S)
            self._changed.wait_for(lambda: self._over or self._streams)
            return not self._over

    def _hand_round(self) -> None:
        more = True
        while more:
            with self._changed:
                position = self._at
            with self._db.snapshot() as session:
                if self._is_another(session):
                    return
                rows = events.after(session, position, limit=BATCH)
            chunks = [_chunk(row) for row in rows]
            with self._changed:
                for stream in self._streams:
                    stream.offer(chunks)
                if chunks:
                    self._at = max(self._at, chunks[-1].position)
            more = len(rows) == BATCH

    def _is_another(self, session: Session) -> bool:
        """Whether the server began another life, in which transactions' numbers begin below where we stood: all streams end."""
        before, life = self._life, lives.noted(session.connection())
        if life is None:
            return False
        self._life = life
        if before in (None, life):
            return False
        head = events.head(session)
        with self._changed:
            for stream in self._streams:
                stream.end(Reason.RESTORED)
            self._at = head
        log.warning("the database was restored, or a standby took over", action="new_life")
        return True

    def _end_revoked(self) -> None:
        with self._changed:
            secrets = {stream.wanted.secret for stream in self._streams}
        with self._db.snapshot() as session:
            gone = {secret for secret in secrets if not self._works(session, secret)}
        with self._changed:
            for stream in self._streams:
                if stream.wanted.secret in gone:
                    stream.end(Reason.TOKEN)

    def _works(self, session: Session, secret: str) -> bool:
        try:
            tokens.authenticate(session, secret, self._clock.now())
        except DureError:
            return False
        return True


def _chunk(row: LeaseEvent) -> Chunk:
    event = events.event_to_wire(row)
    return Chunk(
        position=events.at(row),
        company=event.company,
        pool=event.pool,
        data=format_sse_event(data_str=event.model_dump_json(), event=event.type, id=event.id),
    )
