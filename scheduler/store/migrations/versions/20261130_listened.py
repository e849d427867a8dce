"""Silence is counted in the time that API replicas listened in all, which no clock that jumps and no break starts anew."""

import sqlalchemy as sa
from alembic import op

revision = "20261130_listened"
down_revision = "20261130_promise_count"
branch_labels = None
depends_on = None
step = "expand"


def upgrade() -> None:
    for table in ("receiving", "node"):
        op.add_column(table, sa.Column("listened_s", sa.Double(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
