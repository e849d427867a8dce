"""Pools may give back leases that hardly use their GPUs."""

import sqlalchemy as sa
from alembic import op

revision = "20261129_idle"
down_revision = "20261129_shares"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for prefix, below in (("", "50000"), ("inference_", "10000")):
        op.add_column("pool", sa.Column(f"{prefix}idle_after_s", sa.Integer(), nullable=True))
        op.add_column("pool", sa.Column(f"{prefix}idle_below_ppm", sa.Integer(), nullable=False, server_default=below))
        op.alter_column("pool", f"{prefix}idle_below_ppm", server_default=None)
    op.create_check_constraint(
        "ck_pool_idle",
        "pool",
        "least(idle_after_s, inference_idle_after_s) >= 1200 AND least(idle_below_ppm, inference_idle_below_ppm) > 0",
    )
    for column in ("idle_seen_at", "idle_since", "idle_told_at"):
        op.add_column("attendance", sa.Column(column, sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "allocation_seen",
        sa.Column("allocation", sa.Text(), nullable=False),
        sa.Column("sampled_ms", sa.BigInteger(), nullable=False),
        sa.Column("busy_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["allocation"], ["allocation.id"], name=op.f("fk_allocation_seen_allocation")),
        sa.PrimaryKeyConstraint("allocation", name=op.f("pk_allocation_seen")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON allocation_seen TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
