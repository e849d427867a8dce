"""Pools name the cluster that enforces their leases; what is seen of their pods there; companies can be closed."""

import sqlalchemy as sa
from alembic import op

revision = "20261129_clusters"
down_revision = "20261129_version_6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pool", sa.Column("cluster", sa.Text(), nullable=True))
    op.add_column("pool", sa.Column("resource", sa.Text(), nullable=False, server_default="nvidia.com/gpu"))
    for name, default in (("all_at_once", "false"), ("extendable", "true")):
        op.add_column("lease", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.text(default)))
    op.add_column("company", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("company", sa.Column("pod_security", sa.Text(), nullable=False, server_default="baseline"))
    op.create_check_constraint("pod_security", "company", "pod_security IN ('baseline', 'restricted')")
    op.create_table(
        "cluster",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cluster")),
    )
    op.create_table(
        "pod",
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.Column("node", sa.Text(), nullable=True),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("waits", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("log", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["company"], ["company.name"], name=op.f("fk_pod_company")),
        sa.ForeignKeyConstraint(["lease"], ["lease.id"], name=op.f("fk_pod_lease")),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_pod")),
    )
    op.create_index("ix_pod_lease", "pod", ["lease"])
    op.create_index("ix_pod_company", "pod", ["company"])
    op.create_index("ix_pod_ended_at", "pod", ["ended_at"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON cluster, pod TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
