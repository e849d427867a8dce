"""Pools may give back leases on which nothing runs, and companies may keep them."""

import sqlalchemy as sa
from alembic import op

revision = "20261129_no_show"
down_revision = "20261129_lease_days"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pool", sa.Column("no_show_after_s", sa.Integer(), nullable=True))
    op.add_column("pool", sa.Column("keeps", sa.Integer(), nullable=False, server_default="2"))
    op.alter_column("pool", "keeps", server_default=None)
    op.create_check_constraint("ck_pool_no_show", "pool", "no_show_after_s >= 60 AND keeps >= 0")
    op.create_table(
        "attendance",
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.CheckConstraint("kept >= 0 AND (kept = 0) = (kept_at IS NULL)", name="ck_attendance_kept"),
        sa.ForeignKeyConstraint(["lease"], ["lease.id"], name=op.f("fk_attendance_lease")),
        sa.PrimaryKeyConstraint("lease", name=op.f("pk_attendance")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON attendance TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
