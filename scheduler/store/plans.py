"""Writing down what was decided: asks with their leases, and the moves of others, many in a handful of statements.

The caller holds the pool's lock and commits. `number` is the generation from which the pool's book has it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session

from dure import wire
from scheduler.core import promises
from scheduler.core.book import Book
from scheduler.core.model import Ask, Cause, Code, CompanyId, Gang, Instant, Lease, LeaseId, Placement, Shape, State
from scheduler.core.quota import Quota
from scheduler.core.record import REPLAN, Record
from scheduler.core.replan import Move
from scheduler.ids import new_id
from scheduler.store import bulk, changes, commitments, promise_counts, records
from scheduler.store.audit import REQUEST_ID
from scheduler.store.commitments import Change
from scheduler.store.records import Said
from scheduler.store.tables import Audit, Decision, LeaseEvent, PlacementRow
from scheduler.store.tables import Lease as Row

_UNPLACE = text("DELETE FROM placement WHERE lease = ANY(:leases)")
_LATE = text("UPDATE lease SET late_cause = :cause WHERE id = ANY(:leases) AND late_cause IS NULL")
"""The first cause is kept."""
_IN_TIME = text("UPDATE lease SET late_cause = NULL WHERE id = ANY(:leases)")
_WAITED_FOR = text(
    """
    SELECT lease.id, decision.code FROM lease JOIN decision ON decision.id = lease.decision
    WHERE lease.id = ANY(:leases) AND decision.code = ANY(:codes)
    """
)
_CAUSES: Mapping[str, Cause] = {
    Code.WAITS_FOR_QUOTA: Cause.QUOTA,
    Code.WAITS_FOR_SHARE: Cause.SHARE,
    Code.WAITS_FOR_WALK_IN: Cause.WALK_IN,
}
"""Why an ask is promised a start that waited for something else than capacity."""

Quotas = Mapping[CompanyId, Quota]
"""Of a pool's book."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One ask that was decided: what it became, and the decision. `lease` is `refused`, `queued` or `scheduled`.

    `body` is what was sent; None for one that waited in the queue. `expected` is when it is expected to start.
    """

    ask: Ask
    lease: Lease
    decision: wire.Decision
    body: wire.Ask | None = None
    request_id: str | None = None
    expected: Instant | None = None


def write_answers(
    session: Session,
    answers: Sequence[Answer],
    kept: Record,
    *,
    quotas: Quotas,
    decided_at: int,
    number: int,
    at: float,
    audited: Sequence[bulk.Row] = (),
) -> None:
    """Decisions, leases, placements, commitments and events of asks decided at generation `decided_at`, by these quotas."""
    if not answers:
        return
    promised = [found.lease for found in answers if found.lease.state is State.SCHEDULED]
    bulk.insert(
        session,
        (Decision, records.kept([_decision_row(found, decided_at) for found in answers], kept)),
        (Row, [_lease_row(found, number) for found in answers]),
        (PlacementRow, _placement_rows(promised)),
        (LeaseEvent, [_told(found, found.lease.state.value, Cause.ASKED, at) for found in answers]),
        (Audit, audited),
        changes.rows(answers[0].ask.pool, number, promised, at=at),
    )
    commitments.promise(session, promised, quotas, at=at)


def write_decision(
    session: Session,
    book: Book,
    kept: Record,
    said: Said,
    *,
    pool: str,
    decided_at: int,
    at: float,
    refused: Lease | None = None,
) -> str:
    """A decision that is of no ask; its id, which what it moved and promised refers to, or the refusal of a change."""
    head = new_id("dec", at)
    row = records.said_row(
        said,
        id=head,
        pool=pool,
        generation=decided_at,
        policy=book.policy,
        at=at,
        refused=refused,
        request_id=session.info.get(REQUEST_ID),
    )
    bulk.insert(session, (Decision, records.kept([row], kept)))
    return head


def write_pulled(
    session: Session,
    answers: Sequence[Answer],
    *,
    quotas: Quotas,
    plan: str,
    decided_at: int,
    number: int,
    at: float,
) -> None:
    """Queued asks that got a promise by these quotas: the new decision, the slot, the commitment, and that the company is
    told, by what each was said to wait for.
    """
    if not answers:
        return
    ids = [found.lease.id for found in answers]
    waited_for = {
        lease_id: _CAUSES[code]
        for lease_id, code in session.connection().execute(_WAITED_FOR, {"leases": ids, "codes": list(_CAUSES)})
    }
    part = {"kind": REPLAN, "part_of": plan}
    bulk.insert(session, (Decision, [_decision_row(found, decided_at) | part for found in answers]))
    rows = [{"id": found.lease.id, "decision": found.decision.id, **_slot(found.lease, number)} for found in answers]
    bulk.update(session, Row, "id", rows)
    promised = [found.lease for found in answers]
    bulk.insert(
        session,
        (PlacementRow, _placement_rows(promised)),
        (
            LeaseEvent,
            [_told(found, "scheduled", waited_for.get(found.lease.id, Cause.CAPACITY), at) for found in answers],
        ),
        changes.rows(promised[0].pool, number, promised, at=at),
    )
    commitments.promise(session, promised, quotas, at=at)


def write_waiting(session: Session, answers: Sequence[Answer], *, plan: str, decided_at: int) -> None:
    """Queued asks that wait for something else than was said of them: the new decision, and that it is theirs."""
    if not answers:
        return
    part = {"kind": REPLAN, "part_of": plan}
    bulk.insert(session, (Decision, [_decision_row(found, decided_at) | part for found in answers]))
    bulk.update(session, Row, "id", [{"id": found.lease.id, "decision": found.decision.id} for found in answers])


def write_moves(
    session: Session,
    pool: str,
    moves: Sequence[Move],
    *,
    decision: str | None,
    number: int,
    at: float,
    losses: Mapping[LeaseId, records.Detail] | None = None,
) -> None:
    """New slots and placements of leases that were scheduled already, with what their companies are told, and the
    decision that moved them. `losses` says more of those that lost capacity.
    """
    if not moves:
        return
    after = [move.after for move in moves]
    bulk.update(session, Row, "id", [_slot_row(move, number) for move in moves])
    session.connection().execute(_UNPLACE, {"leases": [lease.id for lease in after]})
    bulk.insert(
        session,
        (PlacementRow, _placement_rows(after)),
        (LeaseEvent, [_moved(move, decision, at, (losses or {}).get(move.after.id, {})) for move in moves]),
        changes.rows(pool, number, after, at=at),
    )
    promise_counts.add(session, pool, promises.of_moves(moves))
    broken = [move for move in moves if move.breaks_promise]
    for cause in {move.cause for move in broken}:
        late = [move.after.id for move in broken if move.cause is cause]
        session.connection().execute(_LATE, {"cause": cause.value, "leases": late})
    back = [move.after.id for move in moves if move.regained_s and move.after.promised_start == move.after.owed]
    if back:
        session.connection().execute(_IN_TIME, {"leases": back})
    commitments.post(session, [Change(before=move.before, after=move.after, cause=move.cause) for move in moves], at=at)


def _decision_row(found: Answer, decided_at: int) -> bulk.Row:
    return records.decision_row(
        found.decision, found.ask, lease=found.lease.id, generation=decided_at, request_id=found.request_id
    )


def _told(found: Answer, event: str, cause: Cause, at: float) -> bulk.Row:
    detail = {"decision": found.decision.id}
    return records.event_row(found.lease, event, at=at, cause=cause, detail=detail)


def _lease_row(found: Answer, number: int) -> bulk.Row:
    lease, body = found.lease, found.body
    assert body is not None
    return {
        "id": lease.id,
        "company": lease.company,
        "pool": lease.pool,
        "name": body.name,
        "duration_s": lease.duration_s,
        "asked_s": lease.duration_s,
        "asked_size": body.shape.size,
        "tier": lease.tier.value,
        "purpose": lease.purpose.value,
        "wants_queue": body.queue,
        "start": lease.start,
        "start_by": lease.start_by,
        "renew_s": lease.duration_s if body.renew else None,
        "min_size": body.min,
        "max_size": body.max,
        "all_at_once": body.all_at_once,
        "extendable": body.extendable,
        "asked_at": lease.asked_at,
        "decision": found.decision.id,
        "expected_start": found.expected,
        **_slot(lease, number),
    }


def _slot_row(move: Move, number: int) -> bulk.Row:
    return {"id": move.after.id, **_slot(move.after, number)}


def _slot(lease: Lease, number: int) -> bulk.Row:
    return {
        "state": lease.state.value,
        **size(lease.shape),
        "promised_start": lease.promised_start,
        "granted_at": lease.granted_at,
        "slipped_from": lease.slipped_from,
        "starts_at": lease.starts_at,
        "ends_at": lease.ends_at,
        "stops_at": lease.stops_at,
        "notice_s": lease.notice_s,
        "generation": number,
    }


def size(shape: Shape) -> bulk.Row:
    """The columns of a lease's row that say its size."""
    gang = shape if isinstance(shape, Gang) else None
    return {
        "nodes": gang.nodes if gang else None,
        "gpus_per_node": gang.gpus_per_node if gang else None,
        "gpus": None if gang else shape.gpus,
        "total_gpus": shape.gpus,
    }


