"""The lease that a pod is meant for is kept, so that those that wait are among its pods."""

import sqlalchemy as sa
from alembic import op

revision = "20261130_pod_wish"
down_revision = "20261130_pod_log"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pod", sa.Column("wish", sa.Text(), nullable=True))


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
