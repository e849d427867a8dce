"""What has to hold between the rows of a database, looked at all of it: after a restore, or when somebody doubts it.

Each check is a query for what is wrong, so that nothing of what is right comes here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from sqlalchemy import Connection, TextClause, text
from sqlmodel import Session

from dure import wire
from scheduler.actor import Actor
from scheduler.core.model import Instant
from scheduler.store import books, generation, history, sums

MOST = 100
"""Of each kind: after so many it is plain that something is wrong."""

OPERATOR = Actor(role=wire.Role.ADMIN, token="scheduler verify")

Faults = list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One thing that has to hold, over how many rows it was looked at, and what is wrong; a sentence each."""

    what: str
    seen: int
    faults: Faults


_PROMISES = text("SELECT count(*) FROM lease WHERE state IN ('scheduled', 'active', 'ending')")

_PLACED = text(
    """
    SELECT format('lease %s is promised %s GPUs, and its nodes have %s for it', l.id, l.total_gpus, coalesce(sum(p.gpus), 0))
    FROM lease l LEFT JOIN placement p ON p.lease = l.id
    WHERE l.state IN ('scheduled', 'active') GROUP BY l.id HAVING coalesce(sum(p.gpus), 0) <> l.total_gpus
    ORDER BY l.id LIMIT :most
    """
)

_TWICE = text(
    """
    WITH edge AS (
        SELECT p.node, e.at, e.gpus FROM lease l JOIN placement p ON p.lease = l.id,
            LATERAL (VALUES (l.starts_at, p.gpus), (l.stops_at, -p.gpus)) AS e (at, gpus)
        WHERE l.state IN ('scheduled', 'active', 'ending') AND l.starts_at < l.stops_at
    ), held AS (
        SELECT node, at, sum(gpus) OVER (PARTITION BY node ORDER BY at RANGE UNBOUNDED PRECEDING) AS gpus FROM edge
    ), most AS (
        SELECT DISTINCT ON (node) node, at, gpus FROM held ORDER BY node, gpus DESC, at
    )
    SELECT format('node %s has %s GPUs, and from %s on %s of it are promised', m.node, n.gpus, m.at, m.gpus)
    FROM most m JOIN (SELECT node, sum(greatest(nominal, capacity)) AS gpus FROM pool_node GROUP BY node) n ON n.node = m.node
    WHERE m.gpus > n.gpus ORDER BY m.node LIMIT :most
    """
)

_AHEAD = text(
    """
    SELECT format('%s %s is of generation %s, and its pool %s of %s', o.kind, o.id, o.generation, o.pool, p.generation)
    FROM (
        SELECT 'lease' AS kind, id, pool, generation FROM lease
        UNION ALL SELECT 'node', node, pool, generation FROM pool_node
        UNION ALL SELECT 'change', subject, pool, generation FROM pool_change
    ) o JOIN pool p ON p.name = o.pool WHERE o.generation > p.generation ORDER BY 1 LIMIT :most
    """
)

_LIVE = text("SELECT count(*) FROM allocation WHERE closed_at IS NULL")

_HELD = text(
    """
    SELECT format('GPU %s is held by lease %s, which is %s', a.gpu, l.id, l.state)
    FROM allocation a JOIN lease l ON l.id = a.lease
    WHERE a.ended_at IS NULL AND l.state NOT IN ('active', 'ending')
    UNION ALL
    SELECT format('GPU %s is held by %s leases at once', gpu, count(*))
    FROM allocation WHERE closed_at IS NULL GROUP BY gpu HAVING count(*) > 1
    UNION ALL
    SELECT format('lease %s has %s GPUs, and holds %s', l.id, l.total_gpus, count(a.id))
    FROM lease l LEFT JOIN allocation a ON a.lease = l.id AND a.ended_at IS NULL
    WHERE l.state IN ('active', 'ending') GROUP BY l.id HAVING count(a.id) <> l.total_gpus
    LIMIT :most
    """
)
"""A lease that runs holds all of its GPUs, also those that are lost to it; one whose start is late does not run."""

_NAMED = text("SELECT count(*) FROM lease WHERE state IN ('queued', 'scheduled', 'active', 'ending')")

_DECIDED = text(
    """
    SELECT format('lease %s names decision %s, which is not there', l.id, l.decision)
    FROM lease l WHERE l.state IN ('queued', 'scheduled', 'active', 'ending')
        AND NOT EXISTS (SELECT FROM decision d WHERE d.id = l.decision)
    ORDER BY l.id LIMIT :most
    """
)
"""That of a lease which is over may have gone with its month."""

_SUBJECTS = text("SELECT (SELECT count(*) FROM company) + (SELECT count(*) FROM pool)")

