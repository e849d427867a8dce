"""Processes say that they are there, and when the ledger was last added up is kept: for `dure doctor` and `dure status`."""

import sqlalchemy as sa
from alembic import op

revision = "20261130_processes"
down_revision = "20261130_expected"
branch_labels = None
depends_on = None
step = "expand"


def upgrade() -> None:
    op.create_table(
        "process",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leads", sa.Boolean(), nullable=True),
        sa.Column("turned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("step_s", sa.Double(), nullable=True),
        sa.CheckConstraint("kind IN ('api', 'scheduler')", name=op.f("ck_process_kind")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_process")),
    )
    op.create_table(
        "ledger_verified",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accounts", sa.Integer(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_ledger_verified_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_verified")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON process, ledger_verified TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
