"""Decisions keep their inputs and results, plans are decisions too, and the log of every pool goes back to a whole book."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261124_decisions"
down_revision = "20261124_offers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decision", sa.Column("kind", sa.Text(), nullable=False, server_default="ask"))
    op.add_column("decision", sa.Column("part_of", sa.Text(), nullable=True))
    op.add_column("decision", sa.Column("elsewhere", postgresql.JSONB(), nullable=False, server_default="[]"))
    for column in ("kind", "elsewhere"):
        op.alter_column("decision", column, server_default=None)
    for column in ("inputs", "inputs_digest", "result"):
        op.add_column("decision", sa.Column(column, sa.Text(), nullable=True))
    for column in ("lease", "company", "outcome"):
        op.alter_column("decision", column, nullable=True)
    op.create_foreign_key("fk_decision_part_of", "decision", "decision", ["part_of"], ["id"])
    op.create_check_constraint(
        "ck_decision_of_a_lease",
        "decision",
        "(lease IS NULL) = (company IS NULL) AND (lease IS NULL) = (outcome IS NULL)",
    )
    op.create_check_constraint("ck_decision_part", "decision", "inputs IS NULL OR part_of IS NULL")
    op.create_check_constraint(
        "ck_decision_kept",
        "decision",
        "(inputs IS NULL) = (inputs_digest IS NULL) AND (inputs IS NULL) = (result IS NULL)",
    )
    op.create_index(
        "ix_decision_pool_generation",
        "decision",
        ["pool", "generation"],
        unique=False,
        postgresql_where=sa.text("inputs IS NOT NULL"),
    )
    _begin_logs()


def _begin_logs() -> None:
    """Pools that are older than their log: what their books have now is written down as of their generation."""
    op.execute(
        """
        INSERT INTO pool_change (pool, generation, at, kind, subject, value)
        SELECT pool, p.generation, now(), kind, subject, value FROM (
            SELECT pool, 'node' AS kind, node AS subject, jsonb_build_object('id', node, 'capacity', capacity,
                'nominal', nominal, 'open', open) || CASE WHEN lost_at IS NULL THEN '{}' ELSE
                jsonb_build_object('lost_at', extract(epoch FROM lost_at)::bigint) END AS value
            FROM pool_node
            UNION ALL
            SELECT name, 'policy', '', jsonb_build_object('version', '2', 'horizon_s', 5184000, 'gap_s', gap_s, 'rule', rule,
                'slack_ppm', slack_ppm) || CASE WHEN reserve_ppm = 0 THEN '{}' ELSE
                jsonb_build_object('reserve_ppm', reserve_ppm, 'reserve_over_s', reserve_over_s) END
                || CASE WHEN seniority_s IS NULL THEN '{}' ELSE jsonb_build_object('seniority_s', seniority_s) END
            FROM pool
            UNION ALL
            SELECT pool, 'quota', company, jsonb_build_object('company', company, 'gpus', gpus) FROM quota
            UNION ALL
            SELECT pool, 'lease', id, jsonb_strip_nulls(jsonb_build_object('id', id, 'company', company, 'pool', pool,
                'shape', CASE WHEN gpus IS NULL THEN jsonb_build_array(nodes, gpus_per_node) ELSE
                    jsonb_build_array(gpus) END,
                'duration_s', duration_s, 'state', state, 'notice_s', notice_s, 'purpose', purpose,
                'asked_at', extract(epoch FROM asked_at)::bigint, 'start', extract(epoch FROM start)::bigint,
                'start_by', extract(epoch FROM start_by)::bigint,
                'promised_start', extract(epoch FROM promised_start)::bigint,
                'starts_at', extract(epoch FROM starts_at)::bigint, 'ends_at', extract(epoch FROM ends_at)::bigint,
                'stops_at', extract(epoch FROM stops_at)::bigint,
                'started_at', extract(epoch FROM started_at)::bigint, 'ended_at', extract(epoch FROM ended_at)::bigint,
                'end_cause', end_cause, 'placement',
                (SELECT jsonb_agg(jsonb_build_array(node, gpus) ORDER BY node) FROM placement WHERE lease = lease.id)))
            FROM lease
            WHERE state IN ('scheduled', 'active', 'ending') OR (state = 'ended' AND stops_at > now() - interval '1 day')
        ) item JOIN pool p ON p.name = item.pool
        WHERE NOT EXISTS (SELECT FROM pool_change c WHERE (c.pool, c.kind, c.subject) = (item.pool, item.kind, item.subject))
        """
    )


def downgrade() -> None:
    raise RuntimeError("Dure restores a backup rather than going back")
