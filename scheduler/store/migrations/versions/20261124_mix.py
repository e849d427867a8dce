"""The log of a pool also has what is asked for there, by which small shapes are placed: version 3 of the rules."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_mix"
down_revision = "20261124_told"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint("ck_pool_change_kind", "pool_change", type_="check")
    op.create_check_constraint(
        "ck_pool_change_kind", "pool_change", "kind IN ('lease', 'node', 'drain', 'quota', 'policy', 'mix')"
    )
    op.create_index(
        "ix_pool_change_mix", "pool_change", ["pool", "generation"], postgresql_where=sa.text("kind = 'mix'")
    )
    op.create_index("ix_lease_asked_at", "lease", ["asked_at"], postgresql_using="brin")
    _begin_version_3()


def _begin_version_3() -> None:
    """From the next generation on every pool decides by it, and its log says so."""
    op.execute("UPDATE pool SET generation = generation + 1")
    op.execute(
        """
        INSERT INTO pool_change (pool, generation, at, kind, subject, value)
        SELECT DISTINCT ON (c.pool) c.pool, p.generation, now(), 'policy', '', c.value || '{"version": "3"}'
        FROM pool_change c JOIN pool p ON p.name = c.pool WHERE c.kind = 'policy'
        ORDER BY c.pool, c.generation DESC, c.seq DESC
        """
    )


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
