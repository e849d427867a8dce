"""When a lease was expected to start when it was asked for."""

import sqlalchemy as sa
from alembic import op

revision = "20261130_expected"
down_revision = "20261130_node_holders"
branch_labels = None
depends_on = None
step = "expand"


def upgrade() -> None:
    op.add_column("lease", sa.Column("expected_start", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
