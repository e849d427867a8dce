"""GPUs that are lost while their lease runs are written down, and nodes say when their machine was restarted."""

import sqlalchemy as sa
from alembic import op

revision = "20261129_lost_gpus"
down_revision = "20261129_walk_in"
branch_labels = None
depends_on = None

STAYS = """
CREATE FUNCTION allocation_loss_stays() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    held record;
    presumed boolean;
    allowed boolean := true;
BEGIN
    SELECT a.ended_at, a.given_back, l.state, n.state AS node_state INTO held
    FROM public.allocation a JOIN public.lease l ON l.id = a.lease JOIN public.node n ON n.name = a.node
    WHERE a.id = coalesce(OLD.allocation, NEW.allocation);
    -- What was given back while its node was silent is judged when the node is heard.
    presumed := OLD.wrong = 'node_unknown' AND held.given_back AND held.node_state = 'ok';
    IF held.state = 'ended' THEN
        allowed := false;
    ELSIF TG_OP = 'DELETE' THEN
        allowed := OLD.until IS NULL OR OLD.since >= held.ended_at OR presumed;
    ELSIF TG_OP = 'UPDATE' THEN
        allowed := NEW.allocation = OLD.allocation AND NEW.since = OLD.since AND (
            OLD.until IS NULL
            OR (NEW.until = OLD.until OR NEW.until < OLD.until AND NEW.until = held.ended_at)
                AND (NEW.wrong = OLD.wrong OR presumed));
    END IF;
    IF allowed IS NOT TRUE THEN
        RAISE EXCEPTION 'what a lease lost is what it is refunded by, and stays: adjust the ledger instead'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'allocation_loss_stays';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    IF EXISTS (
        SELECT FROM public.allocation_loss x WHERE x.allocation = NEW.allocation AND x.since <> NEW.since
        AND x.since < coalesce(NEW.until, 'infinity') AND NEW.since < coalesce(x.until, 'infinity'))
    THEN
        RAISE EXCEPTION 'a second of a GPU is lost once'
            USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'allocation_loss_apart';
    END IF;
    RETURN NEW;
END $$
"""
"""Exactly what `scheduler.store.lost_gpus` does to a stretch that is over: it is cut off where its GPU was not held any more."""


def upgrade() -> None:
    op.add_column("node", sa.Column("host_boot", sa.Text(), nullable=True))
    op.create_table(
        "allocation_loss",
        sa.Column("allocation", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("wrong", sa.Text(), nullable=False),
        sa.CheckConstraint("since < until", name="ck_allocation_loss_span"),
        sa.ForeignKeyConstraint(["allocation"], ["allocation.id"], name=op.f("fk_allocation_loss_allocation")),
        sa.PrimaryKeyConstraint("allocation", "since", name=op.f("pk_allocation_loss")),
    )
    op.create_index(
        "uq_allocation_loss_open",
        "allocation_loss",
        ["allocation"],
        unique=True,
        postgresql_where=sa.text("until IS NULL"),
    )
    op.execute(STAYS)
    op.execute(
        "CREATE TRIGGER allocation_loss_stays BEFORE INSERT OR UPDATE OR DELETE ON allocation_loss"
        " FOR EACH ROW EXECUTE FUNCTION allocation_loss_stays()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON allocation_loss TO dure_app")


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
