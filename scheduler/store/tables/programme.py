"""What is true of the whole programme."""

# SQLModel declares `__tablename__` in a way that no plain string satisfies.
# pyright: reportIncompatibleVariableOverride=false

from sqlalchemy import CheckConstraint, Column, Integer
from sqlmodel import Field, SQLModel

from scheduler.store.tables.columns import text_column


class Programme(SQLModel, table=True):
    """One row. Its days, and what is counted by them, are those of `zone`, an IANA name."""

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    zone: str = Field(sa_column=text_column())
