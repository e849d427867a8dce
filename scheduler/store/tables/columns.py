"""Column types and shorthands of the tables. Instants are whole Unix seconds in Python and `timestamptz` in the database."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    Text,
    TypeDecorator,
)
from sqlmodel import SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING


class Epoch(TypeDecorator[int]):
    """Whole Unix seconds here, `timestamptz` there."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Any) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value, UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> int | None:
        return None if value is None else int(value.timestamp())


class ExactEpoch(TypeDecorator[float]):
    """Unix seconds with their fraction here, `timestamptz` there: for lateness and silence, never for promises."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Any) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value, UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> float | None:
        return None if value is None else value.timestamp()


def key_column() -> Any:
    return Column(Text, primary_key=True)


def text_column(*, null: bool = False) -> Any:
    return Column(Text, nullable=null)


def ref_column(target: str, *, null: bool = False, key: bool = False) -> Any:
    return Column(Text, ForeignKey(target), nullable=null, primary_key=key)


def int_column(*, null: bool = False) -> Any:
    return Column(Integer, nullable=null)


def big_column(*, null: bool = False) -> Any:
    return Column(BigInteger, nullable=null)


def at_column(*, null: bool = False) -> Any:
    return Column(Epoch, nullable=null)
