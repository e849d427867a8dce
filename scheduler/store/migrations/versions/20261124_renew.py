"""Leases that renew themselves."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_renew"
down_revision = "20261124_replan"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lease", sa.Column("renew_s", sa.Integer(), nullable=True))
    op.add_column("lease", sa.Column("renewal_refused_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_lease_due_renewal",
        "lease",
        ["stops_at"],
        unique=False,
        postgresql_where=sa.text("state = 'active' AND renew_s IS NOT NULL"),
    )


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
