"""Shares of pools, groups of companies, and when a pool is contended."""

import sqlalchemy as sa
from alembic import op

revision = "20261129_shares"
down_revision = "20261129_no_show"
branch_labels = None
depends_on = None

KINDS = "'lease', 'node', 'drain', 'quota', 'policy', 'mix', 'share', 'group', 'uses'"


def upgrade() -> None:
    _policy()
    _tables()
    _log()
    op.create_index("ix_lease_ended", "lease", ["pool", "stops_at"], postgresql_where=sa.text("state = 'ended'"))


def _policy() -> None:
    """Nothing is contended until an admin says so, and the policies in the log mean the same without the new words."""
    for name, kind, value in (
        ("contended", sa.Text(), "none"),
        ("contended_ppm", sa.Integer(), "900000"),
        ("half_life_s", sa.Integer(), "604800"),
        ("entry_s", sa.Integer(), "3600"),
    ):
        op.add_column("pool", sa.Column(name, kind, nullable=False, server_default=value))
        op.alter_column("pool", name, server_default=None)
    op.create_check_constraint(
        "ck_pool_fairness", "pool", "contended_ppm BETWEEN 0 AND 1000000 AND half_life_s >= 60 AND entry_s >= 0"
    )


def _tables() -> None:
    op.create_table(
        "share_group",
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("shares", sa.Integer(), nullable=False),
        sa.CheckConstraint("shares >= 1", name="ck_share_group_shares"),
        sa.ForeignKeyConstraint(["pool"], ["pool.name"], name="fk_share_group_pool"),
        sa.PrimaryKeyConstraint("pool", "name", name="pk_share_group"),
    )
    op.create_table(
        "share",
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("shares", sa.Integer(), nullable=False),
        sa.Column("share_group", sa.Text(), nullable=True),
        sa.CheckConstraint("shares >= 1", name="ck_share_shares"),
        sa.ForeignKeyConstraint(["company"], ["company.name"], name="fk_share_company"),
        sa.ForeignKeyConstraint(["pool"], ["pool.name"], name="fk_share_pool"),
        sa.ForeignKeyConstraint(
            ["pool", "share_group"], ["share_group.pool", "share_group.name"], name="fk_share_pool_share_group"
        ),
        sa.PrimaryKeyConstraint("company", "pool", name="pk_share"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON share, share_group TO dure_app")


def _log() -> None:
    op.drop_constraint("ck_pool_change_kind", "pool_change", type_="check")
    op.create_check_constraint("ck_pool_change_kind", "pool_change", f"kind IN ({KINDS})")
    op.create_index(
        "ix_pool_change_uses", "pool_change", ["pool", "generation"], postgresql_where=sa.text("kind = 'uses'")
    )


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
