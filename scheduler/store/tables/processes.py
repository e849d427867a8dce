"""What the processes tell each other: who is there, who leads, since when reports are received, how the ledger was found, and what the
database is.
"""

# SQLModel declares `__tablename__` in a way that no plain string satisfies.
# pyright: reportIncompatibleVariableOverride=false

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Double, Identity, Integer, Text, text
from sqlmodel import Field, SQLModel

from scheduler.store.tables.columns import Epoch, ExactEpoch, at_column, big_column, int_column, key_column, text_column


class Leader(SQLModel, table=True):
    """One row. Each leader raises `epoch`; a commit of a leader whose epoch is not the newest is refused."""

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    epoch: int = Field(sa_column=big_column())
    took_over_at: int | None = Field(default=None, sa_column=at_column(null=True))


class Receiving(SQLModel, table=True):
    """One row: since when API replicas have been there to take reports, when one last said so, and for how long they were in all."""

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    since: float = Field(sa_column=Column(ExactEpoch, nullable=False))
    alive_at: float = Field(sa_column=Column(ExactEpoch, nullable=False))
    listened_s: float = Field(default=0, sa_column=Column(Double, nullable=False, server_default=text("0")))


class Process(SQLModel, table=True):
    """An API replica or a scheduler, as it last said of itself; for people alone, who leads is the lock's to say."""

    __table_args__ = (CheckConstraint("kind IN ('api', 'scheduler')", name="kind"),)

    name: str = Field(sa_column=key_column())
    """Its host and its number there."""
    kind: str = Field(sa_column=text_column())
    version: str = Field(sa_column=text_column())
    started_at: float = Field(sa_column=Column(ExactEpoch, nullable=False))
    seen_at: float = Field(sa_column=Column(ExactEpoch, nullable=False))
    leads: bool | None = Field(default=None, sa_column=Column(Boolean, nullable=True))
    """Null for what never leads."""
    turned_at: float | None = Field(default=None, sa_column=Column(ExactEpoch, nullable=True))
    """When the last turn of its loop began."""
    step_s: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    """How far PostgreSQL's clock was from its own when it last read it."""


class LedgerVerified(SQLModel, table=True):
    """One row: when the whole ledger was last added up again, and how much of it did not add up."""

    __tablename__: str = "ledger_verified"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    at: int = Field(sa_column=at_column())
    accounts: int = Field(sa_column=int_column())
    entries: int = Field(sa_column=big_column())
    faults: int = Field(sa_column=int_column())


class SchemaFit(SQLModel, table=True):
    """A migration that was applied, in order, and whether code whose newest it is `fits` still. See `scheduler.store.schema`."""

    __tablename__: str = "schema_fit"

    number: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    revision: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    fits: bool = Field(sa_column=Column(Boolean, nullable=False))
    applied_at: int = Field(sa_column=Column(Epoch, nullable=False, server_default=text("now()")))


class ServerLife(SQLModel, table=True):
    """Append-only: lives of the server that the database was on, the last is the present one. See `scheduler.store.lives`."""

    __tablename__: str = "server_life"

    number: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    life: str = Field(sa_column=text_column())
    began_at: int = Field(sa_column=Column(Epoch, nullable=False, server_default=text("clock_timestamp()")))
