"""A database knows the life of the server it is on, so that one that was put back to an earlier time is told from one that was not."""

import sqlalchemy as sa
from alembic import op

revision = "20261130_server_life"
down_revision = "20261130_schema_fit"
branch_labels = None
depends_on = None
step = "expand"


def upgrade() -> None:
    op.create_table(
        "server_life",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("life", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_server_life")),
    )
    op.execute("GRANT SELECT, INSERT ON server_life TO dure_app")
    # A leader that finds itself in another life skips the numbers that events of the lost one may have had.
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO dure_app")
    op.execute("GRANT UPDATE ON SEQUENCE lease_event_seq_seq TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
