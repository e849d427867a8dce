"""What is to be the first part of decisions and of pools' logs says where it ends, so that it is not read while it is locked.

The next migration validates that and makes parts of them. In between nothing is refused for two months.
"""

from alembic import op

revision = "20261130_bounds"
down_revision = "20261130_server_life"
branch_labels = None
depends_on = None
step = "expand"

FIRST_END = "date_trunc('month', now() AT TIME ZONE 'UTC') + interval '3 months'"

BASE32 = """
CREATE FUNCTION id_from(prefix text, at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    -- As scheduler.ids writes it: ten figures of 32 are the microseconds but for their last two bits.
    SELECT prefix || '_' || string_agg(
        substr('0123456789abcdefghjkmnpqrstvwxyz', ((extract(epoch FROM at)::numeric * 250000)::bigint >> (5 * place) & 31)::int + 1, 1),
        '' ORDER BY place DESC)
    FROM generate_series(0, 9) place
$$
"""

BOUNDS = f"""
DO $$
DECLARE
    first_end timestamptz := ({FIRST_END}) AT TIME ZONE 'UTC';
BEGIN
    EXECUTE format('ALTER TABLE decision ADD CONSTRAINT ck_decision_first_part CHECK (id < %L) NOT VALID',
        id_from('dec', first_end));
    EXECUTE format('ALTER TABLE pool_change ADD CONSTRAINT ck_pool_change_first_part CHECK (at < %L) NOT VALID', first_end);
    EXECUTE format('COMMENT ON CONSTRAINT ck_pool_change_first_part ON pool_change IS %L', first_end);
END
$$
"""
"""The comment keeps the instant for the next migration, which may run on another day."""


def upgrade() -> None:
    op.execute(BASE32)
    op.execute(BOUNDS)


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
