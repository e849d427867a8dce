"""The pool's policy, notices, and the log of what changed in each pool's book."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261124_replan"
down_revision = "20261124_first"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pool", sa.Column("rule", sa.Text(), nullable=False, server_default="late-slots"))
    op.add_column("pool", sa.Column("slack_ppm", sa.Integer(), nullable=False, server_default="50000"))
    op.add_column("pool", sa.Column("reserve_ppm", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("pool", sa.Column("reserve_over_s", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("pool", sa.Column("seniority_s", sa.Integer(), nullable=True))
    op.add_column("lease", sa.Column("notice_s", sa.Integer(), nullable=False, server_default="900"))
    for table, column in (
        ("pool", "rule"),
        ("pool", "slack_ppm"),
        ("pool", "reserve_ppm"),
        ("pool", "reserve_over_s"),
        ("lease", "notice_s"),
    ):
        op.alter_column(table, column, server_default=None)
    op.add_column("pool_node", sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint("ck_pool_policy", "pool", "slack_ppm >= 0 AND reserve_ppm BETWEEN 0 AND 999999")
    op.create_table(
        "pool_change",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("kind IN ('lease', 'node', 'drain', 'quota', 'policy')", name="ck_pool_change_kind"),
        sa.PrimaryKeyConstraint("seq", name="pk_pool_change"),
    )
    op.create_index("ix_pool_change_pool_generation", "pool_change", ["pool", "generation"], unique=False)
    op.execute("GRANT SELECT, INSERT ON pool_change TO dure_app")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
