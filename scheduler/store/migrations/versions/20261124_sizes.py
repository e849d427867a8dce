"""Leases that change their size while they run, the size that asks take at least, and when extending closes."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_sizes"
down_revision = "20261124_mix"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pool", sa.Column("extension_closes_s", sa.Integer(), nullable=False, server_default="600"))
    op.alter_column("pool", "extension_closes_s", server_default=None)
    op.create_check_constraint("ck_pool_extension", "pool", "extension_closes_s >= 0")
    op.add_column("lease", sa.Column("asked_s", sa.Integer(), nullable=True))
    op.execute("UPDATE lease SET asked_s = coalesce(renew_s, duration_s)")
    op.alter_column("lease", "asked_s", nullable=False)
    op.add_column("lease", sa.Column("asked_size", sa.BigInteger(), nullable=True))
    op.execute("UPDATE lease SET asked_size = coalesce(gpus, nodes)")
    op.alter_column("lease", "asked_size", nullable=False)
    op.add_column("lease", sa.Column("min_size", sa.BigInteger(), nullable=True))
    op.add_column("lease", sa.Column("max_size", sa.BigInteger(), nullable=True))
    op.add_column("lease", sa.Column("resized_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        "ck_lease_size",
        "lease",
        "coalesce(gpus, nodes) BETWEEN coalesce(min_size, 1) AND coalesce(max_size, 2147483647)",
    )
    op.create_check_constraint("ck_lease_resized", "lease", "resized_at BETWEEN starts_at AND ends_at")
    op.add_column("allocation", sa.Column("given_back", sa.Boolean(), nullable=False, server_default="false"))
    op.alter_column("allocation", "given_back", server_default=None)
    op.create_check_constraint("ck_allocation_given_back", "allocation", "ended_at IS NOT NULL OR NOT given_back")
    op.create_index("ix_allocation_given_back", "allocation", ["ended_at"], postgresql_where=sa.text("given_back"))
    op.create_table(
        "lease_span",
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gpus", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("gpus > 0 AND since < until", name="ck_lease_span_span"),
        sa.ForeignKeyConstraint(["lease"], ["lease.id"], name="fk_lease_span_lease"),
        sa.PrimaryKeyConstraint("lease", "since", name="pk_lease_span"),
    )
    op.execute("GRANT SELECT, INSERT ON lease_span TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
