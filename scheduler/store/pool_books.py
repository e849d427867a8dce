"""What pools' books had, written down now and then, so that a decision is made again from a part of the log and not from all.

Left out is what no decision from then on can see: leases and drains that were over two days before, which is longer than
any gap.
"""

from sqlalchemy import text
from sqlmodel import Session

EVERY = 20_000
"""Rows of the log between two books: less than a second's reading."""

FORGOTTEN_S = 2 * 86_400
LONGEST_S = 600
"""A log that has no book yet is read whole, once."""

_DUE = text(
    """
    SELECT p.name FROM pool p CROSS JOIN LATERAL (
        SELECT coalesce(max(generation), -1) AS generation FROM pool_book WHERE pool = p.name
    ) b
    WHERE (SELECT count(*) FROM (SELECT FROM pool_change c WHERE c.pool = p.name AND c.generation > b.generation LIMIT :every) n) >= :every
    ORDER BY p.name
    """
)

AS_OF = """
    SELECT DISTINCT ON (kind, subject) kind, subject, value FROM (
        SELECT i->>'kind' AS kind, i->>'subject' AS subject, b.generation, 0 AS seq, i->'value' AS value
        FROM (SELECT * FROM pool_book WHERE pool = :pool AND generation <= :generation ORDER BY generation DESC LIMIT 1) b
        CROSS JOIN LATERAL jsonb_array_elements(b.items) i
        UNION ALL
        SELECT kind, subject, generation, seq, value FROM pool_change
        WHERE pool = :pool AND generation <= :generation
          AND generation > coalesce((SELECT max(generation) FROM pool_book WHERE pool = :pool AND generation <= :generation), -1)
    ) item
    ORDER BY kind, subject, generation DESC, seq DESC
"""
"""Everything in a pool's book as of a generation, from the newest book before it and the log since."""

_GENERATION = text("SELECT generation FROM pool WHERE name = :pool")
_WRITE = text(
    f"""
    INSERT INTO pool_book (pool, generation, at, items)
    SELECT :pool, :generation, to_timestamp(:now),
           coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'subject', subject, 'value', value)), '[]')
    FROM ({AS_OF}) item
    WHERE NOT (kind = 'lease' AND coalesce(value->>'state' NOT IN ('queued', 'scheduled', 'active', 'ending'), false)
               AND coalesce((value->>'stops_at')::bigint, (value->>'asked_at')::bigint, 0) < :past)
      AND NOT (kind = 'drain' AND (value->>'ends_at')::bigint < :past)
    ON CONFLICT DO NOTHING
    """
)


def due(session: Session, *, every: int = EVERY) -> list[str]:
    """The pools whose logs have grown by so much since their last book."""
    return list(session.connection().execute(_DUE, {"every": every}).scalars())


def write(session: Session, pool: str, *, now: float) -> int:
    """Writes the pool's book as it is; its generation. What is in the log up to that was committed with it."""
    connection = session.connection()
    connection.execute(text(f"SET LOCAL statement_timeout = '{LONGEST_S}s'"))
    generation: int = connection.execute(_GENERATION, {"pool": pool}).scalar_one()
    values = {"pool": pool, "generation": generation, "now": int(now), "past": int(now) - FORGOTTEN_S}
    connection.execute(_WRITE, values)
    return generation
