"""Many rows of many tables in one statement, whatever their number: the database takes them apart from JSON values."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

import orjson
from sqlalchemy import TextClause, text
from sqlmodel import Session, SQLModel

from scheduler.store.tables.columns import Epoch, ExactEpoch

Row = dict[str, Any]
Rows = tuple[type[SQLModel], Sequence[Row]]


def insert(session: Session, *tables: Rows) -> None:
    """Inserts rows in one statement; those of a table all have the same columns; instants are Unix seconds, as everywhere.

    References between them are checked when all are there.
    """
    wanted = [(table, rows) for table, rows in tables if rows]
    if not wanted:
        return
    statement = _insert(tuple((_name(table), tuple(rows[0])) for table, rows in wanted))
    values = {f"rows{k}": dumped(table, rows) for k, (table, rows) in enumerate(wanted)}
    session.connection().execute(statement, values)


def update(session: Session, table: type[SQLModel], key: str, rows: Sequence[Row]) -> None:
    """Sets the other columns of the rows that have these values of `key`."""
    if rows:
        columns = tuple(name for name in rows[0] if name != key)
        session.connection().execute(_update(_name(table), key, columns), {"rows": dumped(table, rows)})


def dumped(table: type[SQLModel], rows: Sequence[Row]) -> str:
    """The rows as the JSON that PostgreSQL populates records of the table from."""
    instants = _instants(_name(table))
    names = [name for name in rows[0] if name in instants]
    if not names:
        return orjson.dumps(rows).decode()
    return orjson.dumps([{**row, **{name: _time(row[name]) for name in names}} for row in rows]).decode()


@lru_cache(maxsize=4096)
def _time(instant: float | None) -> str | None:
    return None if instant is None else datetime.fromtimestamp(instant, UTC).isoformat()


@cache
def _instants(name: str) -> frozenset[str]:
    columns = SQLModel.metadata.tables[name].columns
    return frozenset(column.name for column in columns if isinstance(column.type, (Epoch, ExactEpoch)))


@cache
def _insert(tables: tuple[tuple[str, tuple[str, ...]], ...]) -> TextClause:
    parts = [_into(name, columns, f"rows{k}") for k, (name, columns) in enumerate(tables)]
    if len(parts) == 1:
        return text(parts[0])
    named = ", ".join(f"w{k} AS ({part})" for k, part in enumerate(parts[:-1]))
    return text(f"WITH {named} {parts[-1]}")


def _into(table: str, columns: tuple[str, ...], rows: str) -> str:
    name, listed = _quoted(table), ", ".join(_quoted(column) for column in columns)
    source = f"jsonb_populate_recordset(NULL::{name}, CAST(:{rows} AS jsonb))"
    return f"INSERT INTO {name} ({listed}) SELECT {listed} FROM {source}"


@cache
def _update(table: str, key: str, columns: tuple[str, ...]) -> TextClause:
    name = _quoted(table)
    sets = ", ".join(f"{_quoted(column)} = n.{_quoted(column)}" for column in columns)
    return text(
        f"UPDATE {name} t SET {sets} FROM jsonb_populate_recordset(NULL::{name}, CAST(:rows AS jsonb)) n"
        f" WHERE t.{_quoted(key)} = n.{_quoted(key)}"
    )


def _name(table: type[SQLModel]) -> str:
    return str(table.__tablename__)


def _quoted(name: str) -> str:
    return f'"{name}"'
