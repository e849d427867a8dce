"""The connection to PostgreSQL: transactions, snapshots, and what its absence looks like to everybody else.

Every connection takes the role `dure_app`, which may not change what is append-only. The role is made by the migrations.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection as PgConnection
from psycopg import errors as pg
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

from dure.errors import Unavailable

__all__ = ["APP_ROLE", "EDGE_CHANNEL", "Database", "Session", "engine_url"]

APP_ROLE = "dure_app"
"""The role of the processes, as opposed to that of the migrations."""

EDGE_CHANNEL = "dure_edge"
"""NOTIFY channel: something changed that the loop may want to act on at once."""

AWAY = "the database cannot be reached or is busy; try again shortly, with the same Idempotency-Key if you sent one"
FULL = (
    "the database has no room left on its disk, so nothing can be written; make room, and what is tried again is taken"
)
NO_SCHEMA = "the database has no schema yet; run `python -m scheduler migrate`"

SCHEMA_HEAD = "20261130_parts"
"""The migration that this code needs; `check` compares it with the database's."""

IDLE_IN_TRANSACTION_S = 8
"""A process that was stopped in the middle of a transaction holds a pool's lock no longer than this."""

KEEPALIVES = {"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
"""A peer that the network lost is noticed in about ten seconds."""

_CONNECT_TIMEOUT_S = 3
_CLOCK = text("SELECT extract(epoch FROM clock_timestamp())::float8")
_GONE_WHOLE = (
    pg.LockNotAvailable,
    pg.QueryCanceled,
    pg.DeadlockDetected,
    pg.ReadOnlySqlTransaction,
    pg.IdleInTransactionSessionTimeout,
)
"""The transaction is gone whole, and asking again is safe: locks held too long, or a standby that only reads."""
_AWAY = (pg.OperationalError, pg.InterfaceError)


def engine_url(url: str) -> URL:
    """A libpq-style `postgresql://` URL as SQLAlchemy and psycopg want it."""
    return make_url(url).set(drivername="postgresql+psycopg")


class Database:
    """A pool of connections as `dure_app`."""

    def __init__(
        self, url: str, *, pool_size: int = 10, lock_timeout_s: int = 10, idle_s: int = IDLE_IN_TRANSACTION_S
    ) -> None:
        self.url = engine_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._engine = create_engine(
            engine_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            pool_use_lifo=True,
            connect_args={
                "connect_timeout": _CONNECT_TIMEOUT_S,
                "options": f"-c role={APP_ROLE} -c timezone=UTC -c statement_timeout=30s"
                f" -c lock_timeout={lock_timeout_s}s -c idle_in_transaction_session_timeout={idle_s}s",
                **KEEPALIVES,
            },
        )
        self._looks = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """One READ COMMITTED transaction; commits at the end, rolls back on any exception.

        Raises Unavailable when the database cannot be reached or does not answer in time.
        """
        with _away_is_unavailable(), Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A read-only look at one instant. Raises Unavailable like `begin`."""
        with _away_is_unavailable(), Session(self._snapshots, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def look(self) -> Iterator[PgConnection[Any]]:
        """The driver's own connection, for one statement that reads and has to be quick; in no transaction of ours.

        Raises Unavailable like `begin`.
        """
        with _away_is_unavailable(), self._looks.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, PgConnection)
            try:
                yield driver
            except _AWAY as error:
                connection.invalidate(error)
                self._engine.dispose()  # where one connection is gone the others are too
                raise

    def clock(self, monotonic: Callable[[], float]) -> tuple[float, float, float]:
        """PostgreSQL's clock in Unix seconds, between two readings of `monotonic`. Raises Unavailable."""
        with self.snapshot() as session:
            connection = session.connection()
            before = monotonic()
            read = float(connection.execute(_CLOCK).scalar_one())
            return before, read, monotonic()

    def check(self) -> None:
        """Raises Unavailable, saying why, unless the database answers and has the schema this code needs."""
        with self.snapshot() as session:
            if session.connection().execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
                raise Unavailable(NO_SCHEMA)
            found = session.connection().execute(text("SELECT version_num FROM alembic_version")).scalar()
            if found != SCHEMA_HEAD:
                raise Unavailable(f"the database has schema {found}, this code needs {SCHEMA_HEAD}; run the migrations")

    def close(self) -> None:
        self._engine.dispose()


def entangled(error: Unavailable) -> bool:
    """Whether transactions waited for each other, or wrote what the other read: this one may be had alone."""
    return isinstance(getattr(error.__cause__, "orig", None), (pg.DeadlockDetected, pg.SerializationFailure))


@contextmanager
def _away_is_unavailable() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable("all database connections are busy; try again shortly", retry_after_s=1) from error
    except pg.DiskFull as error:
        raise Unavailable(FULL, retry_after_s=10) from error
    except _AWAY as error:
        raise Unavailable(AWAY, retry_after_s=2) from error
    except DBAPIError as error:
        if f'role "{APP_ROLE}" does not exist' in str(error.orig):
            raise Unavailable(NO_SCHEMA) from error
        if isinstance(error.orig, pg.DiskFull):
            raise Unavailable(FULL, retry_after_s=10) from error
        if error.connection_invalidated or _is_away(error):
            raise Unavailable(AWAY, retry_after_s=2) from error
        raise


def _is_away(error: DBAPIError) -> bool:
    cause: Any = error.orig
    if isinstance(cause, _GONE_WHOLE):
        return True
    return isinstance(error, (OperationalError, InterfaceError)) and isinstance(cause, _AWAY)
