"""What happens on nodes is kept; a node's row knows who reported before, and keeps its wide readings out of line."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261130_node_events"
down_revision = "20261130_violations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("node", sa.Column("boot_before", sa.Text(), nullable=True))
    op.add_column("node", sa.Column("cuda_version", sa.Text(), nullable=True))
    op.add_column("allocation", sa.Column("unproved", sa.Text(), nullable=True))
    op.create_table(
        "node_event",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("told_at", sa.Double(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("gpu", sa.Text(), nullable=True),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["node"], ["node.name"], name=op.f("fk_node_event_node")),
        sa.PrimaryKeyConstraint("node", "id", "told_at", name=op.f("pk_node_event")),
    )
    op.create_index("ix_node_event_node_at_id", "node_event", ["node", "at", "id"])
    op.create_index("ix_node_event_at", "node_event", ["at"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON node_event TO dure_app")
    # The rest of a node's row is written with each report; what is out of line is not copied with it.
    op.execute("ALTER TABLE node SET (toast_tuple_target = 128)")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
