"""Spot, shares, budgets and the walk-in reserve, what is said of limits, and which nodes a shrink gives back: version 6."""

from alembic import op

revision = "20261129_version_6"
down_revision = "20261129_lost_gpus"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From the next generation on every pool decides by the new rules."""
    op.execute("UPDATE pool SET generation = generation + 1")
    op.execute(
        """
        INSERT INTO pool_change (pool, generation, at, kind, subject, value)
        SELECT DISTINCT ON (c.pool) c.pool, p.generation, now(), 'policy', '', c.value || '{"version": "6"}'
        FROM pool_change c JOIN pool p ON p.name = c.pool WHERE c.kind = 'policy'
        ORDER BY c.pool, c.generation DESC, c.seq DESC
        """
    )


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
