"""Offers, kept for as long as they can be claimed and a while longer."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261124_offers"
down_revision = "20261124_maintenance"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "offer",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("search", postgresql.JSONB(), nullable=False),
        sa.Column("offer", postgresql.JSONB(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["company"], ["company.name"], name="fk_offer_company"),
        sa.ForeignKeyConstraint(["lease"], ["lease.id"], name="fk_offer_lease"),
        sa.PrimaryKeyConstraint("id", name="pk_offer"),
    )
    op.create_index("ix_offer_expires_at", "offer", ["expires_at"], unique=False)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON offer TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
