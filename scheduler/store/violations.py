"""Violations as agents tell them, and as the allocator finds them itself: written down when they begin and when they are gone, and what is done about each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Row, text
from sqlmodel import Session, col, select

from dure import kube, wire
from scheduler.ids import first_id, new_id
from scheduler.store import bulk, edges, pages
from scheduler.store.tables import Pool, Violation
from scheduler.store.times import to_wire

log = structlog.get_logger()

SEEN_EVERY_S = 60
"""A violation that lasts is written down so often, not with every report."""

MOST_OPEN = 64
"""So many of a node's are written down that last, and"""

MOST_NEW = 256
"""so many new ones in an hour; of the rest there is a line in the log."""

AGENT, ALLOCATOR = "agent", "allocator"
"""Who found it: each takes back its own."""

_GPUS = text(
    """
    SELECT g.uuid, g.pool, p.violations AS policy, a.lease FROM gpu g LEFT JOIN pool p ON p.name = g.pool
    LEFT JOIN allocation a ON a.gpu = g.uuid AND a.closed_at IS NULL
    WHERE g.node = :node AND g.uuid = ANY(:gpus)
    """
)

_COMPANIES = text("SELECT name FROM company WHERE name = ANY(:names)")

_PODS = text("SELECT uid, company, name FROM pod WHERE uid = ANY(:uids)")

_NEW = text(
    """
    INSERT INTO violation SELECT * FROM jsonb_populate_recordset(NULL::violation, CAST(:rows AS jsonb))
    ON CONFLICT (node, gpu, kind, who) WHERE ended_at IS NULL DO NOTHING
    """
)

_THERE = text(
    """
    SELECT count(*) FILTER (WHERE ended_at IS NULL) AS lasting, count(*) FILTER (WHERE id > :id) AS lately
    FROM violation WHERE node = :node AND (ended_at IS NULL OR id > :id)
    """
)

_CLOSE = text(
    """
    UPDATE violation v SET ended_at = greatest(seen_at, to_timestamp(:now)), seen_at = greatest(seen_at, to_timestamp(:now))
    WHERE v.node = :node AND v.ended_at IS NULL AND NOT (
        :but_present AND EXISTS (SELECT FROM gpu g WHERE g.uuid = v.gpu AND g.node = v.node AND g.present)
    )
    RETURNING v.id, v.gpu, v.who
    """
)

_Key = tuple[str, str, str]


def note(session: Session, node: str, found: Sequence[wire.GpuViolation], *, offset_s: float, now: float) -> None:
    """Takes in all violations that the node has now: those that are new begin, and those that are not among them are over.

    `offset_s` is by how much the node's clock is ahead. One on a GPU that is not the node's is not the node's to tell.
    """
    there = open_of(session, node)
    if not found and not there:
        return
    known = _known(session, node, found)
    told = {_key(one): one for one in found if one.gpu in known.gpus}
    for key, row in there.items():
        if key in told:
            _goes_on(session, row, told[key], known, now)
        elif row.found_by == AGENT:
            over(session, row, now)
    new = [_row(node, one, known, offset_s, now) for key, one in told.items() if key not in there]
    _begin(session, node, new, now)


def begin(session: Session, node: str, found: Sequence[wire.GpuViolation], *, now: float) -> None:
    """Those that the allocator found itself, on GPUs of the node, and that are not open yet."""
    known = _known(session, node, found)
    _begin(session, node, [{**_row(node, one, known, 0.0, now), "found_by": ALLOCATOR} for one in found], now)


def _begin(session: Session, node: str, rows: Sequence[bulk.Row], now: float) -> None:
    """Writes down as many as there is room for, whatever a node tells."""
    if not rows:
        return
    session.flush()
    there = session.connection().execute(_THERE, {"node": node, "id": first_id("vio", now - 3600)}).one()
    kept = rows[: max(0, min(MOST_OPEN - there.lasting, MOST_NEW - there.lately))]
    if kept:
        session.connection().execute(_NEW, {"rows": bulk.dumped(Violation, kept)})
    for row in kept:
        _tell(session, row)
    if len(kept) < len(rows):
        log.warning(
            "a node has more violations than are written down: look at the node itself",
            action="violation.left_out",
            node=node,
            left_out=len(rows) - len(kept),
        )


def close(session: Session, node: str, *, but_present: bool, now: float) -> None:
    """Those that nobody can tell of any more are over: of GPUs that the node has not, or unless `but_present` all of the node."""
    values = {"node": node, "but_present": but_present, "now": int(now)}
    for row in session.connection().execute(_CLOSE, values):
        about = {"violation": row.id, "node": node, "gpu": row.gpu, "who": row.who}
        log.info("a violation is over, as nobody sees its GPU any more", action="violation.ended", **about)


def open_of(session: Session, node: str) -> dict[_Key, Violation]:
    """Those of a node that are not over, by GPU, kind and who it is."""
    query = select(Violation).where(col(Violation.node) == node, col(Violation.ended_at).is_(None))
    return {(row.gpu, row.kind, row.who): row for row in session.exec(query)}


