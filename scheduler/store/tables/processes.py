"""What the processes tell each other: who is there, who leads, since when reports are received, and how the ledger was found."""

# SQLModel declares `__tablename__` in a way that no plain string satisfies.
# pyright: reportIncompatibleVariableOverride=false

from sqlalchemy import Boolean, CheckConstraint, Column, Double, Integer
from sqlmodel import Field, SQLModel

from scheduler.store.tables.columns import ExactEpoch, at_column, big_column, int_column, key_column, text_column


class Leader(SQLModel, table=True):
    """One row. Each leader raises `epoch`; a commit of a leader whose epoch is not the newest is refused."""

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    epoch: int = Field(sa_column=big_column())
    took_over_at: int | None = Field(default=None, sa_column=at_column(null=True))


class Receiving(SQLModel, table=True):
    """One row: since when API replicas have been there to take reports, and when one last said so."""

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    since: float = Field(sa_column=Column(ExactEpoch, nullable=False))
    alive_at: float = Field(sa_column=Column(ExactEpoch, nullable=False))


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
