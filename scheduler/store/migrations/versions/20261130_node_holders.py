"""Which pods have which GPUs is kept as agents tell it, as it may be heard before it is known which leases the pods are on."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261130_node_holders"
down_revision = "20261130_node_identity"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "node_holders",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("holders", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["node"], ["node.name"], name=op.f("fk_node_holders_node")),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_node_holders")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON node_holders TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
