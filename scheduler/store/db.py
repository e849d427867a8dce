"""The connection to PostgreSQL: transactions, snapshots, and what its absence looks like to everybody else.

Every connection takes the role `dure_app`, which may not change what is append-only. The role is made by the migrations.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, perf_counter
from typing import Any

from psycopg import Connection as PgConnection
from psycopg import errors as pg
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import URL, Dialect, Engine, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session

from dure.errors import Unavailable
from scheduler.store import lives, schema
from scheduler.store.address import Address
from scheduler.store.schema import NoSchema

__all__ = ["APP_ROLE", "EDGE_CHANNEL", "Database", "Session", "engine_url", "on_commit"]

APP_ROLE = "dure_app"
"""The role of the processes, as opposed to that of the migrations."""

EDGE_CHANNEL = "dure_edge"
"""NOTIFY channel: something changed that the loop may want to act on at once."""

AWAY = "the database cannot be reached or is busy; try again shortly"
FULL = (
    "the database has no room left on its disk, so nothing can be written; make room, and what is tried again is taken"
)

SCHEMA_HEAD = "20261130_listened"
"""The newest migration that this code knows; `check` asks the database whether it fits."""

IDLE_IN_TRANSACTION_S = 8
"""A process that was stopped in the middle of a transaction holds a pool's lock no longer than this."""

LOOK_S = 1.0
"""So often a file is looked at for whether it names another database."""

KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A peer that the network lost is noticed in about ten seconds; the last of it is for a statement that was under way, which is sent
again for a quarter of an hour else, while no keepalive is.
"""

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


def on_commit(session: Session, call: Callable[[], None]) -> None:
    """Calls it once the session's transaction is committed, and not at all if it is not."""
    event.listen(session, "after_commit", lambda _: call(), once=True)


class Database:
    """A pool of connections as `dure_app`."""

    def __init__(
        self,
        address: str | Address,
        *,
        pool_size: int = 10,
        lock_timeout_s: int = 10,
        idle_s: int = IDLE_IN_TRANSACTION_S,
    ) -> None:
        """Connects to nothing yet."""
        self._address = Address(address) if isinstance(address, str) else address
        self._where, self._where_until = None, 0.0
        self._engine = create_engine(
            "postgresql+psycopg://",
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
        event.listen(self._engine, "do_connect", self._addressed)
        if not isinstance(self._address.said, str):
            event.listen(self._engine, "checkout", self._of_another)
        self.timed: Callable[[float], None] = lambda _: None
        """Told of every transaction how many seconds it took."""
        lives.note(self._engine)
        self._long = set[PgConnection[Any]]()
        self._looks = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @property
    def where(self) -> str | None:
        """Which database the address names, looked at once a second; None where that cannot change. Raises Unavailable."""
        now = monotonic()
        if now >= self._where_until:
            self._where, self._where_until = self._address.where(), now + LOOK_S
        return self._where

    @property
    def url(self) -> str:
        """As libpq takes it; as it is now. Raises Unavailable."""
        return engine_url(self._address.url()).set(drivername="postgresql").render_as_string(hide_password=False)

    def _addressed(self, dialect: Dialect, _: object, __: object, parameters: dict[str, Any]) -> None:
        """Every new connection is made with what the address says then; what it says of our own settings comes before ours."""
        given = dialect.create_connect_args(engine_url(self._address.url()))[1]
        options = f"{given.get('options', '')} {parameters['options']}".strip()
        parameters |= {**given, **parameters, "options": options}

    def _of_another(self, _: object, record: ConnectionPoolEntry, __: object) -> None:
        """A connection to what the address named before is not used any more. Raises DisconnectionError, on which another is made."""
        where = self.where
        if record.info.setdefault("where", where) != where:
            raise DisconnectionError("the address names another database now")

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """One READ COMMITTED transaction; commits at the end, rolls back on any exception.

        Raises Unavailable when the database cannot be reached or does not answer in time.
        """
        with self._transaction(self._engine) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A read-only look at one instant. Raises Unavailable like `begin`."""
        with self._transaction(self._snapshots) as session:
            yield session

    @contextmanager
    def long_snapshot(self, longest_s: int | None) -> Iterator[Session]:
        """A snapshot in which a statement may take so many seconds, None for ever; `close` ends it.

        While there is one nothing that was changed since it began is tidied up in any table: not for what can be read in
        pieces. Raises Unavailable like `begin`, and when it was ended.
        """
        with self.snapshot() as session:
            connection = session.connection()
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{longest_s or 0}s'")
            driver = connection.connection.driver_connection
            assert isinstance(driver, PgConnection)
            self._long.add(driver)
            try:
                yield session
            except DBAPIError:
                connection.invalidate()  # where it was ended as all are closed, nobody would close it later
                raise
            finally:
                self._long.discard(driver)

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Session]:
        began = perf_counter()
        try:
            with _away_is_unavailable(), Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        finally:
            self.timed(perf_counter() - began)

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
        """Raises Unavailable, saying what to do, unless the database answers and its schema has all that this code uses.

        It may be newer than the code, as it is while an upgrade is rolled out, or back.
        """
        misfit = self.schema_misfit()
        if misfit is not None:
            raise Unavailable(misfit)

    def schema_misfit(self) -> str | None:
        """What to do about a schema that has not all that this code uses; None where it has. Raises Unavailable like `begin`."""
        try:
            with self.snapshot() as session:
                return schema.standing(session.connection(), SCHEMA_HEAD).refusal
        except NoSchema as error:
            return error.detail

    def close(self) -> None:
        """Ends what takes long, too: a process that is to stop does not wait for it."""
        for driver in tuple(self._long):
            driver.cancel_safe(timeout=_CONNECT_TIMEOUT_S)
        self._engine.dispose()


def entangled(error: Unavailable) -> bool:
    """Whether transactions waited for each other, or wrote what the other read: this one may be had alone."""
    return isinstance(getattr(error.__cause__, "orig", None), (pg.DeadlockDetected, pg.SerializationFailure))


def ran_out(error: Unavailable) -> bool:
    """Whether a statement took longer than it may."""
    return isinstance(getattr(error.__cause__, "orig", None), pg.QueryCanceled)


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
        if isinstance(error.orig, pg.UndefinedTable) or f'role "{APP_ROLE}" does not exist' in str(error.orig):
            raise NoSchema from error
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
