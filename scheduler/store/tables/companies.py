"""Companies, what they may hold, and who speaks for them."""

# SQLModel declares `__tablename__` in a way that no plain string satisfies.
# pyright: reportIncompatibleVariableOverride=false

from typing import Any

from sqlalchemy import Boolean, CheckConstraint, Column, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from scheduler.store.tables.columns import Epoch, at_column, int_column, key_column, ref_column, text_column


class Company(SQLModel, table=True):
    __table_args__ = (CheckConstraint("pod_security IN ('baseline', 'restricted')", name="pod_security"),)

    name: str = Field(sa_column=key_column())
    title: str | None = Field(default=None, sa_column=text_column(null=True))
    created_at: int = Field(sa_column=at_column())
    closed_at: int | None = Field(default=None, sa_column=at_column(null=True))
    """From then on it asks for nothing; its namespace goes a grace later."""
    pod_security: str = Field(default="baseline", sa_column=Column(Text, nullable=False, server_default="baseline"))
    """The Pod Security level that its namespaces enforce."""


class Quota(SQLModel, table=True):
    """What a company may hold in a pool: `gpus` at once, and the rest of `dure.wire.QuotaSet` as it was said.

    `of_default` where it is the pool's default, which follows it. Periods of its budget that were over at `since` are
    not looked at any more.
    """

    __table_args__ = (CheckConstraint("gpus >= 0", name="gpus"),)

    company: str = Field(sa_column=ref_column("company.name", key=True))
    pool: str = Field(sa_column=ref_column("pool.name", key=True))
    gpus: int = Field(sa_column=int_column())
    limits: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    of_default: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    since: int = Field(default=0, sa_column=at_column())


class DefaultQuota(SQLModel, table=True):
    """What every company without a quota of its own may hold in a pool."""

    __tablename__: str = "default_quota"
    __table_args__ = (CheckConstraint("gpus >= 0", name="gpus"),)

    pool: str = Field(sa_column=ref_column("pool.name", key=True))
    gpus: int = Field(sa_column=int_column())
    limits: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))


class Token(SQLModel, table=True):
    __table_args__ = (
        CheckConstraint("role IN ('admin', 'operator', 'auditor', 'company', 'node', 'join')", name="role"),
        CheckConstraint("(role = 'company') = (company IS NOT NULL)", name="company"),
        CheckConstraint("(role IN ('node', 'join')) = (node IS NOT NULL)", name="node"),
        Index("ix_token_node", "node", postgresql_where=text("node IS NOT NULL")),
    )

    id: str = Field(sa_column=key_column())
    secret_sha256: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    role: str = Field(sa_column=text_column())
    company: str | None = Field(default=None, sa_column=ref_column("company.name", null=True))
    node: str | None = Field(default=None, sa_column=ref_column("node.name", null=True))
    label: str | None = Field(default=None, sa_column=text_column(null=True))
    created_at: int = Field(sa_column=at_column())
    expires_at: int | None = Field(default=None, sa_column=at_column(null=True))
    revoked_at: int | None = Field(default=None, sa_column=at_column(null=True))
    made_with: str | None = Field(default=None, sa_column=text_column(null=True))
    """Of a node's own credential, the token that it was made with: a join token, or the credential before it."""
    used_at: int | None = Field(default=None, sa_column=at_column(null=True))
    """When a join token was spent, and when a node's own credential was first used."""
    replaced_at: int | None = Field(default=None, sa_column=at_column(null=True))
    """When the credential that was made with this one was first used."""
    reused_at: int | None = Field(default=None, sa_column=at_column(null=True))
    """When it was first used again though it was spent or replaced."""


class IdempotentAnswer(SQLModel, table=True):
    """The answer given under an Idempotency-Key, kept for a day."""

    __tablename__: str = "idempotent_answer"

    principal: str = Field(sa_column=key_column())
    key: str = Field(sa_column=key_column())
    fingerprint: str = Field(sa_column=text_column())
    created_at: int = Field(sa_column=Column(Epoch, nullable=False, index=True))
    status: int | None = Field(default=None, sa_column=int_column(null=True))
    body: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