def place(session: Session, leases: Sequence[Lease]) -> None:
    """Replaces the placements of leases."""
    session.connection().execute(_UNPLACE, {"leases": [lease.id for lease in leases]})
    bulk.insert(session, (PlacementRow, _placement_rows(leases)))


def _placement_rows(leases: Iterable[Lease]) -> list[bulk.Row]:
    return [{"lease": lease.id, "node": node, "gpus": gpus} for lease in leases for node, gpus in lease.placement]


def _moved(move: Move, decision: str | None, at: float, loss: records.Detail) -> bulk.Row:
    """`slipped` where the promise got later, `queued` where there is none any more, else `moved`; of spot `preempting`, or
    `goes_on`.
    """
    before, after = move.before, move.after
    if after.is_spot and after.state is not State.QUEUED:
        return _cut(move, decision, at)
    detail: dict[str, int | str | None] = {
        "decision": decision,
        "starts_at_before": records.time(before.starts_at),
        "starts_at": records.time(after.starts_at),
        "placement_before": nodes(before.placement),
        "placement": nodes(after.placement),
        **loss,
    }
    event = "moved"
    if after.state is State.QUEUED:
        event = "queued"
    elif move.slipped_s:
        event = "slipped"
        detail |= {
            "promised_start_before": records.time(before.promised_start),
            "promised_start": records.time(after.promised_start),
            "slipped_s": move.slipped_s,
        }
    elif move.regained_s:
        detail |= {
            "promised_start_before": records.time(before.promised_start),
            "promised_start": records.time(after.promised_start),
        }
    return records.event_row(after, event, at=at, cause=move.cause, detail=detail)


def _cut(move: Move, decision: str | None, at: float) -> bulk.Row:
    """A spot lease stops earlier, or later again, than it was told."""
    before, after = move.before, move.after
    detail: dict[str, int | str | None] = {
        "decision": decision,
        "stops_at_before": records.time(before.stops_at),
        "stops_at": records.time(after.stops_at),
    }
    if move.cause is not Cause.PREEMPTED:
        return records.event_row(after, "goes_on", at=at, cause=move.cause, detail=detail)
    detail["in_s"] = (after.stops_at or 0) - int(at)
    return records.event_row(after, "preempting", at=at, cause=move.cause, detail=detail)


def nodes(placement: Placement) -> str:
    """A placement in a detail."""
    return ", ".join(f"{node} ({gpus})" for node, gpus in placement)
