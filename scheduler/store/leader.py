"""Who leads: an advisory lock on a connection of its own, and an epoch that fences a leader which was stopped.

The connection dies with its process (the kernel closes it), with the network (keepalives) and with a stopped process
(`idle_session_timeout`, as it does not ping); then the lock is free and the next scheduler raises the epoch.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import structlog
from psycopg.conninfo import make_conninfo
from sqlmodel import Session, col, select

from dure.errors import Unavailable
from scheduler.store import lives
from scheduler.store.db import EDGE_CHANNEL, KEEPALIVES
from scheduler.store.tables import Leader

log = structlog.get_logger()

_LOCK = 0x64757265  # "dure"
_OPTIONS = "-c idle_session_timeout=10s -c timezone=UTC -c role=dure_app -c lock_timeout=5s"
_TAKE_OVER = "UPDATE leader SET epoch = epoch + 1, took_over_at = clock_timestamp() WHERE id = 1 RETURNING epoch"


class Deposed(Exception):
    """Another scheduler leads now; nothing of this transaction was written."""


class Lead:
    """The connection that holds, or waits for, the lead. One thread uses it."""

    def __init__(self, url: str, where: str | None = None) -> None:
        """`where` is the database that the address named then. Raises Unavailable."""
        self.where = where
        conninfo = make_conninfo(
            url,
            connect_timeout=3,
            application_name="dure-scheduler",
            options=_OPTIONS,
            **KEEPALIVES,
        )
        with _gone_is_unavailable():
            self._connection = psycopg.connect(conninfo, autocommit=True)
        self.epoch: int | None = None

    def try_take(self) -> bool:
        """Takes the lead if nobody has it, in a new life of the server where it is one. Raises Unavailable when the connection is gone."""
        with _gone_is_unavailable():
            found = self._connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
            if not found or not found[0]:
                return False
            if lives.begin_by(self._connection):
                log.warning("the database was restored, or a standby took over", action="new_life")
            taken = self._connection.execute(_TAKE_OVER).fetchone()
            assert taken is not None
            self._connection.execute(f"LISTEN {EDGE_CHANNEL}")
            self.epoch = int(taken[0])
            return True

    def wait(self, seconds: float) -> None:
        """Sleeps until told of an edge, at most `seconds`. Raises Unavailable when the connection is gone."""
        with _gone_is_unavailable():
            for _ in self._connection.notifies(timeout=max(0.0, seconds), stop_after=1):
                return

    def ping(self) -> None:
        """Keeps the connection, and so the lead. Raises Unavailable when it is gone."""
        with _gone_is_unavailable():
            self._connection.execute("SELECT 1")

    def close(self) -> None:
        self._connection.close()


@contextmanager
def _gone_is_unavailable() -> Iterator[None]:
    try:
        yield
    except psycopg.OperationalError as error:
        raise Unavailable(f"the leader's connection is gone: {str(error).strip()}") from error


def fence(session: Session, epoch: int) -> None:
    """Begins every transaction of a leader: it holds off the next leader until it commits. Raises Deposed."""
    newest = session.exec(select(Leader.epoch).where(col(Leader.id) == 1).with_for_update(read=True)).one()
    if newest != epoch:
        raise Deposed(f"epoch {newest} leads, this is epoch {epoch}")
