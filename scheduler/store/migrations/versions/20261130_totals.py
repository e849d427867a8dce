"""What metrics tell of all leases that there ever were is added up as it happens, so that no scrape reads them all.

From here on triggers add what is new, whichever release writes it. The next migration adds what there was before.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261130_totals"
down_revision = "20261130_parts"
branch_labels = None
depends_on = None
step = "expand"

OVER = "'refused', 'ended', 'cancelled', 'expired'"

IS_OVER = """
CREATE FUNCTION lease_is_over() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO leases_over (pool, state, leases) VALUES (NEW.pool, NEW.state, 1);
    RETURN NULL;
END
$$
"""
"""A row of its own: nobody waits for who ends another lease."""

ADDS_UP = """
CREATE FUNCTION lease_day_adds_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO use_total AS t (company, pool, kind, counted)
    SELECT d.company, d.pool, v.kind, sum(v.value)::bigint
    FROM days d CROSS JOIN LATERAL (
        VALUES ('leased', d.leased), ('busy', d.busy), ('idle', d.idle), ('lost', d.lost), ('joules', d.energy_joules)
    ) v (kind, value)
    WHERE v.value IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (company, pool, kind) DO UPDATE SET counted = t.counted + excluded.counted;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "leases_over",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("leases", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(f"state IN ({OVER})", name=op.f("ck_leases_over_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leases_over")),
    )
    op.create_table(
        "use_total",
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=False),
        sa.Column("told", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('leased', 'busy', 'idle', 'lost', 'joules')", name=op.f("ck_use_total_kind")),
        sa.PrimaryKeyConstraint("company", "pool", "kind", name=op.f("pk_use_total")),
    )
    op.execute("GRANT SELECT, INSERT, DELETE ON leases_over TO dure_app")
    op.execute("GRANT SELECT, INSERT, UPDATE ON use_total TO dure_app")
    op.execute(IS_OVER)
    op.execute(ADDS_UP)
    op.execute(
        f"CREATE TRIGGER lease_is_over_at_once AFTER INSERT ON lease FOR EACH ROW WHEN (NEW.state IN ({OVER}))"
        " EXECUTE FUNCTION lease_is_over()"
    )
    op.execute(
        "CREATE TRIGGER lease_is_over AFTER UPDATE OF state ON lease FOR EACH ROW"
        f" WHEN (NEW.state IN ({OVER}) AND OLD.state NOT IN ({OVER})) EXECUTE FUNCTION lease_is_over()"
    )
    op.execute(
        "CREATE TRIGGER lease_day_adds_up AFTER INSERT ON lease_day REFERENCING NEW TABLE AS days"
        " FOR EACH STATEMENT EXECUTE FUNCTION lease_day_adds_up()"
    )


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
