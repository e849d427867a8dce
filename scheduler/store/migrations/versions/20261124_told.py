"""Being told: events in an order that readers can follow, and webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_told"
down_revision = "20261124_decisions"
branch_labels = None
depends_on = None

TRANSACTION = "pg_current_xact_id()::text::bigint"


def upgrade() -> None:
    _events()
    _webhooks()
    op.execute("GRANT INSERT, UPDATE, DELETE ON webhook, webhook_delivery TO dure_app")
    op.execute("GRANT UPDATE ON webhook_cursor TO dure_app")
    op.execute("GRANT SELECT ON webhook, webhook_delivery, webhook_cursor TO dure_app")
    # What was before is told to nobody.
    op.execute(f"INSERT INTO webhook_cursor (id, xid, seq) VALUES (1, {TRANSACTION}, 9223372036854775807)")


def _events() -> None:
    """Earlier rows are all of this transaction, so that among them the numbers decide."""
    op.alter_column("lease_event", "lease", nullable=True)
    op.alter_column("lease_event", "state", nullable=True)
    op.add_column("lease_event", sa.Column("xid", sa.BigInteger(), server_default=sa.text(TRANSACTION), nullable=False))
    for name, kind in (("company", sa.Text()), ("pool", sa.Text())):
        op.add_column("lease_event", sa.Column(name, kind, nullable=True))
    for name in ("promised_start", "starts_at", "stops_at"):
        op.add_column("lease_event", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE lease_event e SET company = l.company, pool = l.pool FROM lease l WHERE l.id = e.lease")
    # Until now nothing that was scheduled ever moved, so a lease's instants are those of its events too.
    op.execute(
        """
        UPDATE lease_event e
        SET promised_start = l.promised_start, starts_at = l.starts_at,
            stops_at = CASE WHEN e.state IN ('scheduled', 'active') THEN l.ends_at ELSE l.stops_at END
        FROM lease l WHERE l.id = e.lease AND e.state NOT IN ('queued', 'refused')
        """
    )
    op.alter_column("lease_event", "company", nullable=False)
    op.create_check_constraint(
        "ck_lease_event_lease", "lease_event", "(lease IS NULL) = (state IS NULL) AND (lease IS NULL) = (pool IS NULL)"
    )
    op.create_index("ix_lease_event_order", "lease_event", ["xid", "seq"])
    op.create_index("ix_lease_event_company_order", "lease_event", ["company", "xid", "seq"])
    op.create_index("ix_lease_event_at", "lease_event", ["at"])


def _webhooks() -> None:
    op.create_table(
        "webhook",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("old_secret", sa.Text(), nullable=True),
        sa.Column("old_secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(disabled_at IS NULL) = (disabled_reason IS NULL)", name="ck_webhook_disabled"),
        sa.CheckConstraint("(removed_at IS NULL) = (secret IS NOT NULL)", name="ck_webhook_secret"),
        sa.CheckConstraint("(failures > 0) = (failing_since IS NOT NULL)", name="ck_webhook_failing"),
        sa.ForeignKeyConstraint(["company"], ["company.name"], name="fk_webhook_company"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook"),
    )
    op.create_index("ix_webhook_company_id", "webhook", ["company", "id"])
    op.create_table(
        "webhook_delivery",
        sa.Column("webhook", sa.Text(), nullable=False),
        sa.Column("event", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="ck_webhook_delivery_state"),
        sa.CheckConstraint("(state = 'pending') = (next_at IS NOT NULL)", name="ck_webhook_delivery_pending"),
        sa.CheckConstraint(
            "state <> 'delivered' OR coalesce(last_status, 0) BETWEEN 200 AND 299", name="ck_webhook_delivery_delivered"
        ),
        sa.ForeignKeyConstraint(["webhook"], ["webhook.id"], name="fk_webhook_delivery_webhook"),
        sa.ForeignKeyConstraint(["event"], ["lease_event.seq"], name="fk_webhook_delivery_event"),
        sa.PrimaryKeyConstraint("webhook", "event", name="pk_webhook_delivery"),
    )
    op.create_index(
        "ix_webhook_delivery_due",
        "webhook_delivery",
        ["webhook", "next_at", "event"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_webhook_delivery_last_at", "webhook_delivery", ["last_at"], postgresql_where=sa.text("state <> 'pending'")
    )
    op.create_table(
        "webhook_cursor",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_webhook_cursor_one_row"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_cursor"),
    )


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
