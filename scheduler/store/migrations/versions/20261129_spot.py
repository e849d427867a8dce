"""Idle GPUs are given to asks for spot."""

import sqlalchemy as sa
from alembic import op

revision = "20261129_spot"
down_revision = "20261129_idle"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pool", sa.Column("spot_least_s", sa.Integer(), nullable=True, server_default="600"))
    op.alter_column("pool", "spot_least_s", server_default=None)
    op.create_check_constraint("ck_pool_spot", "pool", "spot_least_s >= 60")
    op.create_check_constraint("ck_lease_tier", "lease", "tier IN ('reserved', 'spot')")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
