"""Agents join with a token that is used once, and make their own credentials from then on; or a cluster says who they are."""

import sqlalchemy as sa
from alembic import op

revision = "20261130_node_identity"
down_revision = "20261130_node_events"
branch_labels = None
depends_on = None

_ROLES = "role IN ('admin', 'operator', 'auditor', 'company', 'node', 'join')"


def upgrade() -> None:
    op.drop_constraint("ck_token_role", "token", type_="check")
    op.create_check_constraint("ck_token_role", "token", _ROLES)
    op.drop_constraint("ck_token_node", "token", type_="check")
    op.create_check_constraint("ck_token_node", "token", "(role IN ('node', 'join')) = (node IS NOT NULL)")
    op.add_column("token", sa.Column("made_with", sa.Text(), nullable=True))
    for name in ("used_at", "replaced_at", "reused_at"):
        op.add_column("token", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_token_node", "token", ["node"], unique=False, postgresql_where=sa.text("node IS NOT NULL"))
    op.add_column("node", sa.Column("vouched_by", sa.Text(), nullable=True))


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
