"""Use is kept apart by day, and what a lease that is over had and used each day is written once, for reports."""

import sqlalchemy as sa
from alembic import op

revision = "20261129_lease_days"
down_revision = "20261129_policy"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _use()
    op.add_column("lease", sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_lease_uncounted",
        "lease",
        ["id"],
        postgresql_where=sa.text("counted_at IS NULL AND state IN ('active', 'ending', 'ended')"),
    )
    _lease_days()


def _use() -> None:
    """Until now totals had no day: they are filed under that on which their allocation was opened."""
    op.add_column("allocation_use", sa.Column("day", sa.Date(), nullable=True))
    op.execute(
        "UPDATE allocation_use u SET day = (a.opened_at AT TIME ZONE 'UTC')::date FROM allocation a WHERE a.id = u.allocation"
    )
    op.alter_column("allocation_use", "day", nullable=False)
    for name in ("memory_ms", "memory_mebibyte_s"):
        op.add_column("allocation_use", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
        op.alter_column("allocation_use", name, server_default=None)
    op.drop_constraint("pk_allocation_use", "allocation_use", type_="primary")
    op.create_primary_key("pk_allocation_use", "allocation_use", ["allocation", "boot", "day"])
    op.create_index("ix_allocation_use_day", "allocation_use", ["day"])


def _lease_days() -> None:
    op.create_table(
        "lease_day",
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("is_first", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("leased", "lost", "busy", "idle")),
        sa.Column("energy_joules", sa.BigInteger(), nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("memory_s", "memory_mebibyte_s")),
        sa.CheckConstraint(
            "leased >= 0 AND lost >= 0 AND busy >= 0 AND idle >= 0 AND busy + idle <= leased", name="ck_lease_day_sum"
        ),
        sa.ForeignKeyConstraint(["lease"], ["lease.id"], name="fk_lease_day_lease"),
        sa.PrimaryKeyConstraint("lease", "day", name="pk_lease_day"),
    )
    op.create_index("ix_lease_day_day", "lease_day", ["day"])
    op.create_index("ix_lease_day_company", "lease_day", ["company", "day"])
    op.execute("GRANT SELECT, INSERT ON lease_day TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