_AUDITED = text(
    """
    SELECT format('%s %s was added, and the audit log has no %s of it', o.kind, o.name, o.action)
    FROM (
        SELECT 'company' AS kind, name, 'company.add' AS action FROM company UNION ALL SELECT 'pool', name, 'pool.add' FROM pool
    ) o WHERE NOT EXISTS (SELECT FROM audit a WHERE a.subject = o.name AND a.action = o.action) ORDER BY 1 LIMIT :most
    """
)
"""Nothing is ever removed from the audit log."""

_SEQUENCES = text(
    """
    SELECT c.table_name, c.column_name, s.last_value
    FROM information_schema.columns c
    JOIN pg_sequences s ON format('%I.%I', s.schemaname, s.sequencename) = pg_get_serial_sequence(c.table_name, c.column_name)
    WHERE c.table_schema = current_schema() AND c.is_identity = 'YES'
        AND has_sequence_privilege(format('%I.%I', s.schemaname, s.sequencename), 'USAGE') ORDER BY 1
    """
)

_EVENTS = text(
    """
    SELECT format('event evt_%s is of transaction %s, and the server is at %s', seq, xid, pg_snapshot_xmax(pg_current_snapshot()))
    FROM lease_event WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    UNION ALL
    SELECT format('webhooks are told up to evt_%s, and the newest event is evt_%s', c.seq, e.seq)
    FROM webhook_cursor c, (SELECT xid, seq FROM lease_event ORDER BY xid DESC, seq DESC LIMIT 1) e
    WHERE (c.xid, c.seq) > (e.xid, e.seq) AND c.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
        AND c.seq BETWEEN 1 AND 4611686018427387903
    LIMIT :most
    """
)

_TOLD = text(
    """
    SELECT format('lease %s is %s, and no event says that it was asked for', l.id, l.state)
    FROM lease l WHERE l.state <> 'refused' AND NOT EXISTS (SELECT FROM lease_event e WHERE e.lease = l.id)
    ORDER BY l.id LIMIT :most
    """
)


def checks(session: Session, *, now: float) -> Iterator[Checked]:
    """Each in turn, at one instant where the session is a snapshot; `now` in Unix seconds."""
    connection = session.connection()
    yield _ledger(session)
    yield _queried(connection, "promises have their GPUs", _PROMISES, _PLACED, _TWICE)
    yield _queried(connection, "GPUs are held by one lease that runs", _LIVE, _HELD)
    yield _queried(connection, "nothing is ahead of its pool", text("SELECT count(*) FROM pool"), _AHEAD)
    yield _books(session, now)
    yield _numbers(connection)
    yield _queried(
        connection, "events are there, in their order", text("SELECT count(*) FROM lease_event"), _EVENTS, _TOLD
    )
    yield _queried(connection, "leases have their decisions", _NAMED, _DECIDED)
    yield _queried(connection, "who was added is in the audit log", _SUBJECTS, _AUDITED)


def _ledger(session: Session) -> Checked:
    found = sums.verify(session, company=None, pool=None, actor=OPERATOR)
    faults = [" ".join(filter(None, (one.company, one.pool, one.lease, one.detail))) for one in found.faults]
    return Checked(what="the ledger adds up", seen=found.entries, faults=faults)


def _queried(connection: Connection, what: str, counted: TextClause, *wrong: TextClause) -> Checked:
    seen = connection.execute(counted).scalar_one()
    rows = [row[0] for query in wrong for row in connection.execute(query, {"most": MOST})]
    return Checked(what=what, seen=seen, faults=rows)


def _books(session: Session, now: float) -> Checked:
    """A pool's book is read from its tables and made again from its log."""
    pools = session.connection().execute(text("SELECT name FROM pool ORDER BY name")).scalars().all()
    at = Instant(ceil(now))
    faults: Faults = []
    for pool in pools:
        kept = books.fresh(session, pool, at)
        made = history.book(session, pool, generation.current(session, pool), kept.policy, at)
        if made.digest(at) != kept.digest(at):
            faults.append(f"pool {pool} is not what the log of its changes makes of it")
    return Checked(what="pools are what their logs say", seen=len(pools), faults=faults)


def _numbers(connection: Connection) -> Checked:
    """Numbers that are given next were not given before."""
    faults: Faults = []
    sequences = connection.execute(_SEQUENCES).all()
    for table, column, last in sequences:
        newest = connection.execute(text(f'SELECT max("{column}") FROM "{table}"')).scalar()
        if newest is not None and newest > (last or 0):
            faults.append(f"{table} has number {newest}, and {last} was given last")
    return Checked(what="numbers are given once", seen=len(sequences), faults=faults)
