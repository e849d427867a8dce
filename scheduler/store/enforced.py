"""What clusters enforce, read for the reconciler; and what it saw there, written for people."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, delete, select

from scheduler.core.model import LeaseId
from scheduler.kube.desired import CompanyNow, Desired, LeaseNow, Left, Offender
from scheduler.store import bulk
from scheduler.store.tables import Lease, Pod

KEPT_S = 7 * 86_400
"""How long the last lines and exit codes of pods that are over are kept."""

SETTLES_S = 12
"""So long after extending has closed every extension that was in time is committed: a pod's deadline cannot be taken back."""

_HAS_LEFT = """
    allocation a JOIN node_holders k ON k.node = a.node AND a.closed_at IS NULL AND a.given_back
    JOIN LATERAL jsonb_to_recordset(k.holders) AS h (gpu text, pod text) ON h.gpu = a.gpu
"""
"""For queries: the pods `h` that have the GPU of an allocation `a` which their lease gave back, by the newest that kubelets told."""

_VERSION = text(
    f"""
    SELECT (SELECT coalesce(sum(generation), 0) FROM pool), (SELECT count(*) FROM pool WHERE cluster IS NOT NULL),
        (SELECT count(*) FROM company), (SELECT count(closed_at) FROM company), (SELECT max(closed_at) FROM company),
        (SELECT sum(hashtext(name)::bigint) FROM company WHERE pod_security <> 'baseline'),
        (SELECT sum(hashtext(id || seen_at)::bigint) FROM violation WHERE ended_at IS NULL AND company IS NOT NULL),
        (SELECT sum(hashtext(a.id || h.pod)::bigint) FROM {_HAS_LEFT}),
        (SELECT epoch FROM leader WHERE id = 1)
    """
)
"""What changes with everything that `desired` reads: every change of a lease or of a node's GPUs raises its pool's generation, and
every one of policy.
"""

_OFFENDERS = text(
    """
    SELECT v.company, v.node, v.evidence ->> 'pod' AS pod, v.evidence ->> 'pod_uid' AS uid,
        extract(epoch FROM v.began_at)::bigint AS since,
        EXISTS (
            SELECT FROM pod d WHERE d.company = v.company AND d.cluster = :cluster AND d.ended_at IS NULL
                AND d.lease IS NOT NULL AND d.seen_at < v.seen_at
                AND CASE WHEN v.evidence ->> 'pod_uid' IS NULL THEN d.name = v.evidence ->> 'pod'
                    ELSE d.uid = v.evidence ->> 'pod_uid' END
        ) AS is_known
    FROM violation v JOIN pool p ON p.name = v.pool
    WHERE v.ended_at IS NULL AND v.company IS NOT NULL AND p.violations = 'end' AND p.cluster = :cluster
        AND NOT EXISTS (
            SELECT FROM allocation a JOIN lease l ON l.id = a.lease
            WHERE a.gpu = v.gpu AND a.closed_at IS NULL AND a.ended_at IS NULL AND l.company = v.company
        )
    ORDER BY v.id
    """
)
"""A company that holds the GPU by now is left alone: its agent takes the violation back with the next report."""

_LEASES = text(
    """
    SELECT l.id, l.company, l.name, p.resource, l.state, l.extendable AND l.tier <> 'spot' AS open,
        extract(epoch FROM l.starts_at)::bigint AS starts_at, extract(epoch FROM l.stops_at)::bigint AS stops_at,
        least(greatest(p.grace_s, :least_grace_s), l.duration_s / 2) AS grace_s,
        l.tier = 'spot' AND l.stops_at < l.ends_at AS is_cut,
        extract(epoch FROM l.ends_at)::bigint - least(p.extension_closes_s, l.duration_s / 2) AS closes_at,
        l.all_at_once, (SELECT jsonb_object_agg(s.node, s.gpus) FROM placement s WHERE s.lease = l.id) AS placement
    FROM lease l JOIN pool p ON p.name = l.pool
    WHERE p.cluster = :cluster AND l.state IN ('scheduled', 'active', 'ending') ORDER BY l.id
    """
)

_LEFT = text(
    f"""
    SELECT a.lease, a.node, h.pod, extract(epoch FROM a.ended_at)::bigint AS at
    FROM {_HAS_LEFT} JOIN lease l ON l.id = a.lease JOIN pool p ON p.name = l.pool
    WHERE l.state IN ('active', 'ending') AND p.cluster = :cluster
    ORDER BY a.id
    """
)

_NODES = text(
    """
    SELECT n.pool, array_agg(n.node) FROM pool_node n JOIN pool p ON p.name = n.pool
    WHERE p.cluster = :cluster AND (n.capacity > 0
        OR EXISTS (SELECT FROM gpu g WHERE g.node = n.node AND g.pool = n.pool AND g.present))
    GROUP BY n.pool
    """
)
"""GPUs are looked at only where none is sound: it is read with every change of a lease, and they may be thousands."""


def version(session: Session) -> tuple[object, ...]:
    """Differs whenever what `desired` reads may differ; cheap. The last of it is the leader's epoch."""
    return tuple(session.connection().execute(_VERSION).one())


