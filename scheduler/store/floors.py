"""What memory is in use on GPUs on which nobody is: the floor that a pool's `empty_memory_bytes` has to be above."""

from sqlalchemy import text
from sqlmodel import Session

_SEEN = text(
    """
    SELECT max(CAST(r.value ->> 'memory_used_bytes' AS bigint))
    FROM node n
    JOIN pool_node p ON p.node = n.name AND p.pool = :pool
    CROSS JOIN LATERAL jsonb_array_elements(CASE WHEN jsonb_typeof(n.reading) = 'array' THEN n.reading ELSE '[]' END) AS r (value)
    JOIN gpu g ON g.uuid = r.value ->> 'uuid' AND g.node = n.name
    WHERE n.state = 'ok' AND g.pool = :pool AND g.present AND g.health = 'ok' AND NOT g.quarantined
      AND r.value ->> 'processes' = '0'
      AND NOT EXISTS (SELECT FROM allocation a WHERE a.gpu = g.uuid AND a.closed_at IS NULL)
    """
)


def seen(session: Session, pool: str) -> int | None:
    """The most that is in use on any GPU of the pool that is free, sound and without a process, in bytes, by the newest readings that
    are written down; None where there is no such GPU.
    """
    return session.connection().execute(_SEEN, {"pool": pool}).scalar()
