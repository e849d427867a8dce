"""Decisions, pools' logs and what happened on nodes are kept in parts, a month each, so that what is old goes without a scan.

The tables that there are become the first parts as they are. Parts are made ahead, and removed, by functions that belong
to who migrates: the processes' role may call them and owns nothing.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261130_parts"
down_revision = "20261130_bounds"
branch_labels = None
depends_on = None
step = "expand"

EXISTS = """
CREATE FUNCTION decision_exists() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    named text := CASE TG_TABLE_NAME WHEN 'lease' THEN to_jsonb(NEW)->>'decision' ELSE to_jsonb(NEW)->>'part_of' END;
BEGIN
    IF named IS NOT NULL AND NOT EXISTS (SELECT FROM decision WHERE id = named) THEN
        RAISE EXCEPTION 'there is no decision %', named USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END
$$
"""
"""In place of foreign keys: a decision is there when it is named, and may go when it is older than decisions are kept."""

FROM = """
CREATE FUNCTION part_from(parent text, month timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE parent
        WHEN 'decision' THEN quote_literal(id_from('dec', month))
        WHEN 'pool_change' THEN quote_literal(to_char(month AT TIME ZONE 'UTC', 'YYYY-MM-DD') || ' UTC')
        WHEN 'node_event' THEN extract(epoch FROM month)::bigint::text
    END
$$
"""
"""Where the part of a month begins, as a literal of the column that it goes by."""

PARTS = """
CREATE FUNCTION parts() RETURNS TABLE (parent text, part text, begins timestamptz, ends timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT p.relname::text, c.relname::text, CASE WHEN name.of[1] = '' THEN month.at END,
           CASE WHEN name.of[1] = '' THEN (month.at AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC' ELSE month.at END
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
    CROSS JOIN LATERAL (SELECT regexp_match(c.relname, '^' || p.relname || '_(until_|)([0-9]{4})_([0-9]{2})$') AS of) name
    CROSS JOIN LATERAL (SELECT make_timestamptz(name.of[2]::int, name.of[3]::int, 1, 0, 0, 0, 'UTC') AS at) month
    WHERE p.relkind = 'p' AND p.relname IN ('decision', 'pool_change', 'node_event') AND name.of IS NOT NULL
$$
"""
"""All but those that have what no month has. The first part has no beginning."""

MAKE = """
CREATE FUNCTION part_make(parent text, month timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    begins timestamptz := date_trunc('month', month AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    ends timestamptz := (date_trunc('month', month AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
    part text := parent || '_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM');
    rest text := parent || '_rest';
    column_ text := CASE parent WHEN 'decision' THEN 'id' WHEN 'pool_change' THEN 'at' WHEN 'node_event' THEN 'told_at' END;
BEGIN
    IF column_ IS NULL OR (begins BETWEEN clock_timestamp() - interval '2 years' AND clock_timestamp() + interval '2 years')
        IS NOT TRUE
    THEN
        RAISE EXCEPTION 'no part of % is made for %', parent, month USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF to_regclass(part) IS NOT NULL OR EXISTS (SELECT FROM parts() p WHERE p.parent = part_make.parent AND p.begins IS NULL
                                                AND p.ends > part_make.month) THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', rest);
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', part, parent);
    EXECUTE format(
        'WITH moved AS (DELETE FROM %I WHERE %I >= %s AND %I < %s RETURNING *) INSERT INTO %I SELECT * FROM moved',
        rest, column_, part_from(parent, begins), column_, part_from(parent, ends), part);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
        parent, part, part_from(parent, begins), part_from(parent, ends));
    RETURN true;
END
$$
"""
"""What was written while the part was missing is in the rest, and moves into it."""

DROP = """
CREATE FUNCTION part_drop(part text, before timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    found record;
    needed boolean;
BEGIN
    SELECT * INTO found FROM parts() p WHERE p.part = part_drop.part;
    IF part_drop.part IS NULL OR before IS NULL OR found IS NULL OR (found.ends <= before AND before <= clock_timestamp()
        - (CASE found.parent WHEN 'node_event' THEN interval '90 days' ELSE interval '400 days' END)) IS NOT TRUE
    THEN
        RAISE EXCEPTION '% has what must be kept', part USING ERRCODE = 'invalid_parameter_value';
    END IF;
    CASE found.parent
    WHEN 'decision' THEN
        EXECUTE format(
            'SELECT EXISTS (SELECT FROM lease l WHERE l.state IN (''queued'', ''scheduled'', ''active'', ''ending'')'
            ' AND (EXISTS (SELECT FROM %1$I d WHERE d.lease = l.id) OR EXISTS (SELECT FROM %1$I d WHERE d.id = l.decision)))', part)
        INTO needed;
    WHEN 'pool_change' THEN
        EXECUTE format(
            'SELECT EXISTS (SELECT FROM %I c WHERE NOT EXISTS ('
            ' SELECT FROM pool_book b WHERE b.pool = c.pool AND b.generation >= c.generation AND b.at < %L))', part, before)
        INTO needed;
    ELSE
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE at >= %L)', part, before) INTO needed;
    END CASE;
    IF needed THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', found.parent, part);
    IF found.parent = 'pool_change' THEN
        EXECUTE format(
            'INSERT INTO pool_change OVERRIDING SYSTEM VALUE SELECT * FROM %I c WHERE kind IN (''share'', ''group'', ''policy'')'
            ' OR kind IN (''mix'', ''uses'') AND NOT EXISTS (SELECT FROM pool_change n WHERE n.pool = c.pool AND n.kind = c.kind)'
            ' AND NOT EXISTS (SELECT FROM %I n WHERE n.pool = c.pool AND n.kind = c.kind AND n.generation > c.generation)', part, part);
        DELETE FROM pool_book b WHERE b.at < before AND EXISTS (
            SELECT FROM pool_book n WHERE n.pool = b.pool AND n.generation > b.generation AND n.at < before);
    END IF;
    EXECUTE format('DROP TABLE %I', part);
    RETURN true;
END
$$
"""
"""Refuses what no retention may remove, and answers false for what is needed still: by a lease that is not over, by
decisions that are kept, or as it happened later than its node's clock said. What says in which group a company was, and
what a pool goes by now, stays.
"""

FUNCTIONS = ("part_make(text, timestamptz)", "part_drop(text, timestamptz)")


def upgrade() -> None:
    op.execute("ALTER TABLE decision VALIDATE CONSTRAINT ck_decision_first_part")
    op.execute("ALTER TABLE pool_change VALIDATE CONSTRAINT ck_pool_change_first_part")
    for function in (EXISTS, FROM, PARTS, MAKE, DROP):
        op.execute(function)
    _books()
    _decisions()
    _changes()
    _node_events()
    for parent in ("decision", "pool_change", "node_event"):
        _first(parent)
    op.execute("ALTER TABLE decision_until DROP CONSTRAINT ck_decision_first_part")
    op.execute("ALTER TABLE pool_change_until DROP CONSTRAINT ck_pool_change_first_part")
    op.execute(NAMES)
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO dure_app")
    op.execute("GRANT SELECT ON decision_rest, pool_change_rest TO dure_app")
    op.execute(AHEAD)


def _books() -> None:
    op.create_table(
        "pool_book",
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("items", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("pool", "generation", name=op.f("pk_pool_book")),
    )
    op.execute("GRANT SELECT, INSERT ON pool_book TO dure_app")


def _aside(table: str, primary: str, indexes: tuple[str, ...]) -> None:
    """The table under another name, with all that it has, and an empty one like it in its place."""
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_until")
    for index in (primary, *indexes):
        op.execute(f"ALTER INDEX {index} RENAME TO {index}_until")


def _decisions() -> None:
    op.drop_constraint("fk_lease_decision", "lease", type_="foreignkey")
    op.drop_constraint("fk_decision_part_of", "decision", type_="foreignkey")
    _aside("decision", "pk_decision", ("ix_decision_lease", "ix_decision_pool_generation"))
    _like("decision", "id", but="ck_decision_first_part")
    op.execute("ALTER TABLE decision ADD CONSTRAINT pk_decision PRIMARY KEY (id)")
    op.create_index("ix_decision_lease", "decision", ["lease"])
    op.create_index(
        "ix_decision_pool_generation",
        "decision",
        ["pool", "generation"],
        postgresql_where=sa.text("inputs IS NOT NULL"),
    )
    op.execute("GRANT SELECT, INSERT ON decision TO dure_app")
    for table, column in (("lease", "decision"), ("decision", "part_of")):
        op.execute(
            f"CREATE TRIGGER {table}_{column}_exists AFTER INSERT OR UPDATE OF {column} ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION decision_exists()"
        )


def _changes() -> None:
    """Its numbers go on. Nobody looks a row up by its number, so no part has an index of them but the first."""
    op.execute("ALTER TABLE pool_change ALTER COLUMN seq DROP IDENTITY")
    names = ("ix_pool_change_pool_generation", "ix_pool_change_mix", "ix_pool_change_uses", "ix_pool_change_share")
    _aside("pool_change", "pk_pool_change", names)
    _like("pool_change", "at", but="ck_pool_change_first_part")
    op.execute("ALTER TABLE pool_change ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY")
    op.execute(
        "SELECT setval(pg_get_serial_sequence('pool_change', 'seq'), coalesce((SELECT max(seq) FROM pool_change_until), 0) + 1, false)"
    )
    op.create_index("ix_pool_change_pool_generation", "pool_change", ["pool", "generation"])
    for kind, columns in (
        ("mix", ["pool", "generation"]),
        ("uses", ["pool", "generation"]),
        ("share", ["pool", "subject"]),
    ):
        name = f"ix_pool_change_{kind}"
        op.create_index(name, "pool_change", columns, postgresql_where=sa.text(f"kind = '{kind}'"))
    op.execute("GRANT SELECT, INSERT ON pool_change TO dure_app")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO dure_app")


def _node_events() -> None:
    """By the node's own clock, which is a part of what makes an event the same when it is told again."""
    _aside("node_event", "pk_node_event", ("ix_node_event_node_at_id", "ix_node_event_at"))
    _like("node_event", "told_at")
    op.execute("ALTER TABLE node_event ADD CONSTRAINT pk_node_event PRIMARY KEY (node, id, told_at)")
    op.execute("ALTER TABLE node_event ADD CONSTRAINT fk_node_event_node FOREIGN KEY (node) REFERENCES node (name)")
    op.create_index("ix_node_event_node_at_id", "node_event", ["node", "at", "id"])
    op.create_index("ix_node_event_at", "node_event", ["at"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON node_event TO dure_app")
    op.execute("GRANT SELECT, DELETE ON node_event_rest TO dure_app")


def _like(table: str, column: str, but: str | None = None) -> None:
    """A table of parts with the columns and checks of the one that was put aside, but for one check."""
    op.execute(
        f"CREATE TABLE {table} (LIKE {table}_until INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)"
        f" PARTITION BY RANGE ({column})"
    )
    if but is not None:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {but}")
    op.execute(f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT")


def _first(parent: str) -> None:
    """Rows of the first part that a wrong clock put beyond its end are of the rest; only nodes' clocks can be wrong."""
    end = f"part_from('{parent}', obj_description(oid, 'pg_constraint')::timestamptz)"
    found = f"(SELECT {end} FROM pg_constraint WHERE conname = 'ck_pool_change_first_part' AND conrelid = 'pool_change_until'::regclass)"
    if parent == "node_event":
        op.execute(
            f"WITH moved AS (DELETE FROM node_event_until WHERE told_at >= {found}::float8 RETURNING *)"
            " INSERT INTO node_event_rest SELECT * FROM moved"
        )
    op.execute(
        f"""
        DO $$ BEGIN
            EXECUTE format('ALTER TABLE {parent} ATTACH PARTITION {parent}_until FOR VALUES FROM (MINVALUE) TO (%s)', {found});
        END $$
        """
    )


NAMES = """
DO $$
DECLARE
    ends timestamptz;
    parent text;
BEGIN
    -- Where the first parts end, which their names then say.
    SELECT (regexp_match(pg_get_expr(relpartbound, oid), 'TO \\(''(.*)''\\)'))[1]::timestamptz INTO ends
    FROM pg_class WHERE oid = 'pool_change_until'::regclass;
    FOREACH parent IN ARRAY ARRAY['decision', 'pool_change', 'node_event'] LOOP
        EXECUTE format('ALTER TABLE %I RENAME TO %I', parent || '_until',
            parent || '_until_' || to_char(ends AT TIME ZONE 'UTC', 'YYYY_MM'));
    END LOOP;
END
$$
"""

AHEAD = """
SELECT part_make(parent, month) FROM unnest(ARRAY['decision', 'pool_change', 'node_event']) parent,
    generate_series(date_trunc('month', now()), now() + interval '5 months', interval '1 month') month
"""


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