def desired(session: Session, cluster: str, *, least_grace_s: int) -> Desired:
    """What a cluster should hold, in the caller's snapshot. Of one that no pool names any more all companies are in it too:
    what they have there from before, such as a key, goes with them. Where a pool's grace is less than `least_grace_s`, which a
    kubelet takes, that is the grace.
    """
    connection = session.connection()
    named = text("SELECT name, resource FROM pool WHERE cluster = :cluster ORDER BY name")
    pools = {str(name): str(resource) for name, resource in connection.execute(named, {"cluster": cluster})}
    leases: dict[str, list[LeaseNow]] = {}
    left: dict[str, list[Left]] = {}
    for row in connection.execute(_LEFT, {"cluster": cluster}):
        left.setdefault(row.lease, []).append(Left(node=row.node, pod=row.pod, at=row.at))
    for row in connection.execute(_LEASES, {"cluster": cluster, "least_grace_s": least_grace_s}).mappings():
        leases.setdefault(row["company"], []).append(_lease(dict(row), left.get(row["id"], ())))
    offenders: dict[str, list[Offender]] = {}
    for row in connection.execute(_OFFENDERS, {"cluster": cluster}).mappings():
        offender = {name: value for name, value in row.items() if name != "company"}
        offenders.setdefault(row["company"], []).append(Offender(**offender))
    closed = connection.execute(
        text("SELECT name, extract(epoch FROM closed_at)::bigint, pod_security FROM company ORDER BY name")
    )
    companies = {
        name: CompanyNow(
            name=name,
            closed_at=at,
            pod_security=level,
            leases=tuple(leases.get(name, ())),
            offenders=tuple(offenders.get(name, ())),
        )
        for name, at, level in closed.all()
    }
    return Desired(companies=companies, pools=pools, nodes=_nodes(session, cluster))


def _nodes(session: Session, cluster: str) -> dict[str, frozenset[str]]:
    rows = session.connection().execute(_NODES, {"cluster": cluster})
    return {pool: frozenset(nodes) for pool, nodes in rows}


def never_extended(session: Session, pool: str) -> frozenset[LeaseId]:
    """Active leases of a pool that were asked for so: their pods have their deadline from their start on."""
    query = select(Lease.id).where(col(Lease.pool) == pool, col(Lease.state) == "active", ~col(Lease.extendable))
    return frozenset(LeaseId(id_) for id_ in session.exec(query))


def _lease(said: dict[Any, Any], left: Sequence[Left]) -> LeaseNow:
    found = {name: value for name, value in said.items() if name not in ("state", "open", "closes_at", "is_cut")}
    holds = said["state"] in ("active", "ending")
    more = {"placement": said["placement"] or {}, "left": tuple(left)}
    return LeaseNow(**{**found, **more}, holds=holds, closes_at=_closes_at(said))


def _closes_at(said: dict[Any, Any]) -> int:
    """From when on its end stays. A spot lease that was cut may be given back what it lost, nearly until it stops."""
    ending_at, closes_at = said["stops_at"] - said["grace_s"], said["closes_at"]
    if said["state"] == "ending":
        return 0
    if said["is_cut"]:
        return ending_at - SETTLES_S
    return closes_at + min(SETTLES_S, max(0, ending_at - closes_at) // 2) if said["open"] else 0


_KNOWN = text(
    """
    INSERT INTO pod AS p (uid, cluster, company, name, lease, wish, gpus, node, phase, waits, detail, seen_at, ended_at, exit_code,
        reason)
    SELECT n.uid, n.cluster, n.company, n.name, l.id, n.wish, n.gpus, n.node, n.phase, n.waits, n.detail, n.seen_at, n.ended_at,
        n.exit_code, n.reason
    FROM jsonb_populate_recordset(NULL::pod, CAST(:rows AS jsonb)) n
    LEFT JOIN lease l ON l.id = n.lease AND l.company = n.company JOIN company c ON c.name = n.company
    ON CONFLICT (uid) DO UPDATE SET lease = coalesce(excluded.lease, p.lease), wish = excluded.wish, gpus = excluded.gpus,
        node = coalesce(excluded.node, p.node), phase = excluded.phase, waits = excluded.waits, detail = excluded.detail,
        seen_at = excluded.seen_at, ended_at = coalesce(p.ended_at, excluded.ended_at),
        exit_code = coalesce(excluded.exit_code, p.exit_code), reason = coalesce(excluded.reason, p.reason)
    """
)


def saw(session: Session, rows: Sequence[bulk.Row]) -> None:
    """Writes down pods as they were seen, all columns but the log. What was known of one that is gone stays."""
    if rows:
        session.connection().execute(_KNOWN, {"rows": bulk.dumped(Pod, rows)})


_LINES = text(
    """
    INSERT INTO pod_log AS l (uid, container, log) SELECT uid, :container, :log FROM pod WHERE uid = :uid
    ON CONFLICT (uid, container) DO UPDATE SET log = coalesce(nullif(excluded.log, ''), l.log)
    """
)


def keep_log(session: Session, uid: str, container: str, lines: str) -> bool:
    """The last lines of a container; whether its pod is known yet. None at all take the place of no others."""
    found = session.connection().execute(_LINES, {"uid": uid, "container": container, "log": lines})
    return found.rowcount > 0


def open_pods(session: Session, cluster: str) -> list[str]:
    """Those that are not over as far as is known, by uid: a new leader looks what became of them."""
    query = select(Pod.uid).where(col(Pod.cluster) == cluster, col(Pod.ended_at).is_(None))
    return list(session.exec(query))


def gone(session: Session, uids: Sequence[str], *, now: float) -> None:
    """They are not in the cluster any more."""
    for row in session.exec(select(Pod).where(col(Pod.uid).in_(uids), col(Pod.ended_at).is_(None))):
        row.ended_at, row.phase, row.waits, row.detail = int(now), "Gone", None, None
        session.add(row)


def forget(session: Session, *, now: float) -> int:
    """Removes what is over for longer than it is kept; how many."""
    found = session.exec(delete(Pod).where(col(Pod.ended_at) < int(now) - KEPT_S))
    return found.rowcount
