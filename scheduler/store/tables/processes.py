"""What the processes tell each other: who leads, and since when reports are received."""

# SQLModel declares `__tablename__` in a way that no plain string satisfies.
# pyright: reportIncompatibleVariableOverride=false

from sqlalchemy import CheckConstraint, Column, Integer
from sqlmodel import Field, SQLModel

from scheduler.store.tables.columns import ExactEpoch, at_column, big_column


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
