"""The ledger as double entry, over accounts of periods too; the database itself keeps its numbers and sums."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_ledger"
down_revision = "20261124_version_5"
branch_labels = None
depends_on = None

BALANCE = "available >= 0 AND committed >= 0 AND spent >= 0 AND expired >= 0 AND granted >= 0"
BALANCED = "granted = available + committed + spent + expired"

TRANSFERS = (
    "(kind, debit, credit) IN ("
    "('grant', 'source', 'available'), ('grant', 'available', 'source'), "
    "('commit', 'available', 'committed'), ('commit', 'source', 'committed'), "
    "('settle', 'committed', 'spent'), "
    "('refund', 'committed', 'available'), ('refund', 'committed', 'source'), "
    "('adjust', 'source', 'available'), ('adjust', 'available', 'source'), "
    "('expire', 'available', 'expired'))"
)

FOLLOWS = """
CREATE FUNCTION ledger_entry_follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last public.ledger_entry;
BEGIN
    SELECT * INTO last FROM public.ledger_entry WHERE account = NEW.account AND seq = NEW.seq - 1;
    IF NOT FOUND AND NEW.seq <> 1 THEN
        RAISE EXCEPTION USING
            MESSAGE = 'entry ' || NEW.seq || ' of account ' || NEW.account || ' follows none of the number before it',
            ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_follows';
    END IF;
    IF (NEW.granted IS DISTINCT FROM coalesce(last.granted, 0)
            + CASE 'source' WHEN NEW.debit THEN NEW.gpu_seconds WHEN NEW.credit THEN -NEW.gpu_seconds ELSE 0 END
        OR NEW.available IS DISTINCT FROM coalesce(last.available, 0)
            + CASE 'available' WHEN NEW.credit THEN NEW.gpu_seconds WHEN NEW.debit THEN -NEW.gpu_seconds ELSE 0 END
        OR NEW.committed IS DISTINCT FROM coalesce(last.committed, 0)
            + CASE 'committed' WHEN NEW.credit THEN NEW.gpu_seconds WHEN NEW.debit THEN -NEW.gpu_seconds ELSE 0 END
        OR NEW.spent IS DISTINCT FROM coalesce(last.spent, 0)
            + CASE 'spent' WHEN NEW.credit THEN NEW.gpu_seconds ELSE 0 END
        OR NEW.expired IS DISTINCT FROM coalesce(last.expired, 0)
            + CASE 'expired' WHEN NEW.credit THEN NEW.gpu_seconds ELSE 0 END)
    THEN
        RAISE EXCEPTION USING
            MESSAGE = 'entry ' || NEW.seq || ' of account ' || NEW.account || ' has balances that do not follow from it',
            ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_follows';
    END IF;
    RETURN NEW;
END $$
"""

STAYS = """
CREATE FUNCTION ledger_entry_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: post an entry that puts it right'
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'ledger_entry_stays';
END $$
"""


def upgrade() -> None:
    _accounts()
    _entries()
    op.execute(FOLLOWS)
    op.execute(
        "CREATE TRIGGER ledger_entry_follows BEFORE INSERT ON ledger_entry"
        " FOR EACH ROW EXECUTE FUNCTION ledger_entry_follows()"
    )
    op.execute(STAYS)
    op.execute(
        "CREATE TRIGGER ledger_entry_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry"
        " FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_stays()"
    )
    op.execute("REVOKE DELETE ON account FROM dure_app")


def _accounts() -> None:
    """Until now no company had a budget: what is committed and spent came straight out of the source."""
    op.drop_constraint("pk_account", "account", type_="primary")
    op.add_column("account", sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False))
    op.create_primary_key("pk_account", "account", ["id"])
    for name in ("period", "period_ends"):
        op.add_column("account", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    _balances("account")
    op.drop_constraint("ck_account_committed", "account", type_="check")
    op.drop_constraint("ck_account_spent", "account", type_="check")
    op.create_check_constraint(
        op.f("ck_account_period"), "account", "(period IS NULL) = (period_ends IS NULL) AND period < period_ends"
    )
    op.create_unique_constraint(
        op.f("uq_account_owner"), "account", ["company", "pool", "period"], postgresql_nulls_not_distinct=True
    )


def _entries() -> None:
    """Every entry keeps its number, its amount and what it is for; only how it is said becomes another."""
    op.add_column("ledger_entry", sa.Column("account", sa.BigInteger(), nullable=True))
    for name in ("debit", "credit", "actor", "reason"):
        op.add_column("ledger_entry", sa.Column(name, sa.Text(), nullable=True))
    op.execute(
        """
        UPDATE ledger_entry e SET account = a.id,
            debit = CASE e.kind WHEN 'commit' THEN 'source' ELSE 'committed' END,
            credit = CASE e.kind WHEN 'commit' THEN 'committed' WHEN 'settle' THEN 'spent' ELSE 'source' END
        FROM account a WHERE a.company = e.company AND a.pool = e.pool
        """
    )
    _balances("ledger_entry")
    for name in ("account", "debit", "credit"):
        op.alter_column("ledger_entry", name, nullable=False)
    op.alter_column("ledger_entry", "lease", nullable=True)
    op.drop_constraint("pk_ledger_entry", "ledger_entry", type_="primary")
    op.drop_column("ledger_entry", "company")
    op.drop_column("ledger_entry", "pool")
    op.create_primary_key("pk_ledger_entry", "ledger_entry", ["account", "seq"])
    op.create_foreign_key("fk_ledger_entry_account", "ledger_entry", "account", ["account"], ["id"])
    op.drop_constraint("ck_ledger_entry_kind", "ledger_entry", type_="check")
    op.drop_constraint("ck_ledger_entry_amount", "ledger_entry", type_="check")
    op.create_check_constraint(op.f("ck_ledger_entry_transfer"), "ledger_entry", TRANSFERS)
    op.create_check_constraint(op.f("ck_ledger_entry_amount"), "ledger_entry", "gpu_seconds > 0")
    op.create_check_constraint(
        op.f("ck_ledger_entry_lease"), "ledger_entry", "(lease IS NOT NULL) = (kind IN ('commit', 'settle', 'refund'))"
    )
    op.create_check_constraint(
        op.f("ck_ledger_entry_adjusted"),
        "ledger_entry",
        "kind <> 'adjust' OR (actor IS NOT NULL AND reason IS NOT NULL)",
    )


def _balances(table: str) -> None:
    for name in ("granted", "available", "expired"):
        op.add_column(table, sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(f"UPDATE {table} SET granted = committed + spent")
    for name in ("granted", "available", "expired"):
        op.alter_column(table, name, server_default=None)
    if table == "ledger_entry":
        op.drop_constraint("ck_ledger_entry_balance", table, type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_balance"), table, BALANCE)
    op.create_check_constraint(op.f(f"ck_{table}_balanced"), table, BALANCED)


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
