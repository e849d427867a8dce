"""What `GET /v1/checkup` looks at of nodes, pools, leases, webhooks and tokens. Every query is a count, or what is amiss."""

from sqlalchemy import text
from sqlmodel import Session, col, select

from scheduler.checkup import facts
from scheduler.store import clusters
from scheduler.store.tables import Cluster, Webhook

TRIED_WITHIN_S = 120
"""A delivery that is due for longer was not even tried."""

ENDS_WITHIN_S = 14 * 86_400
"""Tokens that end later than that are nobody's concern yet."""

ASKED_AFTER_S = 60
"""Agents ask who is on a GPU where a lease begins or ends, and else hardly ever, so that a reading that does not say it means
nothing. Of one whose lease is over for so long every agent asked that can."""

_AGENTS = text(
    """
    SELECT n.name AS node, n.state, extract(epoch FROM n.enrolled_at)::float8 AS enrolled_at,
        extract(epoch FROM n.last_report_at)::float8 AS heard_at, n.agent_version AS version, n.clock_offset_s AS offset_s,
        EXISTS (
            SELECT FROM jsonb_array_elements(CASE jsonb_typeof(n.reading) WHEN 'array' THEN n.reading END) r
            JOIN allocation a ON a.gpu = r ->> 'uuid'
            WHERE r ->> 'processes' IS NULL AND r ->> 'health' = 'ok' AND a.node = n.name AND a.closed_at IS NULL
                AND a.ended_at < n.last_report_at - :asked * interval '1 second'
        ) AS blind,
        n.vouched_by IS NOT NULL AS vouched, t.node IS NOT NULL AS has_token,
        CASE WHEN t.is_endless THEN NULL ELSE extract(epoch FROM t.ends_at)::float8 END AS ends_at,
        (
            SELECT extract(epoch FROM max(j.expires_at))::float8 FROM token j WHERE j.node = n.name AND j.role = 'join'
            AND j.used_at IS NULL AND j.revoked_at IS NULL AND j.expires_at > to_timestamp(:now)
        ) AS joins_by
    FROM node n LEFT JOIN (
        SELECT node, max(expires_at) AS ends_at, bool_or(expires_at IS NULL) AS is_endless FROM token
        WHERE role = 'node' AND revoked_at IS NULL AND replaced_at IS NULL GROUP BY node
    ) t ON t.node = n.name
    ORDER BY n.name
    """
)
_POOLS = text(
    """
    SELECT p.name, p.cluster, count(DISTINCT g.node) AS nodes, count(g.uuid) AS gpus,
        (SELECT coalesce(jsonb_object_agg(q.company, q.gpus), '{}') FROM quota q
            WHERE q.pool = p.name AND NOT q.of_default
            AND q.gpus > (SELECT count(*) FROM gpu WHERE pool = p.name AND present)) AS above
    FROM pool p LEFT JOIN gpu g ON g.pool = p.name AND g.present
    GROUP BY p.name, p.cluster ORDER BY p.name
    """
)
_GPUS = text(
    """
    SELECT coalesce(pool, '') AS pool, node, count(*) FILTER (WHERE quarantined) AS quarantined,
        count(*) FILTER (WHERE health = 'unhealthy') AS unhealthy, count(*) FILTER (WHERE health = 'suspect') AS suspect
    FROM gpu WHERE present AND (quarantined OR health <> 'ok') GROUP BY 1, 2 ORDER BY 1, 2
    """
)
_VIOLATIONS = text("SELECT coalesce(pool, ''), count(*) FROM violation WHERE ended_at IS NULL GROUP BY 1 ORDER BY 1")
_OVERDUE = text(
    """
    SELECT id FROM lease WHERE state IN ('active', 'ending') AND stops_at < to_timestamp(:now) - interval '5 seconds'
    ORDER BY stops_at, id LIMIT 20
    """
)
_DEGRADED = text(
    """
    SELECT DISTINCT a.lease FROM allocation_loss s JOIN allocation a ON a.id = s.allocation JOIN lease l ON l.id = a.lease
    WHERE s.until IS NULL AND l.state = 'active' ORDER BY 1 LIMIT 20
    """
)
_UNSENT = text(
    """
    SELECT count(*), extract(epoch FROM min(d.next_at))::float8 FROM webhook_delivery d JOIN webhook w ON w.id = d.webhook
    WHERE d.state = 'pending' AND d.next_at < to_timestamp(:now) - :tried * interval '1 second'
        AND w.disabled_at IS NULL AND w.removed_at IS NULL AND coalesce(w.retry_at, 'epoch') < to_timestamp(:now) - :tried * interval '1 second'
    """
)
_TOKENS = text(
    """
    SELECT id, role, extract(epoch FROM expires_at)::float8 AS ends_at FROM token
    WHERE role IN ('admin', 'operator', 'auditor', 'company') AND revoked_at IS NULL
        AND expires_at BETWEEN to_timestamp(:now) AND to_timestamp(:now) + :within * interval '1 second'
    ORDER BY expires_at, id LIMIT 50
    """
)


def fleet(session: Session, *, now: float) -> facts.Fleet:
    """As of the session's snapshot."""
    connection = session.connection()
    gpus = connection.execute(_GPUS).all()
    unsent, since = connection.execute(_UNSENT, {"now": now, "tried": TRIED_WITHIN_S}).one()
    tokens = connection.execute(_TOKENS, {"now": now, "within": ENDS_WITHIN_S}).mappings()
    return facts.Fleet(
        agents=[
            facts.Agent(**row) for row in connection.execute(_AGENTS, {"now": now, "asked": ASKED_AFTER_S}).mappings()
        ],
        pools=_pools(session),
        clusters=[
            facts.Cluster(name=row.name, heard_at=row.heard_at, trouble=row.trouble)
            for row in session.exec(select(Cluster).order_by(col(Cluster.name)))
        ],
        quarantined={(one.pool, one.node): one.quarantined for one in gpus if one.quarantined},
        unhealthy={(one.pool, one.node): one.unhealthy for one in gpus if one.unhealthy},
        suspect={(one.pool, one.node): one.suspect for one in gpus if one.suspect},
        violations={str(pool): int(count) for pool, count in connection.execute(_VIOLATIONS)},
        overdue=connection.execute(_OVERDUE, {"now": now}).scalars().all(),
        degraded=connection.execute(_DEGRADED).scalars().all(),
        webhooks=_webhooks(session),
        unsent=unsent,
        unsent_since=since,
        tokens=[facts.Token(**row) for row in tokens],
    )


def _pools(session: Session) -> list[facts.Pool]:
    unserved = {pool for pool, _ in clusters.unserved(session)}
    rows = session.connection().execute(_POOLS).mappings()
    return [facts.Pool(**row, served=row["name"] not in unserved) for row in rows]


def _webhooks(session: Session) -> list[facts.Webhook]:
    amiss = col(Webhook.failing_since).is_not(None) | col(Webhook.disabled_at).is_not(None)
    query = select(Webhook).where(col(Webhook.removed_at).is_(None), amiss).order_by(col(Webhook.id))
    return [
        facts.Webhook(id=row.id, company=row.company, failing_since=row.failing_since, disabled_at=row.disabled_at)
        for row in session.exec(query)
    ]
