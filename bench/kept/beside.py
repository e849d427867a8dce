"""What a day that is lived by calls of the service does not leave: answers under keys, deliveries, and what nodes tell.

Each at a stated rate, and as long as it is kept.
"""

from typing import LiteralString

import psycopg

_STATEMENTS: tuple[LiteralString, ...] = (
    # Every GPU is proved empty after each lease, and an agent tells that; a fault of any kind on every GPU once a month.
    """
    INSERT INTO node_event (node, id, told_at, at, boot, kind, gpu, detail)
    SELECT node, row_number() OVER (PARTITION BY node ORDER BY id), extract(epoch FROM closed_at), closed_at,
           'b0b5d1f2-9b7e-4b1c-8f0e-000000000000', 'proof', gpu,
           jsonb_build_object('allocation', id, 'step', 'check', 'passed', true, 'took_s', 12.345)
    FROM allocation WHERE closed_at IS NOT NULL
    """,
    """
    INSERT INTO node_event (node, id, told_at, at, boot, kind, gpu, detail)
    SELECT g.node, 1000000000 + row_number() OVER (PARTITION BY g.node), extract(epoch FROM m.at), m.at,
           'b0b5d1f2-9b7e-4b1c-8f0e-000000000000', 'xid', g.uuid, jsonb_build_object('xid', 79, 'pci', '0000:17:00.0')
    FROM gpu g CROSS JOIN LATERAL (
        SELECT to_timestamp(%(now)s) - n * interval '30 days' AS at FROM generate_series(1, greatest(1, %(days)s / 30)) n) m
    """,
    # A webhook of every company, and all of a month's events.
    """
    INSERT INTO webhook (id, company, url, secret, created_at, failures)
    SELECT 'hoo_' || name, name, 'https://' || name || '.example/dure', 'whsec_' || repeat('0', 44), created_at, 0 FROM company
    """,
    """
    INSERT INTO webhook_delivery (webhook, event, state, attempts, last_at, last_status)
    SELECT 'hoo_' || company, seq, 'delivered', 1, at, 200 FROM lease_event
    WHERE at > to_timestamp(%(now)s) - interval '30 days'
    """,
    # A day's asks, each under a key; an answer is about 1.5 kB.
    """
    INSERT INTO idempotent_answer (principal, key, fingerprint, created_at, status, body)
    SELECT 'tok_' || company, gen_random_uuid()::text, encode(sha256(id::bytea), 'hex'), asked_at, 201,
           convert_to((SELECT string_agg(md5(id || n), '') FROM generate_series(1, 47) n), 'UTF8')
    FROM lease WHERE asked_at > (SELECT max(asked_at) FROM lease) - interval '1 day'
    """,
)


def fill(owner: psycopg.Connection, *, now: int, days: int) -> None:
    """As it is at `now`, after so many days."""
    for statement in _STATEMENTS:
        owner.execute(statement, {"now": now, "days": days})
