"""Others make way before a promise slips, totals keep to their domains, and every refusal says what could be had: version 4 of the rules."""

from alembic import op

revision = "20261124_version_4"
down_revision = "20261124_renews_before"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From the next generation on every pool decides by it, and its log says so."""
    op.execute("UPDATE pool SET generation = generation + 1")
    op.execute(
        """
        INSERT INTO pool_change (pool, generation, at, kind, subject, value)
        SELECT DISTINCT ON (c.pool) c.pool, p.generation, now(), 'policy', '', c.value || '{"version": "4"}'
        FROM pool_change c JOIN pool p ON p.name = c.pool WHERE c.kind = 'policy'
        ORDER BY c.pool, c.generation DESC, c.seq DESC
        """
    )


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
