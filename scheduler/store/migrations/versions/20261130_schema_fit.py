"""A database says which code it fits, so that an upgrade is rolled out, and back, while older code runs."""

import sqlalchemy as sa
from alembic import op

revision = "20261130_schema_fit"
down_revision = "20261130_processes"
branch_labels = None
depends_on = None
step = "expand"

RELEASED = "20261130_node_holders"
"""The newest migration of the release before."""


def upgrade() -> None:
    op.create_table(
        "schema_fit",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("fits", sa.Boolean(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_schema_fit")),
        sa.UniqueConstraint("revision", name=op.f("uq_schema_fit_revision")),
    )
    op.execute("GRANT SELECT ON schema_fit TO dure_app")
    # What the release before this one reads, and finds its own schema in, until a migration contracts.
    op.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32) NOT NULL)")
    op.execute("DELETE FROM alembic_version")
    op.execute(f"INSERT INTO alembic_version VALUES ('{RELEASED}')")
    op.execute("GRANT SELECT ON alembic_version TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
