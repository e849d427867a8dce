"""GPUs are swapped between live allocations in one statement, and who is on a GPU without a lease is written down."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261130_violations"
down_revision = "20261130_pod_wish"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A unique index is checked row by row, so no statement could swap two GPUs; this one is when the statement is done.
    op.drop_index("uq_allocation_live_gpu", "allocation")
    op.execute(
        "ALTER TABLE allocation ADD CONSTRAINT uq_allocation_live_gpu EXCLUDE USING btree (gpu WITH =)"
        " WHERE (closed_at IS NULL) DEFERRABLE INITIALLY IMMEDIATE"
    )
    op.add_column("pool", sa.Column("violations", sa.Text(), nullable=False, server_default="observe"))
    op.alter_column("pool", "violations", server_default=None)
    op.create_check_constraint("ck_pool_violations", "pool", "violations IN ('observe', 'end')")
    op.create_table(
        "violation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("gpu", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=True),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("company", sa.Text(), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done", sa.Text(), nullable=False),
        sa.Column("found_by", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("kind IN ('process', 'pod')", name="ck_violation_kind"),
        sa.CheckConstraint("done IN ('observed', 'not_ours', 'pod_ended')", name="ck_violation_done"),
        sa.CheckConstraint("found_by IN ('agent', 'allocator')", name="ck_violation_found_by"),
        sa.CheckConstraint("began_at <= seen_at AND seen_at <= coalesce(ended_at, seen_at)", name="ck_violation_span"),
        sa.ForeignKeyConstraint(["node"], ["node.name"], name=op.f("fk_violation_node")),
        sa.ForeignKeyConstraint(["gpu"], ["gpu.uuid"], name=op.f("fk_violation_gpu")),
        sa.ForeignKeyConstraint(["lease"], ["lease.id"], name=op.f("fk_violation_lease")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_violation")),
    )
    op.create_index(
        "uq_violation_open",
        "violation",
        ["node", "gpu", "kind", "who"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON violation TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
