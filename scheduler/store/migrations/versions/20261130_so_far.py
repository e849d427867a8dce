"""What was over before it was added up as it happens is added, once and without a lock.

Each statement takes off what the triggers have added by then: it sees a change and what they made of it, or neither.
"""

from alembic import op

revision = "20261130_so_far"
down_revision = "20261130_totals"
branch_labels = None
depends_on = None
step = "expand"

OVER = """
INSERT INTO leases_over (pool, state, leases)
SELECT l.pool, l.state, l.leases - coalesce(o.leases, 0)
FROM (
    SELECT pool, state, count(*) AS leases FROM lease
    WHERE state IN ('refused', 'ended', 'cancelled', 'expired') GROUP BY pool, state
) l LEFT JOIN (SELECT pool, state, sum(leases)::bigint AS leases FROM leases_over GROUP BY pool, state) o USING (pool, state)
"""

USED = """
INSERT INTO use_total AS t (company, pool, kind, counted)
SELECT k.company, k.pool, k.kind, k.value - coalesce(o.counted, 0)
FROM (
    SELECT d.company, d.pool, v.kind, sum(v.value)::bigint AS value
    FROM lease_day d CROSS JOIN LATERAL (
        VALUES ('leased', d.leased), ('busy', d.busy), ('idle', d.idle), ('lost', d.lost), ('joules', d.energy_joules)
    ) v (kind, value)
    WHERE v.value IS NOT NULL GROUP BY 1, 2, 3
) k LEFT JOIN use_total o USING (company, pool, kind)
ORDER BY 1, 2, 3
ON CONFLICT (company, pool, kind) DO UPDATE SET counted = t.counted + excluded.counted
"""


def upgrade() -> None:
    op.execute(OVER)
    op.execute(USED)


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
