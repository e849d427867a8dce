"""A promise that slipped is given back, and who gets none is told what is so once others were moved: version 5 of the rules."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_version_5"
down_revision = "20261124_roles"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What has slipped already keeps its later promise. From the next generation on every pool decides by the new rules."""
    op.add_column("lease", sa.Column("slipped_from", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE pool SET generation = generation + 1")
    op.execute(
        """
        INSERT INTO pool_change (pool, generation, at, kind, subject, value)
        SELECT DISTINCT ON (c.pool) c.pool, p.generation, now(), 'policy', '', c.value || '{"version": "5"}'
        FROM pool_change c JOIN pool p ON p.name = c.pool WHERE c.kind = 'policy'
        ORDER BY c.pool, c.generation DESC, c.seq DESC
        """
    )


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
