"""Whom a company is told by webhook, and what became of each event that was to be told."""

# SQLModel declares `__tablename__` in a way that no plain string satisfies.
# pyright: reportIncompatibleVariableOverride=false

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, text
from sqlmodel import Field, SQLModel

from scheduler.store.tables.columns import (
    ExactEpoch,
    at_column,
    big_column,
    int_column,
    key_column,
    ref_column,
    text_column,
)


class Webhook(SQLModel, table=True):
    """An address of a company's. The secrets sign what is sent, so they are kept as they are.

    `failures` counts the deliveries that failed since one was taken, `failing_since` says when the first of them did,
    and before `retry_at` nothing is sent.
    """

    __table_args__ = (
        CheckConstraint("(disabled_at IS NULL) = (disabled_reason IS NULL)", name="disabled"),
        CheckConstraint("(removed_at IS NULL) = (secret IS NOT NULL)", name="secret"),
        CheckConstraint("(failures > 0) = (failing_since IS NOT NULL)", name="failing"),
        Index("ix_webhook_company_id", "company", "id"),
    )

    id: str = Field(sa_column=key_column())
    company: str = Field(sa_column=ref_column("company.name"))
    url: str = Field(sa_column=text_column())
    label: str | None = Field(default=None, sa_column=text_column(null=True))
    secret: str | None = Field(sa_column=text_column(null=True))
    old_secret: str | None = Field(default=None, sa_column=text_column(null=True))
    old_secret_until: int | None = Field(default=None, sa_column=at_column(null=True))
    created_at: int = Field(sa_column=at_column())
    failures: int = Field(default=0, sa_column=int_column())
    failing_since: int | None = Field(default=None, sa_column=at_column(null=True))
    retry_at: float | None = Field(default=None, sa_column=Column(ExactEpoch, nullable=True))
    disabled_at: int | None = Field(default=None, sa_column=at_column(null=True))
    disabled_reason: str | None = Field(default=None, sa_column=text_column(null=True))
    removed_at: int | None = Field(default=None, sa_column=at_column(null=True))


class WebhookDelivery(SQLModel, table=True):
    """One event that a webhook is to be told. Sent when `next_at` has come, which is null once it is settled."""

    __tablename__: str = "webhook_delivery"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state"),
        CheckConstraint("(state = 'pending') = (next_at IS NOT NULL)", name="pending"),
        CheckConstraint("state <> 'delivered' OR coalesce(last_status, 0) BETWEEN 200 AND 299", name="delivered"),
        Index("ix_webhook_delivery_due", "webhook", "next_at", "event", postgresql_where=text("state = 'pending'")),
        Index("ix_webhook_delivery_last_at", "last_at", postgresql_where=text("state <> 'pending'")),
    )

    webhook: str = Field(sa_column=ref_column("webhook.id", key=True))
    event: int = Field(
        sa_column=Column(BigInteger, ForeignKey("lease_event.seq"), primary_key=True, autoincrement=False)
    )
    state: str = Field(sa_column=text_column())
    attempts: int = Field(default=0, sa_column=int_column())
    next_at: float | None = Field(default=None, sa_column=Column(ExactEpoch, nullable=True))
    last_at: int | None = Field(default=None, sa_column=at_column(null=True))
    last_status: int | None = Field(default=None, sa_column=int_column(null=True))
    last_error: str | None = Field(default=None, sa_column=text_column(null=True))


class WebhookCursor(SQLModel, table=True):
    """One row: up to which event, in their order, webhooks have been given their deliveries."""

    __tablename__: str = "webhook_cursor"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    xid: int = Field(sa_column=big_column())
    seq: int = Field(sa_column=big_column())
