"""The last lines of a pod are kept by container."""

import sqlalchemy as sa
from alembic import op

revision = "20261130_pod_log"
down_revision = "20261129_clusters"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pod_log",
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("container", sa.Text(), nullable=False),
        sa.Column("log", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["uid"], ["pod.uid"], name=op.f("fk_pod_log_uid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("uid", "container", name=op.f("pk_pod_log")),
    )
    # Which container wrote what was kept before nobody knows: it was the first.
    op.execute("INSERT INTO pod_log SELECT uid, '', log FROM pod WHERE log IS NOT NULL")
    op.drop_column("pod", "log")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON pod_log TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
