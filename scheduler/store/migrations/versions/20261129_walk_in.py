"""Pools may keep a part that cannot be booked far ahead."""

import sqlalchemy as sa
from alembic import op

revision = "20261129_walk_in"
down_revision = "20261129_share_history"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column, default in (("walk_in_ppm", "0"), ("walk_in_within_s", "3600")):
        op.add_column("pool", sa.Column(column, sa.Integer(), nullable=False, server_default=default))
        op.alter_column("pool", column, server_default=None)
    op.create_check_constraint(
        "ck_pool_walk_in", "pool", "walk_in_ppm BETWEEN 0 AND 1000000 AND walk_in_within_s >= 60"
    )
    op.add_column("lease", sa.Column("granted_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
