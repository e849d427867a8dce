"""What is kept of a decision, so that it can be made again: its inputs, their digest, and its result, as canonical text.

The inputs are what was asked, when, and by which policy; the book beside them is not kept but has its digest in theirs,
and is rebuilt from the log of what changed. `AGAIN` has, for each kind of decision, how it is made from a book and its
inputs: a new kind is one more entry there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from scheduler.core import codec
from scheduler.core.book import Book
from scheduler.core.codec import Json, text
from scheduler.core.decide import Decided, decide
from scheduler.core.extend import Extended, extend
from scheduler.core.model import (
    Ask,
    Cause,
    CompanyId,
    Instant,
    Lease,
    LeaseId,
    NodeId,
    Policy,
    PoolId,
    Promise,
    Purpose,
    Queued,
    State,
    Verdict,
)
from scheduler.core.replan import Move, Plan, Queue, replan
from scheduler.core.resize import Resized, grow, size_of
from scheduler.core.starting import slip, spare

ASK = "ask"
REPLAN = "replan"
START = "start"
EXTEND = "extend"
RESIZE = "resize"

FORMAT = b"dure decision 1\n"
"""What a digest of inputs begins with, so that another form of them never has the same."""

WAITING_KEPT = 200
"""Of how many asks that stay in the queue a re-plan keeps what each got."""

Asks = Sequence[tuple[LeaseId, Ask]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`inputs` and `result` are JSON; `digest` is 64 hexadecimal figures that stand for the inputs and the book."""

    kind: str
    inputs: str
    digest: str
    result: str


def of_asks(book: Book, asks: Asks, now: Instant, decided: Decided) -> Record:
    """That of asks which were decided together."""
    inputs = {"asks": [_ask(lease_id, ask) for lease_id, ask in asks]}
    return _record(ASK, book, now, inputs, asked(asks, decided))


def of_replan(book: Book, queue: Queue, now: Instant, plan: Plan) -> Record:
    """That of a re-plan."""
    inputs = {"queue": [{**_ask(lease_id, ask), "asked_at": at} for lease_id, ask, at in queue]}
    return _record(REPLAN, book, now, inputs, replanned(queue, plan))


def of_start(book: Book, move: Move, given: Mapping[NodeId, int], now: Instant, begin: Instant | None) -> Record:
    """That of a start that was blocked: nodes could give so many GPUs. `begin` is when its slot was looked for from, if it
    slipped.
    """
    inputs: Json = {"lease": codec.encode(move.before), "cause": move.cause.value, "given": dict(given)}
    if begin is not None:
        inputs["begin"] = begin
    return _record(START, book, now, inputs, {"moves": [encode_move(move)]})


def of_extension(book: Book, found: Extended, now: Instant) -> Record:
    """That of a lease which was given a later end, of whatever was asked for."""
    inputs: Json = {"lease": found.lease.id, "until": found.lease.ends_at}
    return _record(EXTEND, book, now, inputs, _extended(book, found))


def of_growth(book: Book, found: Resized, ready: Mapping[NodeId, int], now: Instant) -> Record:
    """That of a lease which got more nodes or GPUs, where nodes could really give only so many."""
    inputs: Json = {"lease": found.lease.id, "size": size_of(found.lease.shape), "ready": dict(ready)}
    return _record(RESIZE, book, now, inputs, _grown(book, found))


def digest(book: Book, kind: str, inputs: str, now: Instant) -> str:
    """What stands for a decision's inputs."""
    return sha256(FORMAT + kind.encode() + b"\n" + book.digest(now) + inputs.encode()).hexdigest()


def again(kind: str, book: Book, inputs: Json) -> str:
    """The result of the same decision made from this book. Raises KeyError for a kind that nobody knows."""
    return text(AGAIN[kind](book, inputs, Instant(inputs["now"])))


loads: Callable[[str], Json] = orjson.loads
"""Inputs or a result as a value again."""


def basis(inputs: Json) -> tuple[Policy, Instant]:
    """The policy and the time: what a book is made with, beside its items."""
    return Policy(**inputs["policy"]), Instant(inputs["now"])


def _record(kind: str, book: Book, now: Instant, inputs: Json, result: Json) -> Record:
    said = text({**inputs, "now": now, "policy": codec.encode(book.policy)})
    return Record(kind=kind, inputs=said, digest=digest(book, kind, said, now), result=text(result))


# --- the kinds ----------------------------------------------------------------------------------------------------------


