"""Offers that companies were made."""

from typing import Any

from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from scheduler.store.tables.columns import Epoch, key_column, ref_column


class Offer(SQLModel, table=True):
    """`search` is the `wire.OfferSearch` that it answered, `offer` the `wire.Offer` as it was made."""

    id: str = Field(sa_column=key_column())
    company: str = Field(sa_column=ref_column("company.name"))
    search: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    offer: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    expires_at: int = Field(sa_column=Column(Epoch, nullable=False, index=True))
    lease: str | None = Field(default=None, sa_column=ref_column("lease.id", null=True))
