"""Who was in which group is read from the log of shares."""

import sqlalchemy as sa
from alembic import op

revision = "20261129_share_history"
down_revision = "20261129_spot"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_pool_change_share", "pool_change", ["pool", "subject"], postgresql_where=sa.text("kind = 'share'")
    )


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
