"""GPUs that are lost while their lease runs are written down, and nodes say when their machine was restarted."""

import sqlalchemy as sa
from alembic import op

revision = "20261129_lost_gpus"
down_revision = "20261129_walk_in"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("node", sa.Column("host_boot", sa.Text(), nullable=True))
    op.create_table(
        "allocation_loss",
        sa.Column("allocation", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("wrong", sa.Text(), nullable=False),
        sa.CheckConstraint("since < until", name="ck_allocation_loss_span"),
        sa.ForeignKeyConstraint(["allocation"], ["allocation.id"], name=op.f("fk_allocation_loss_allocation")),
        sa.PrimaryKeyConstraint("allocation", "since", name=op.f("pk_allocation_loss")),
    )
    op.create_index(
        "uq_allocation_loss_open",
        "allocation_loss",
        ["allocation"],
        unique=True,
        postgresql_where=sa.text("until IS NULL"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON allocation_loss TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
