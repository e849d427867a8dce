"""What came of a decision as plain JSON values: what each ask got, who was moved, and what was refused.

`moves` are leases with another slot or size, `refused` those that were to get one and did not: they stay as they were.
"""

from collections.abc import Sequence
from typing import Any

from scheduler.core import codec
from scheduler.core.book import Book
from scheduler.core.codec import Json
from scheduler.core.decide import Decided
from scheduler.core.extend import Extended, NotExtended, Obstacle
from scheduler.core.growth import NotGrown, TooSmall, Way
from scheduler.core.healing import Healed
from scheduler.core.lines import Queue
from scheduler.core.model import Ask, Cause, Instant, Lease, LeaseId, Promise, Queued, State, Verdict
from scheduler.core.replan import Move, Plan, as_moves
from scheduler.core.resize import Resized

WAITING_KEPT = 200
"""Of how many asks that stay in the queue a re-plan keeps what each got."""

Asks = Sequence[tuple[LeaseId, Ask]]


def asked(asks: Asks, decided: Decided) -> Json:
    """Each ask with what it got; then who was moved earlier, in order of arrival."""
    pairs = zip(asks, decided.verdicts, strict=True)
    moves = as_moves(decided.moves)
    return {
        "asks": [[lease_id, encode_verdict(verdict)] for (lease_id, _), verdict in pairs],
        "moves": [encode_move(move) for move in moves],
    }


def replanned(queue: Queue, plan: Plan) -> Json:
    """Who was moved; then the queue in its order, what was promised apart from what waits on."""
    waits = [[lease_id, plan.left[lease_id].code.value] for lease_id, _, _ in queue if lease_id in plan.left]
    found: Json = {
        "moves": [encode_move(move) for move in sorted(plan.moves, key=_tried)],
        "pulled": [[lease_id, encode_verdict(promise)] for lease_id, promise in plan.pulled.items()],
        "waits": waits[:WAITING_KEPT],
    }
    return found | {"waits_more": len(waits) - WAITING_KEPT} if len(waits) > WAITING_KEPT else found


def _tried(move: Move) -> tuple[bool, int, int, LeaseId]:
    """What lost its capacity is placed first, the nearest promise first; then the others in order of arrival."""
    repaired = move.cause is not Cause.EARLIER
    return not repaired, (move.before.promised_start or 0) if repaired else 0, move.before.asked_at, move.before.id


def extended(book: Book, found: Extended | NotExtended, lease_id: LeaseId) -> Json:
    """The lease, then who made way for it; and what kept it from going on to where it was asked to."""
    lease = book.leases[lease_id]
    if isinstance(found, NotExtended):
        return _refused(lease, code="extension_refused", longest_s=found.longest_s, **_obstacle(found.obstacle))
    moves = [Move(before=lease, after=found.lease, cause=Cause.EXTENDED)]
    moves += as_moves(found.moves, Cause.MADE_WAY)
    result: Json = {"moves": [encode_move(move) for move in moves]}
    return result if found.obstacle is None else result | {"obstacle": _obstacle(found.obstacle)}


def closed(lease: Lease, at: Instant) -> Json:
    """A lease that it was too late to extend, and since when."""
    return _refused(lease, code="too_late_to_extend", closed_at=at)


def resized(book: Book, found: Resized | NotGrown | TooSmall, lease_id: LeaseId) -> Json:
    """The lease with its size, or what is in the way of it."""
    lease = book.leases[lease_id]
    match found:
        case Resized():
            moves = [Move(before=lease, after=found.lease, cause=Cause.RESIZED)]
            moves += as_moves(found.moves)
            return {"moves": [encode_move(move) for move in moves]}
        case TooSmall():
            return _refused(lease, code="resize_refused", in_the_way="min", smallest=found.smallest)
        case NotGrown():
            said: Json = {"in_the_way": found.obstacle, "largest": found.largest}
            return _refused(lease, code="resize_refused", **said, **({} if found.way is None else _way(found.way)))


def healed(book: Book, found: Healed | None, lease_id: LeaseId) -> Json:
    """The lease with its spares, and what it gave back for which; no move where there are none."""
    if found is None:
        return {"moves": []}
    move = Move(before=book.leases[lease_id], after=found.lease, cause=Cause.REPLACED)
    spares: Json = {"given_back": _placement(found.given_back), "added": _placement(found.added)}
    return {"moves": [encode_move(move) | spares]}


def _refused(lease: Lease, **why: Any) -> Json:
    whose: Json = {"id": lease.id, "company": lease.company, "gpus": lease.gpus}
    return {"refused": [whose | {"was": lease.state.value, "from": _slot(lease)} | why]}


def _obstacle(found: Obstacle) -> Json:
    return {"in_the_way": found.what, "at": found.at, "leases": list(found.leases)}


def _way(found: Way) -> Json:
    return {"at": found.at, "clear": found.clear, "leases": list(found.leases), "drains": list(found.drains)}


def encode_verdict(verdict: Verdict) -> Json:
    """What an ask got; `got` is the state of its lease."""
    found: Json = {"code": verdict.code.value, "numbers": dict(verdict.numbers)}
    if isinstance(verdict, Promise):
        if verdict.shape is not None:
            found["shape"] = codec.encode_shape(verdict.shape)
        return found | {
            "got": State.SCHEDULED.value,
            "promised_start": verdict.promised,
            "starts_at": verdict.start,
            "ends_at": verdict.end,
            "estimate": verdict.estimate,
            "placement": _placement(verdict.placement),
            **({} if verdict.stop is None else {"stops_at": verdict.stop}),
        }
    if isinstance(verdict, Queued):
        return found | {"got": State.QUEUED.value, "estimate": verdict.first_fit}
    return found | {"got": State.REFUSED.value}


def encode_move(move: Move) -> Json:
    """Who was moved, why, from where and to where."""
    lease = move.before
    whose = {"id": lease.id, "company": lease.company, "gpus": lease.gpus, "cause": move.cause.value}
    states = {"was": lease.state.value, "got": move.after.state.value}
    return whose | states | {"from": _slot(lease), "to": _slot(move.after)}


def _slot(lease: Lease) -> Json | None:
    """None for one that waits in the queue again."""
    if lease.starts_at is None:
        return None
    found: Json = {
        "promised_start": lease.promised_start,
        "starts_at": lease.starts_at,
        "ends_at": lease.ends_at,
        "placement": _placement(lease.placement),
    }
    return found | {"stops_at": lease.stops_at} if lease.is_spot else found


def _placement(placement: Sequence[tuple[str, int]]) -> list[list[str | int]]:
    return [[node, gpus] for node, gpus in placement]
