"""The policy's versions."""

# SQLModel declares `__tablename__` in a way that no plain string satisfies.
# pyright: reportIncompatibleVariableOverride=false

from typing import Any

from sqlalchemy import BigInteger, Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from scheduler.store.tables.columns import at_column, text_column


class PolicyVersion(SQLModel, table=True):
    """Append-only, also for the database's owner: the whole policy as it was from then on, and what that changed.

    A trigger refuses a number that is not the next one. `value` is as in `dure.wire.Policy`, without who and when.
    """

    __tablename__: str = "policy_version"

    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: int = Field(sa_column=at_column())
    actor: str = Field(sa_column=text_column())
    reason: str | None = Field(default=None, sa_column=text_column(null=True))
    value: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    changes: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
