"""The policy has versions, and every decision says by which it was made."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261129_policy"
down_revision = "20261129_quota_in_time"
branch_labels = None
depends_on = None

STAYS = """
CREATE FUNCTION policy_version_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the policy''s history is append-only: apply a version that puts it right'
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'policy_version_stays';
END $$
"""

FOLLOWS = """
CREATE FUNCTION policy_version_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.number <> 1 + coalesce((SELECT max(number) FROM public.policy_version), 0) THEN
        RAISE EXCEPTION USING
            MESSAGE = 'version ' || NEW.number || ' of the policy does not follow the newest one',
            ERRCODE = 'check_violation', CONSTRAINT = 'policy_version_follows';
    END IF;
    RETURN NEW;
END $$
"""

FIRST = """
INSERT INTO policy_version (number, at, actor, reason, value, changes)
SELECT 1, now(), 'upgrade', 'what the pools had before there were versions', jsonb_build_object(
    'programme', jsonb_build_object('zone', 'UTC'),
    'pools', coalesce(jsonb_object_agg(name, jsonb_build_object(
        'gap_s', gap_s, 'grace_s', grace_s, 'extension_closes_s', extension_closes_s, 'renews_before_s', renews_before_s,
        'empty_memory_bytes', empty_memory_bytes, 'rule', rule, 'slack_ppm', slack_ppm, 'reserve_ppm', reserve_ppm,
        'reserve_over_s', reserve_over_s, 'seniority_s', seniority_s, 'loss_grace_s', loss_grace_s)), '{}')), '[]'
FROM pool
"""


def upgrade() -> None:
    """What pools have is version 1. From the next generation on their decisions say so."""
    op.create_table(
        "policy_version",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("value", postgresql.JSONB(), nullable=False),
        sa.Column("changes", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_policy_version")),
    )
    op.add_column("pool", sa.Column("loss_grace_s", sa.Integer(), nullable=False, server_default="300"))
    op.alter_column("pool", "loss_grace_s", server_default=None)
    op.execute("UPDATE pool SET extension_closes_s = greatest(extension_closes_s, grace_s)")
    op.drop_constraint("ck_pool_extension", "pool", type_="check")
    op.create_check_constraint("ck_pool_extension", "pool", "extension_closes_s >= grace_s AND grace_s >= 0")
    op.create_check_constraint("ck_pool_loss_grace", "pool", "loss_grace_s >= 0")
    op.execute(FIRST)
    op.add_column("pool", sa.Column("policy_number", sa.BigInteger(), nullable=False, server_default="1"))
    op.alter_column("pool", "policy_number", server_default=None)
    op.create_foreign_key(op.f("fk_pool_policy_number"), "pool", "policy_version", ["policy_number"], ["number"])
    op.add_column("decision", sa.Column("policy_number", sa.BigInteger(), nullable=True))
    _from_the_next_generation_on()
    _append_only()


def _from_the_next_generation_on() -> None:
    op.execute("UPDATE pool SET generation = generation + 1")
    op.execute(
        """
        INSERT INTO pool_change (pool, generation, at, kind, subject, value)
        SELECT DISTINCT ON (c.pool) c.pool, p.generation, now(), 'policy', '', c.value || '{"number": 1}'
        FROM pool_change c JOIN pool p ON p.name = c.pool WHERE c.kind = 'policy'
        ORDER BY c.pool, c.generation DESC, c.seq DESC
        """
    )


def _append_only() -> None:
    op.execute(FOLLOWS)
    op.execute(
        "CREATE TRIGGER policy_version_follows BEFORE INSERT ON policy_version"
        " FOR EACH ROW EXECUTE FUNCTION policy_version_follows()"
    )
    op.execute(STAYS)
    op.execute(
        "CREATE TRIGGER policy_version_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON policy_version"
        " FOR EACH STATEMENT EXECUTE FUNCTION policy_version_stays()"
    )
    op.execute("GRANT SELECT, INSERT ON policy_version TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
