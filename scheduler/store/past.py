"""A stretch of a pool's history as it can be lived again: how it began, what was decided, and what happened between."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session, col, select

from scheduler.core import codec, outcomes, record
from scheduler.core.model import Ask, Instant, LeaseId, Policy
from scheduler.core.past import Asked, Happened, Past, Planned, Step
from scheduler.store import decisions, history, leases, tables
from scheduler.store.tables import Decision, PoolChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Most:
    """What one stretch may have at most."""

    decisions: int = 5_000
    changes: int = 20_000


WHOLE = Most()

_QUEUED = text(
    """
    SELECT lease FROM (
        SELECT DISTINCT ON (e.lease) e.lease, e.state FROM lease_event e JOIN lease l ON l.id = e.lease
        WHERE l.pool = :pool AND l.asked_at < to_timestamp(:at) AND e.at < to_timestamp(:at)
        ORDER BY e.lease, e.seq DESC
    ) newest WHERE state = 'queued'
    """
)


class TooLong(Exception):
    """There is more in the stretch than is lived again at once; what there is room for is over at `until`."""

    def __init__(self, until: Instant) -> None:
        self.until = until
        super().__init__(f"over at {until}")


def read(session: Session, pool: str, policy: Policy, since: Instant, until: Instant, most: Most = WHOLE) -> Past:
    """The stretch `[since, until)`, which begins with `policy` where the log does not say by which. Raises TooLong."""
    first = history.before(session, pool, since)
    heads = _heads(session, pool, first, since, until, most.decisions)
    changes = _changes(session, pool, first, until, most.changes)
    policy = history.policy(session, pool, first) or policy
    return Past(
        book=history.book(session, pool, first, policy, since),
        queue=_queue(session, pool, since),
        steps=list(_steps(first, heads, changes)),
        since=since,
        until=until,
    )


def refused(session: Session, pool: str, *, since: Instant, now: Instant, limit: int) -> list[tuple[LeaseId, Ask]]:
    """The newest asks that were refused and whose windows are not over."""
    row = tables.Lease
    query = (
        select(row)
        .where(col(row.pool) == pool, col(row.state) == "refused", col(row.asked_at) >= since)
        .order_by(col(row.id).desc())
        .limit(limit)
    )
    asks = [(LeaseId(found.id), leases.ask(found)) for found in session.exec(query)]
    return [(lease_id, ask) for lease_id, ask in asks if _is_open(ask, now)]


def _is_open(ask: Ask, now: Instant) -> bool:
    last = ask.start if ask.start_by is None else ask.start_by
    return last is None or last >= now


def _heads(session: Session, pool: str, first: int, since: Instant, until: Instant, most: int) -> list[Decision]:
    found = decisions.since(session, pool, first, at=since, until=until, limit=most + 1)
    if len(found) > most:
        raise TooLong(Instant(found[most].at))
    return found


def _changes(session: Session, pool: str, first: int, until: Instant, most: int) -> Sequence[PoolChange]:
    query = (
        select(PoolChange)
        .where(col(PoolChange.pool) == pool, col(PoolChange.generation) > first)
        .where(col(PoolChange.at) < int(until))
        .order_by(col(PoolChange.generation), col(PoolChange.seq))
        .limit(most + 1)
    )
    found = session.exec(query).all()
    if len(found) > most:
        raise TooLong(Instant(found[most].at))
    return found


def _queue(session: Session, pool: str, at: Instant) -> outcomes.Queue:
    """Who waited at an instant, by when they asked."""
    ids = session.connection().execute(_QUEUED, {"pool": pool, "at": at}).scalars().all()
    rows = session.exec(select(tables.Lease).where(col(tables.Lease.id).in_(ids))).all()
    found = [(LeaseId(row.id), leases.first_ask(row), Instant(row.asked_at)) for row in rows]
    return sorted(found, key=lambda one: (one[2], one[0]))


def _steps(first: int, heads: Sequence[Decision], changes: Sequence[PoolChange]) -> Iterator[Step]:
    """In the order of generations: what changed nothing in a generation, then what made the next one."""
    by_generation: dict[int, list[PoolChange]] = {}
    for change in changes:
        by_generation.setdefault(change.generation, []).append(change)
    decided: dict[int, list[Decision]] = {}
    for head in heads:
        decided.setdefault(head.generation, []).append(head)
    for generation in sorted({first, *decided, *(number - 1 for number in by_generation)}):
        steps = [(head, step) for head in decided.get(generation, ()) if (step := _step(head)) is not None]
        yield from (step for head, step in steps if not _made_changes(head))
        made = [step for head, step in steps if _made_changes(head)]
        yield from made
        for change in () if made else by_generation.get(generation + 1, ()):
            yield Happened(now=Instant(change.at), item=codec.decode(change.kind, change.value))


def _step(head: Decision) -> Asked | Planned | None:
    """None for a decision of another kind: what it did is taken as something that happened."""
    assert head.inputs is not None
    assert head.result is not None
    inputs = record.loads(head.inputs)
    now = Instant(inputs["now"])
    if head.kind == record.ASK:
        return Asked(decision=head.id, now=now, asks=record.asks_of(inputs), result=head.result)
    if head.kind == record.REPLAN:
        queue = tuple(lease_id for lease_id, _, _ in record.queue_of(inputs))
        return Planned(decision=head.id, now=now, queue=queue, result=head.result)
    return None


def _made_changes(head: Decision) -> bool:
    """Whether it made a generation: something was moved, or promised a start."""
    result = record.loads(head.result or "{}")
    got = (verdict["got"] for _, verdict in result.get("asks", ()))
    return bool(result.get("moves") or result.get("pulled")) or "scheduled" in got
