"""What is committed is added up from the accounts that have some, however many periods are over."""

from scheduler.store import indexes

revision = "20261130_committed"
down_revision = "20261130_so_far"
branch_labels = None
depends_on = None
step = "expand"


def upgrade() -> None:
    indexes.build("ix_account_committed", "account", ["company", "pool"], where="committed > 0")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
