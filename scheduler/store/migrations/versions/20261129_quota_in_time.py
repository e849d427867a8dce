"""Quotas over time: what they say beside GPUs at once, defaults of pools, and what the period of a budget is to be granted."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "20261129_quota_in_time"
down_revision = "20261124_ledger"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Quotas that were set limit GPUs at once, and go on doing only that."""
    for column in (
        sa.Column("limits", JSONB(), nullable=False, server_default="{}"),
        sa.Column("of_default", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("to_timestamp(0)")),
    ):
        op.add_column("quota", column)
        op.alter_column("quota", column.name, server_default=None)
    op.create_table(
        "default_quota",
        sa.Column("pool", sa.Text(), sa.ForeignKey("pool.name", name="fk_default_quota_pool"), nullable=False),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.Column("limits", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("pool", name="pk_default_quota"),
        sa.CheckConstraint("gpus >= 0", name=op.f("ck_default_quota_gpus")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON default_quota TO dure_app")
    op.execute("GRANT DELETE ON quota TO dure_app")
    op.add_column("account", sa.Column("target", sa.BigInteger(), nullable=True))
    op.add_column("account", sa.Column("void", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("account", "void", server_default=None)
    op.execute("UPDATE account SET target = greatest(granted, 0) WHERE period IS NOT NULL")
    op.create_check_constraint(
        op.f("ck_account_target"), "account", "(period IS NULL) = (target IS NULL) AND target >= 0"
    )
    op.create_index(
        op.f("ix_account_ends"), "account", ["pool", "period_ends"], postgresql_where=sa.text("period IS NOT NULL")
    )
    op.create_index(
        op.f("ix_account_free"),
        "account",
        ["pool", "period_ends"],
        postgresql_where=sa.text("period IS NOT NULL AND available > 0"),
    )


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
