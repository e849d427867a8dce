"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261124_first"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("decision", "ledger_entry", "lease_event", "audit")
CHANGEABLE = (
    "company",
    "pool",
    "quota",
    "node",
    "gpu",
    "pool_node",
    "token",
    "lease",
    "placement",
    "allocation",
    "allocation_use",
    "account",
    "idempotent_answer",
)


def upgrade() -> None:
    _tables()
    _rights()
    op.execute("INSERT INTO leader (id, epoch) VALUES (1, 0)")
    op.execute("INSERT INTO receiving (id, since, alive_at) VALUES (1, 'epoch', 'epoch')")


def _tables() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_table(
        "company",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_company"),
    )
    op.create_table(
        "decision",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("numbers", postgresql.JSONB(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
    )
    op.create_index("ix_decision_lease", "decision", ["lease"], unique=False)
    op.create_table(
        "idempotent_answer",
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("principal", "key", name="pk_idempotent_answer"),
    )
    op.create_index("ix_idempotent_answer_created_at", "idempotent_answer", ["created_at"], unique=False)
    op.create_table(
        "leader",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("took_over_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name="ck_leader_one_row"),
        sa.PrimaryKeyConstraint("id", name="pk_leader"),
    )
    op.create_table(
        "node",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_report_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("silent_after_s", sa.Integer(), nullable=True),
        sa.Column("boot", sa.Text(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("clock_offset_s", sa.BigInteger(), nullable=True),
        sa.Column("agent_version", sa.Text(), nullable=True),
        sa.Column("driver_version", sa.Text(), nullable=True),
        sa.Column("reading", postgresql.JSONB(), nullable=True),
        sa.CheckConstraint("state IN ('enrolled', 'ok', 'unknown')", name="ck_node_state"),
        sa.PrimaryKeyConstraint("name", name="pk_node"),
    )
    op.create_index("ix_node_last_report_at", "node", ["last_report_at"], unique=False)
    op.create_table(
        "pool",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("gap_s", sa.Integer(), nullable=False),
        sa.Column("grace_s", sa.Integer(), nullable=False),
        sa.Column("empty_memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("gap_s >= 1", name="ck_pool_gap"),
        sa.PrimaryKeyConstraint("name", name="pk_pool"),
        sa.UniqueConstraint("product", name="uq_pool_product"),
    )
    op.create_table(
        "receiving",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("alive_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_receiving_one_row"),
        sa.PrimaryKeyConstraint("id", name="pk_receiving"),
    )
    op.create_table(
        "account",
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("committed", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("committed >= 0", name="ck_account_committed"),
        sa.CheckConstraint("spent >= 0", name="ck_account_spent"),
        sa.ForeignKeyConstraint(["company"], ["company.name"], name="fk_account_company"),
        sa.ForeignKeyConstraint(["pool"], ["pool.name"], name="fk_account_pool"),
        sa.PrimaryKeyConstraint("company", "pool", name="pk_account"),
    )
    op.create_table(
        "gpu",
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=True),
        sa.Column("health", sa.Text(), nullable=False),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("quarantined", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["node"], ["node.name"], name="fk_gpu_node"),
        sa.ForeignKeyConstraint(["pool"], ["pool.name"], name="fk_gpu_pool"),
        sa.PrimaryKeyConstraint("uuid", name="pk_gpu"),
    )
    op.create_index("ix_gpu_node", "gpu", ["node"], unique=False)
    op.create_index("ix_gpu_pool", "gpu", ["pool"], unique=False)
    op.create_table(
        "lease",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("nodes", sa.BigInteger(), nullable=True),
        sa.Column("gpus_per_node", sa.BigInteger(), nullable=True),
        sa.Column("gpus", sa.BigInteger(), nullable=True),
        sa.Column("total_gpus", sa.BigInteger(), nullable=False),
        sa.Column("duration_s", sa.Integer(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("wants_queue", sa.Boolean(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("start_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("promised_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stops_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_cause", sa.Text(), nullable=True),
        sa.Column("late_cause", sa.Text(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ck_lease_ended"),
        sa.CheckConstraint(
            "starts_at <= promised_start AND ends_at = starts_at + duration_s * interval '1 second' AND stops_at BETWEEN starts_at AND ends_at",
            name="ck_lease_box",
        ),
        sa.CheckConstraint("state <> 'ended' OR end_cause IS NOT NULL", name="ck_lease_cause"),
        sa.CheckConstraint(
            "state IN ('refused', 'queued', 'scheduled', 'active', 'ending', 'ended', 'cancelled', 'expired')",
            name="ck_lease_state",
        ),
        sa.CheckConstraint("state NOT IN ('active', 'ending') OR started_at IS NOT NULL", name="ck_lease_started"),
        sa.CheckConstraint(
            "state NOT IN ('scheduled', 'active', 'ending', 'ended') OR (promised_start IS NOT NULL AND starts_at IS NOT NULL AND ends_at IS NOT NULL AND stops_at IS NOT NULL)",
            name="ck_lease_placed",
        ),
        sa.CheckConstraint(
            "(gpus IS NULL) <> (nodes IS NULL) AND (nodes IS NULL) = (gpus_per_node IS NULL)", name="ck_lease_shape"
        ),
        sa.CheckConstraint(
            "total_gpus = coalesce(gpus, nodes * gpus_per_node) AND total_gpus > 0", name="ck_lease_total"
        ),
        sa.ForeignKeyConstraint(["company"], ["company.name"], name="fk_lease_company"),
        sa.ForeignKeyConstraint(["decision"], ["decision.id"], name="fk_lease_decision"),
        sa.ForeignKeyConstraint(["pool"], ["pool.name"], name="fk_lease_pool"),
        sa.PrimaryKeyConstraint("id", name="pk_lease"),
    )
    op.create_index("ix_lease_company_id", "lease", ["company", "id"], unique=False)
    op.create_index(
        "ix_lease_due_start", "lease", ["starts_at"], unique=False, postgresql_where=sa.text("state = 'scheduled'")
    )
    op.create_index(
        "ix_lease_due_stop",
        "lease",
        ["stops_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('active', 'ending')"),
    )
    op.create_index("ix_lease_pool_generation", "lease", ["pool", "generation"], unique=False)
    op.create_index(
        "ix_lease_queue", "lease", ["pool", "id"], unique=False, postgresql_where=sa.text("state = 'queued'")
    )
    op.create_table(
        "pool_node",
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("nominal", sa.Integer(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["node"], ["node.name"], name="fk_pool_node_node"),
        sa.ForeignKeyConstraint(["pool"], ["pool.name"], name="fk_pool_node_pool"),
        sa.PrimaryKeyConstraint("pool", "node", name="pk_pool_node"),
    )
    op.create_index("ix_pool_node_pool_generation", "pool_node", ["pool", "generation"], unique=False)
    op.create_table(
        "quota",
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.CheckConstraint("gpus >= 0", name="ck_quota_gpus"),
        sa.ForeignKeyConstraint(["company"], ["company.name"], name="fk_quota_company"),
        sa.ForeignKeyConstraint(["pool"], ["pool.name"], name="fk_quota_pool"),
        sa.PrimaryKeyConstraint("company", "pool", name="pk_quota"),
    )
    op.create_table(
        "token",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("company", sa.Text(), nullable=True),
        sa.Column("node", sa.Text(), nullable=True),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(role = 'company') = (company IS NOT NULL)", name="ck_token_company"),
        sa.CheckConstraint("(role = 'node') = (node IS NOT NULL)", name="ck_token_node"),
        sa.CheckConstraint("role IN ('admin', 'company', 'node')", name="ck_token_role"),
        sa.ForeignKeyConstraint(["company"], ["company.name"], name="fk_token_company"),
        sa.ForeignKeyConstraint(["node"], ["node.name"], name="fk_token_node"),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        sa.UniqueConstraint("secret_sha256", name="uq_token_secret_sha256"),
    )
    op.create_table(
        "allocation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("gpu", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("closed_at IS NULL OR ended_at IS NOT NULL", name="ck_allocation_ended_first"),
        sa.ForeignKeyConstraint(["gpu"], ["gpu.uuid"], name="fk_allocation_gpu"),
        sa.ForeignKeyConstraint(["lease"], ["lease.id"], name="fk_allocation_lease"),
        sa.ForeignKeyConstraint(["node"], ["node.name"], name="fk_allocation_node"),
        sa.PrimaryKeyConstraint("id", name="pk_allocation"),
    )
    op.create_index("ix_allocation_lease", "allocation", ["lease"], unique=False)
    op.create_index(
        "ix_allocation_live_node", "allocation", ["node"], unique=False, postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_index(
        "uq_allocation_live_gpu", "allocation", ["gpu"], unique=True, postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_table(
        "lease_event",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["lease"], ["lease.id"], name="fk_lease_event_lease"),
        sa.PrimaryKeyConstraint("seq", name="pk_lease_event"),
    )
    op.create_index("ix_lease_event_lease_seq", "lease_event", ["lease", "seq"], unique=False)
    op.create_table(
        "ledger_entry",
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("gpu_seconds", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("committed", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('commit', 'settle', 'refund')", name="ck_ledger_entry_kind"),
        sa.CheckConstraint("committed >= 0 AND spent >= 0", name="ck_ledger_entry_balance"),
        sa.CheckConstraint("gpu_seconds >= 0", name="ck_ledger_entry_amount"),
        sa.ForeignKeyConstraint(["company"], ["company.name"], name="fk_ledger_entry_company"),
        sa.ForeignKeyConstraint(["lease"], ["lease.id"], name="fk_ledger_entry_lease"),
        sa.ForeignKeyConstraint(["pool"], ["pool.name"], name="fk_ledger_entry_pool"),
        sa.PrimaryKeyConstraint("company", "pool", "seq", name="pk_ledger_entry"),
    )
    op.create_index("ix_ledger_entry_lease", "ledger_entry", ["lease"], unique=False)
    op.create_table(
        "placement",
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.CheckConstraint("gpus > 0", name="ck_placement_gpus"),
        sa.ForeignKeyConstraint(["lease"], ["lease.id"], name="fk_placement_lease"),
        sa.ForeignKeyConstraint(["node"], ["node.name"], name="fk_placement_node"),
        sa.PrimaryKeyConstraint("lease", "node", name="pk_placement"),
    )
    op.create_table(
        "allocation_use",
        sa.Column("allocation", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("sampled_ms", sa.BigInteger(), nullable=False),
        sa.Column("busy_ms", sa.BigInteger(), nullable=False),
        sa.Column("energy_millijoules", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["allocation"], ["allocation.id"], name="fk_allocation_use_allocation"),
        sa.PrimaryKeyConstraint("allocation", "boot", name="pk_allocation_use"),
    )


def _rights() -> None:
    """The processes work as `dure_app`, which may not change or remove what is append-only.

    Roles belong to the whole server, so another database's migration may have made it, or be making it now.
    """
    op.execute(
        """
        DO $$ BEGIN
            CREATE ROLE dure_app NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$
        """
    )
    op.execute("GRANT dure_app TO CURRENT_USER")
    op.execute("GRANT USAGE ON SCHEMA public TO dure_app")
    op.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO dure_app")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO dure_app")
    op.execute(f"GRANT INSERT ON {', '.join(APPEND_ONLY)} TO dure_app")
    op.execute(f"GRANT INSERT, UPDATE, DELETE ON {', '.join(CHANGEABLE)} TO dure_app")
    op.execute("GRANT UPDATE ON leader, receiving TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
