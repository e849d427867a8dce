"""What is written down and, but for the accounts, never changed: decisions, ledger, events, audit."""

# SQLModel declares `__tablename__` in a way that no plain string satisfies.
# pyright: reportIncompatibleVariableOverride=false

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from scheduler.store.tables.columns import (
    at_column,
    big_column,
    key_column,
    ref_column,
    text_column,
)


def _balance_checks() -> tuple[CheckConstraint, ...]:
    return (
        CheckConstraint(
            "available >= 0 AND committed >= 0 AND spent >= 0 AND expired >= 0 AND granted >= 0", name="balance"
        ),
        CheckConstraint("granted = available + committed + spent + expired", name="balanced"),
    )


TRANSACTION = "pg_current_xact_id()::text::bigint"
"""The number of the transaction that writes the row."""


class Decision(SQLModel, table=True):
    """Append-only, in parts of a month: every decision about an ask, granted or not, and every plan that changed something.

    What was decided together has one row with its `inputs` and `result`, as `core.record` writes them; the others say
    which they are `part_of`. A plan is of no lease and no company. That a decision exists which is named, here or by a
    lease, a trigger sees to when it is: the decision may go earlier than who names it.
    """

    __table_args__ = (
        CheckConstraint("inputs IS NULL OR part_of IS NULL", name="part"),
        CheckConstraint(
            "(inputs IS NULL) = (inputs_digest IS NULL) AND (inputs IS NULL) = (result IS NULL)", name="kept"
        ),
        CheckConstraint(
            "(lease IS NULL) = (company IS NULL) AND (lease IS NULL) = (outcome IS NULL)", name="of_a_lease"
        ),
        Index("ix_decision_pool_generation", "pool", "generation", postgresql_where=text("inputs IS NOT NULL")),
    )

    id: str = Field(sa_column=key_column())
    at: int = Field(sa_column=at_column())
    kind: str = Field(sa_column=text_column())
    part_of: str | None = Field(default=None, sa_column=text_column(null=True))
    lease: str | None = Field(default=None, sa_column=Column(Text, nullable=True, index=True))
    company: str | None = Field(default=None, sa_column=text_column(null=True))
    pool: str = Field(sa_column=text_column())
    generation: int = Field(sa_column=big_column())
    policy_version: str = Field(sa_column=text_column())
    """Of the rules; of the programme's policy it is `policy_number`."""
    policy_number: int | None = Field(default=None, sa_column=big_column(null=True))
    outcome: str | None = Field(default=None, sa_column=text_column(null=True))
    code: str = Field(sa_column=text_column())
    detail: str = Field(sa_column=text_column())
    numbers: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    elsewhere: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    """Where else a refused ask would fit."""
    request_id: str | None = Field(default=None, sa_column=text_column(null=True))
    inputs: str | None = Field(default=None, sa_column=text_column(null=True))
    inputs_digest: str | None = Field(default=None, sa_column=text_column(null=True))
    result: str | None = Field(default=None, sa_column=text_column(null=True))