def _key(found: wire.GpuViolation) -> _Key:
    who = f"{found.namespace}/{found.pod}" if found.kind == "pod" else str(found.pid)
    return found.gpu, found.kind, who


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the allocator knows of the GPUs of a report's violations, of the companies by namespace, and of pods by uid."""

    gpus: Mapping[str, Row[Any]]
    companies: Mapping[str, str]
    pods: Mapping[str, Row[Any]]

    def evidence(self, found: wire.GpuViolation) -> dict[str, Any]:
        """What was seen, with the pod's name where only its uid was."""
        said = {name: getattr(found, name) for name in wire.ViolationEvidence.model_fields}
        pod = self.pods.get(found.pod_uid or "")
        return said if pod is None else {**said, "namespace": kube.namespace(pod.company), "pod": pod.name}


def _known(session: Session, node: str, found: Sequence[wire.GpuViolation]) -> _Known:
    connection = session.connection()
    gpus = connection.execute(_GPUS, {"node": node, "gpus": sorted({one.gpu for one in found})})
    pods = connection.execute(_PODS, {"uids": sorted({one.pod_uid for one in found if one.pod_uid})}).all()
    # A company's name follows from its namespace's, and not every namespace that is called so has one.
    prefix = kube.namespace("")
    names = {one.namespace.removeprefix(prefix) for one in found if one.namespace and one.namespace.startswith(prefix)}
    companies = connection.execute(_COMPANIES, {"names": sorted(names | {pod.company for pod in pods})}).scalars()
    return _Known(
        gpus={row.uuid: row for row in gpus},
        companies={kube.namespace(name): name for name in companies},
        pods={row.uid: row for row in pods},
    )


def _row(node: str, found: wire.GpuViolation, known: _Known, offset_s: float, now: float) -> bulk.Row:
    gpu, kind, who = _key(found)
    return {
        "id": new_id("vio", now),
        "node": node,
        "gpu": gpu,
        "kind": kind,
        "who": who,
        "lease": known.gpus[gpu].lease,
        "began_at": int(min(now, max(0.0, found.since - offset_s))),
        "seen_at": int(now),
        "ended_at": None,
        "found_by": AGENT,
        **_judged(found, known),
    }


def _judged(found: wire.GpuViolation, known: _Known) -> bulk.Row:
    """What may change of it while it lasts."""
    gpu, evidence = known.gpus[found.gpu], known.evidence(found)
    company = known.companies.get(evidence["namespace"] or "")
    return {
        "pool": gpu.pool,
        "company": company,
        "done": _done(gpu.policy, company).value,
        "evidence": evidence,
    }


def _done(policy: str | None, company: str | None) -> wire.ViolationDone:
    if policy != "end":
        return wire.ViolationDone.OBSERVED
    return wire.ViolationDone.NOT_OURS if company is None else wire.ViolationDone.POD_ENDED


def _goes_on(session: Session, row: Violation, found: wire.GpuViolation, known: _Known, now: float) -> None:
    judged = _judged(found, known)
    if int(now) - row.seen_at < SEEN_EVERY_S and all(getattr(row, name) == value for name, value in judged.items()):
        return
    for name, value in judged.items():
        setattr(row, name, value)
    row.seen_at = max(int(now), row.seen_at)
    session.add(row)
    _wake(session, judged)


def over(session: Session, row: Violation, now: float) -> None:
    """It is gone."""
    row.ended_at = max(int(now), row.seen_at)
    row.seen_at = row.ended_at
    session.add(row)
    if row.pool is not None:
        edges.notify(session, row.pool)
    log.info("a violation is over", action="violation.ended", violation=row.id, node=row.node, gpu=row.gpu, who=row.who)


def _tell(session: Session, row: bulk.Row) -> None:
    log.warning(
        "somebody is on a GPU, and no lease explains it: `dure violations` says who and what to do",
        action="violation.began",
        violation=row["id"],
        **{name: row[name] for name in ("node", "gpu", "kind", "who", "pool", "lease", "done", "evidence")},
    )
    _wake(session, row)


def _wake(session: Session, row: bulk.Row) -> None:
    """Who ends pods looks at once, and who keeps GPUs from being promised."""
    if row["pool"] is not None:
        edges.notify(session, row["pool"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which are read: of a node, and those alone that are not over."""

    node: str | None = None
    is_open: bool = False


def page(session: Session, wanted: Wanted, *, after: str | None, limit: int) -> wire.Page[wire.Violation]:
    """Newest first. Raises BadCursor."""
    query = (
        select(Violation, Pool.violations)
        .outerjoin(Pool, col(Pool.name) == col(Violation.pool))
        .order_by(col(Violation.id).desc())
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(col(Violation.id) < after)
    if wanted.node is not None:
        query = query.where(col(Violation.node) == wanted.node)
    if wanted.is_open:
        query = query.where(col(Violation.ended_at).is_(None))
    return pages.page(session.exec(query).all(), limit, wire=lambda found: _wire(*found), key=lambda found: found[0].id)


def _wire(row: Violation, policy: str | None) -> wire.Violation:
    """What is done about one that is there follows from the policy as it is now, whenever its node told of it."""
    return wire.Violation.model_validate(
        {
            **{name: getattr(row, name) for name in ("id", "node", "gpu", "kind", "pool", "lease", "company")},
            "began_at": to_wire(row.began_at),
            "seen_at": to_wire(row.seen_at),
            "ended_at": to_wire(row.ended_at),
            "done": _done(policy, row.company) if row.ended_at is None else wire.ViolationDone(row.done),
            "evidence": wire.ViolationEvidence.model_validate(row.evidence),
        }
    )
