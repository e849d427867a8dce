"""Operators and auditors, and why something was done."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_roles"
down_revision = "20261124_version_4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint("ck_token_role", "token", type_="check")
    op.create_check_constraint("ck_token_role", "token", "role IN ('admin', 'operator', 'auditor', 'company', 'node')")
    op.add_column("audit", sa.Column("reason", sa.Text(), nullable=True))
    op.create_index("ix_audit_subject", "audit", ["subject", "seq"], unique=False)


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
