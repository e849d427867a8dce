"""What companies are entitled to of a pool. What they used of it is in the log of its book alone."""

# SQLModel declares `__tablename__` in a way that no plain string satisfies.
# pyright: reportIncompatibleVariableOverride=false

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlmodel import Field, SQLModel

from scheduler.store.tables.columns import int_column, key_column, ref_column, text_column


class ShareGroup(SQLModel, table=True):
    __tablename__: str = "share_group"
    __table_args__ = (CheckConstraint("shares >= 1", name="shares"),)

    pool: str = Field(sa_column=ref_column("pool.name", key=True))
    name: str = Field(sa_column=key_column())
    shares: int = Field(sa_column=int_column())


class Share(SQLModel, table=True):
    """`share_group` is null for a company that stands beside the groups."""

    __table_args__ = (
        CheckConstraint("shares >= 1", name="shares"),
        ForeignKeyConstraint(["pool", "share_group"], ["share_group.pool", "share_group.name"]),
    )

    company: str = Field(sa_column=ref_column("company.name", key=True))
    pool: str = Field(sa_column=ref_column("pool.name", key=True))
    shares: int = Field(sa_column=int_column())
    share_group: str | None = Field(default=None, sa_column=text_column(null=True))