def _asks_again(book: Book, inputs: Json, now: Instant) -> Json:
    asks = asks_of(inputs)
    return asked(asks, decide(book, asks, now))


def _replan_again(book: Book, inputs: Json, now: Instant) -> Json:
    queue = queue_of(inputs)
    return replanned(queue, replan(book, queue, now))


def _start_again(book: Book, inputs: Json, now: Instant) -> Json:
    lease = codec.decode("lease", inputs["lease"])
    assert isinstance(lease, Lease)
    given: Mapping[NodeId, int] = inputs["given"]
    moved = slip(book, lease, inputs["begin"]) if "begin" in inputs else spare(book, lease, lambda _: given, now)
    moves = [] if moved is None else [Move(before=lease, after=moved, cause=Cause(inputs["cause"]))]
    return {"moves": [encode_move(move) for move in moves]}


def _extend_again(book: Book, inputs: Json, now: Instant) -> Json:
    found = extend(book, LeaseId(inputs["lease"]), inputs["until"], now)
    return _extended(book, found) if isinstance(found, Extended) else {"moves": []}


def _extended(book: Book, found: Extended) -> Json:
    """The lease, then who made way for it."""
    lease = Move(before=book.leases[found.lease.id], after=found.lease, cause=Cause.EXTENDED)
    others = [Move(before=before, after=after, cause=Cause.MADE_WAY) for before, after in found.moves]
    return {"moves": [encode_move(move) for move in (lease, *others)]}


def _grow_again(book: Book, inputs: Json, now: Instant) -> Json:
    found = grow(book, LeaseId(inputs["lease"]), inputs["size"], now, inputs["ready"])
    return _grown(book, found) if isinstance(found, Resized) else {"moves": []}


def _grown(book: Book, found: Resized) -> Json:
    return {"moves": [encode_move(Move(before=book.leases[found.lease.id], after=found.lease, cause=Cause.RESIZED))]}


AGAIN: Mapping[str, Callable[[Book, Json, Instant], Json]] = {
    ASK: _asks_again,
    REPLAN: _replan_again,
    START: _start_again,
    EXTEND: _extend_again,
    RESIZE: _grow_again,
}


def asks_of(inputs: Json) -> list[tuple[LeaseId, Ask]]:
    """What was asked together, in order."""
    return [(LeaseId(found["id"]), _to_ask(found)) for found in inputs["asks"]]


def queue_of(inputs: Json) -> list[tuple[LeaseId, Ask, Instant]]:
    """The queue of a re-plan, in order."""
    return [(LeaseId(found["id"]), _to_ask(found), Instant(found["asked_at"])) for found in inputs["queue"]]


def asked(asks: Asks, decided: Decided) -> Json:
    """Each ask with what it got; then who was moved earlier, in order of arrival."""
    pairs = zip(asks, decided.verdicts, strict=True)
    moves = [Move(before=before, after=after, cause=Cause.EARLIER) for before, after in decided.moves]
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


# --- asks, verdicts and moves as plain JSON values ------------------------------------------------------------------------


def _ask(lease_id: LeaseId, ask: Ask) -> Json:
    found: Json = {
        "id": lease_id,
        "company": ask.company,
        "pool": ask.pool,
        "shape": codec.encode_shape(ask.shape),
        "duration_s": ask.duration_s,
        "notice_s": ask.notice_s,
    }
    if ask.start is not None:
        found["start"] = ask.start
    if ask.start_by is not None:
        found["start_by"] = ask.start_by
    if not ask.queue:
        found["queue"] = False
    if ask.purpose is not Purpose.TRAINING:
        found["purpose"] = ask.purpose.value
    if ask.min_size is not None:
        found["min_size"] = ask.min_size
    return found


def _to_ask(found: Mapping[str, Any]) -> Ask:
    return Ask(
        company=CompanyId(found["company"]),
        pool=PoolId(found["pool"]),
        shape=codec.decode_shape(found["shape"]),
        duration_s=found["duration_s"],
        start=found.get("start"),
        start_by=found.get("start_by"),
        queue=found.get("queue", True),
        notice_s=found["notice_s"],
        purpose=Purpose(found.get("purpose", Purpose.TRAINING)),
        min_size=found.get("min_size"),
    )


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
    return {
        "promised_start": lease.promised_start,
        "starts_at": lease.starts_at,
        "ends_at": lease.ends_at,
        "placement": _placement(lease.placement),
    }


def _placement(placement: Sequence[tuple[str, int]]) -> list[list[str | int]]:
    return [[node, gpus] for node, gpus in placement]