class Account(SQLModel, table=True):
    """A company's GPU-seconds in a pool: those of one period's budget or, where `period` is null, without a budget.

    `granted` is what came out of the programme's source, and what the others add up to. `seq` is the number of its
    newest entry. An account with a period takes what it commits from `available`, one without straight from the source;
    it is granted its `target`, and more only as far as promises that were given need it. A `void` one was of a budget that
    was changed before the period began.
    """

    __table_args__ = (
        UniqueConstraint("company", "pool", "period", name="uq_account_owner", postgresql_nulls_not_distinct=True),
        CheckConstraint("(period IS NULL) = (period_ends IS NULL) AND period < period_ends", name="period"),
        CheckConstraint("(period IS NULL) = (target IS NULL) AND target >= 0", name="target"),
        Index(
            "ix_account_free",
            "pool",
            "period_ends",
            postgresql_where=text("period IS NOT NULL AND available > 0"),
        ),
        Index("ix_account_ends", "pool", "period_ends", postgresql_where=text("period IS NOT NULL")),
        Index("ix_account_committed", "company", "pool", postgresql_where=text("committed > 0")),
        *_balance_checks(),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    company: str = Field(sa_column=ref_column("company.name"))
    pool: str = Field(sa_column=ref_column("pool.name"))
    period: int | None = Field(default=None, sa_column=at_column(null=True))
    """When the period of its budget begins."""
    period_ends: int | None = Field(default=None, sa_column=at_column(null=True))
    target: int | None = Field(default=None, sa_column=big_column(null=True))
    void: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    seq: int = Field(default=0, sa_column=big_column())
    granted: int = Field(default=0, sa_column=big_column())
    available: int = Field(default=0, sa_column=big_column())
    committed: int = Field(default=0, sa_column=big_column())
    spent: int = Field(default=0, sa_column=big_column())
    expired: int = Field(default=0, sa_column=big_column())


class LedgerEntry(SQLModel, table=True):
    """Append-only, also for the database's owner: `gpu_seconds` taken from `debit` and given to `credit`.

    `seq` numbers the account's entries without a gap, and the balances are those of the entry before with this one's
    amount moved; a trigger refuses anything else.
    """

    __tablename__: str = "ledger_entry"
    __table_args__ = (
        CheckConstraint(
            "(kind, debit, credit) IN ("
            "('grant', 'source', 'available'), ('grant', 'available', 'source'), "
            "('commit', 'available', 'committed'), ('commit', 'source', 'committed'), "
            "('settle', 'committed', 'spent'), "
            "('refund', 'committed', 'available'), ('refund', 'committed', 'source'), "
            "('adjust', 'source', 'available'), ('adjust', 'available', 'source'), "
            "('expire', 'available', 'expired'))",
            name="transfer",
        ),
        CheckConstraint("gpu_seconds > 0", name="amount"),
        CheckConstraint("(lease IS NOT NULL) = (kind IN ('commit', 'settle', 'refund'))", name="lease"),
        CheckConstraint("kind <> 'adjust' OR (actor IS NOT NULL AND reason IS NOT NULL)", name="adjusted"),
        *_balance_checks(),
        Index("ix_ledger_entry_lease", "lease"),
    )

    account: int = Field(sa_column=Column(BigInteger, ForeignKey("account.id"), primary_key=True))
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: int = Field(sa_column=at_column())
    kind: str = Field(sa_column=text_column())
    debit: str = Field(sa_column=text_column())
    credit: str = Field(sa_column=text_column())
    gpu_seconds: int = Field(sa_column=big_column())
    lease: str | None = Field(default=None, sa_column=ref_column("lease.id", null=True))
    cause: str = Field(sa_column=text_column())
    actor: str | None = Field(default=None, sa_column=text_column(null=True))
    """Who did it, if somebody did it to the account itself; who did what to a lease is in the audit log."""
    reason: str | None = Field(default=None, sa_column=text_column(null=True))
    granted: int = Field(sa_column=big_column())
    available: int = Field(sa_column=big_column())
    committed: int = Field(sa_column=big_column())
    spent: int = Field(sa_column=big_column())
    expired: int = Field(sa_column=big_column())


class LeaseEvent(SQLModel, table=True):
    """Append-only, and the outbox: what happened to a lease, or, without a lease, to how its company is told.

    Readers take events in the order of (`xid`, `seq`), `scheduler.store.events` says why. The instants are those of the
    lease after this event.
    """

    __tablename__: str = "lease_event"
    __table_args__ = (
        CheckConstraint("(lease IS NULL) = (state IS NULL) AND (lease IS NULL) = (pool IS NULL)", name="lease"),
        Index("ix_lease_event_lease_seq", "lease", "seq"),
        Index("ix_lease_event_order", "xid", "seq"),
        Index("ix_lease_event_company_order", "company", "xid", "seq"),
        Index("ix_lease_event_at", "at"),
    )

    seq: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    xid: int | None = Field(
        default=None, sa_column=Column(BigInteger, nullable=False, server_default=text(TRANSACTION))
    )
    company: str = Field(sa_column=text_column())
    pool: str | None = Field(default=None, sa_column=text_column(null=True))
    lease: str | None = Field(default=None, sa_column=ref_column("lease.id", null=True))
    at: int = Field(sa_column=at_column())
    event: str = Field(sa_column=text_column())
    state: str | None = Field(default=None, sa_column=text_column(null=True))
    cause: str | None = Field(default=None, sa_column=text_column(null=True))
    promised_start: int | None = Field(default=None, sa_column=at_column(null=True))
    starts_at: int | None = Field(default=None, sa_column=at_column(null=True))
    stops_at: int | None = Field(default=None, sa_column=at_column(null=True))
    detail: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class Audit(SQLModel, table=True):
    """Append-only: who did what, when and why, and what it was before and after."""

    __table_args__ = (Index("ix_audit_subject", "subject", "seq"),)

    seq: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    at: int = Field(sa_column=at_column())
    actor: str = Field(sa_column=text_column())
    action: str = Field(sa_column=text_column())
    subject: str = Field(sa_column=text_column())
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB, nullable=True))
    after: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB, nullable=True))
    request_id: str | None = Field(default=None, sa_column=text_column(null=True))
    reason: str | None = Field(default=None, sa_column=text_column(null=True))


class PoolChange(SQLModel, table=True):
    """Append-only, in parts of a month: what changed in a pool's book at which generation, as `scheduler.core.codec` writes it."""

    __tablename__: str = "pool_change"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('lease', 'node', 'drain', 'quota', 'policy', 'mix', 'share', 'group', 'uses')", name="kind"
        ),
        Index("ix_pool_change_pool_generation", "pool", "generation"),
        Index("ix_pool_change_mix", "pool", "generation", postgresql_where=text("kind = 'mix'")),
        Index("ix_pool_change_uses", "pool", "generation", postgresql_where=text("kind = 'uses'")),
        Index("ix_pool_change_share", "pool", "subject", postgresql_where=text("kind = 'share'")),
    )

    seq: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    pool: str = Field(sa_column=text_column())
    generation: int = Field(sa_column=big_column())
    at: int = Field(sa_column=at_column())
    kind: str = Field(sa_column=text_column())
    subject: str = Field(sa_column=text_column())
    value: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class PromiseCount(SQLModel, table=True):
    """How often something became of a pool's promises, as `scheduler.core.promises` counts them; by cause where it has one, else that is empty."""

    __tablename__: str = "promise_count"

    pool: str = Field(sa_column=Column(Text, ForeignKey("pool.name"), primary_key=True))
    kind: str = Field(sa_column=key_column())
    cause: str = Field(sa_column=key_column())
    count: int = Field(sa_column=Column(BigInteger, nullable=False))


class PoolBook(SQLModel, table=True):
    """Append-only: what a pool's book had at a generation, so that its log is read from there.

    `items` have each a `kind`, a `subject` and a `value` as in the log.
    """

    __tablename__: str = "pool_book"

    pool: str = Field(sa_column=key_column())
    generation: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: int = Field(sa_column=at_column())
    items: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
