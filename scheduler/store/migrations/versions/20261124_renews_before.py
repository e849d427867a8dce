"""When a lease that renews itself is extended, as a pool's policy."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_renews_before"
down_revision = "20261124_sizes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pool", sa.Column("renews_before_s", sa.Integer(), nullable=False, server_default="1800"))
    op.alter_column("pool", "renews_before_s", server_default=None)
    op.create_check_constraint("ck_pool_renewal", "pool", "renews_before_s >= 60")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
