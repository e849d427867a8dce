"""Nodes that are out of service for a while, and where nodes stand."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_maintenance"
down_revision = "20261124_renew"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("node", sa.Column("rack", sa.Text(), nullable=False, server_default=""))
    op.add_column("node", sa.Column("island", sa.Text(), nullable=False, server_default=""))
    for column in ("rack", "island"):
        op.alter_column("node", column, server_default=None)
    op.create_table(
        "drain",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("starts_at <= ends_at", name="ck_drain_window"),
        sa.ForeignKeyConstraint(["node"], ["node.name"], name="fk_drain_node"),
        sa.PrimaryKeyConstraint("id", name="pk_drain"),
    )
    op.create_index("ix_drain_node_ends_at", "drain", ["node", "ends_at"], unique=False)
    op.execute("GRANT SELECT, INSERT, UPDATE ON drain TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
