"""What metrics tell of all leases that there ever were, added up as it happens: triggers write it with what it is about."""

# SQLModel declares `__tablename__` in a way that no plain string satisfies.
# pyright: reportIncompatibleVariableOverride=false

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity
from sqlmodel import Field, SQLModel

from scheduler.store.tables.columns import big_column, key_column, text_column


class LeasesOver(SQLModel, table=True):
    """All rows of a pool and a state together say how many of its leases are over in that way."""

    __tablename__: str = "leases_over"
    __table_args__ = (CheckConstraint("state IN ('refused', 'ended', 'cancelled', 'expired')", name="state"),)

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    pool: str = Field(sa_column=text_column())
    state: str = Field(sa_column=text_column())
    leases: int = Field(sa_column=big_column())


class UseTotal(SQLModel, table=True):
    """GPU-seconds of a kind, or joules, that a company ever had of a pool."""

    __tablename__: str = "use_total"
    __table_args__ = (CheckConstraint("kind IN ('leased', 'busy', 'idle', 'lost', 'joules')", name="kind"),)

    company: str = Field(sa_column=key_column())
    pool: str = Field(sa_column=key_column())
    kind: str = Field(sa_column=key_column())
    counted: int = Field(sa_column=big_column())
    """The sum of the `LeaseDay`s that there are."""
    told: int | None = Field(default=None, sa_column=big_column(null=True))
    """That and what is not counted yet, at its highest so far, which metrics tell; null until it is told."""
