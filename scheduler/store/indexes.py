"""Indexes on tables that are in use: built while others write, and built again where a build was broken off.

For migrations. A build reads the table twice and waits for the transactions that began before it; nobody waits for it. It
cannot be part of a transaction, so it commits what its migration did before: a migration that builds indexes does that alone,
and may be run again at any point.
"""

from collections.abc import Sequence

from alembic import op
from sqlalchemy import text

_STANDS = text(
    """
    SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relname = :name AND pg_table_is_visible(c.oid)
    """
)


def build(
    name: str,
    table: str,
    columns: Sequence[str],
    *,
    unique: bool = False,
    using: str = "btree",
    where: str | None = None,
) -> None:
    """Leaves a whole index of that name, which may be there already. `columns` may be expressions in parentheses.

    Raises sqlalchemy's IntegrityError where `unique` does not hold; what is left of the build goes with the next.
    """
    of = f"{table} USING {using} ({', '.join(columns)})" + (f" WHERE {where}" if where else "")
    statement = f"CREATE {'UNIQUE ' if unique else ''}INDEX CONCURRENTLY {name} ON {of}"
    context = op.get_context()
    with context.autocommit_block():
        if not context.as_sql:
            # It waits for old transactions as for a lock, and blocks nobody meanwhile.
            op.execute("SET lock_timeout = 0")
            if _stands(name) is False:
                op.execute(f"DROP INDEX CONCURRENTLY {name}")
        if context.as_sql or _stands(name) is None:
            op.execute(statement)
        if not context.as_sql:
            op.execute("RESET lock_timeout")


def drop(name: str) -> None:
    """Leaves no index of that name. It waits for the queries that use it, and blocks nobody meanwhile."""
    context = op.get_context()
    with context.autocommit_block():
        if not context.as_sql:
            op.execute("SET lock_timeout = 0")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        if not context.as_sql:
            op.execute("RESET lock_timeout")


def _stands(name: str) -> bool | None:
    """Whether the index is whole; None where there is none."""
    return op.get_bind().execute(_STANDS, {"name": name}).scalar()
