"""What became of promises is counted in the database: a process that ends, or that is new, takes no count with it."""

import sqlalchemy as sa
from alembic import op

revision = "20261130_promise_count"
down_revision = "20261130_committed"
branch_labels = None
depends_on = None
step = "expand"


def upgrade() -> None:
    op.create_table(
        "promise_count",
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["pool"], ["pool.name"], name=op.f("fk_promise_count_pool_pool")),
        sa.PrimaryKeyConstraint("pool", "kind", "cause", name=op.f("pk_promise_count")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON promise_count TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
