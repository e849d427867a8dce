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

from scheduler.core import codec, outcomes
from scheduler.core.above import Rivals
from scheduler.core.book import Book
from scheduler.core.codec import Json, text
from scheduler.core.decide import Decided, decide
from scheduler.core.extend import Extended, NotExtended, closed_at, extend
from scheduler.core.growth import Bounds, NotGrown, TooSmall, resize
from scheduler.core.healing import Healed, heal
from scheduler.core.model import Ask, Cause, CompanyId, Instant, Lease, LeaseId, NodeId, Policy, PoolId, Purpose, Tier
from scheduler.core.outcomes import Asks, Queue
from scheduler.core.replan import Move, Plan, as_moves, replan
from scheduler.core.resize import Resized
from scheduler.core.starting import slip, spare

ASK = "ask"
REPLAN = "replan"
START = "start"
EXTEND = "extend"
RESIZE = "resize"
HEAL = "heal"

FORMAT = b"dure decision 1\n"
"""What a digest of inputs begins with, so that another form of them never has the same."""


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
    return _record(ASK, book, now, inputs, outcomes.asked(asks, decided))


def of_replan(book: Book, queue: Queue, now: Instant, plan: Plan) -> Record:
    """That of a re-plan."""
    inputs = {"queue": [{**_ask(lease_id, ask), "asked_at": at} for lease_id, ask, at in queue]}
    return _record(REPLAN, book, now, inputs, outcomes.replanned(queue, plan))


def of_start(
    book: Book, moves: Sequence[Move], given: Mapping[NodeId, int], now: Instant, begin: Instant | None
) -> Record:
    """That of a start that was blocked, which is the first move: nodes could give so many GPUs. `begin` is when its slot was
    looked for from, if it slipped.
    """
    move = moves[0]
    inputs: Json = {"lease": codec.encode(move.before), "cause": move.cause.value, "given": dict(given)}
    if begin is not None:
        inputs["begin"] = begin
    return _record(START, book, now, inputs, {"moves": [outcomes.encode_move(one) for one in moves]})


def of_extension(
    book: Book,
    lease_id: LeaseId,
    until: int,
    now: Instant,
    found: Extended | NotExtended,
    *,
    partly: bool = False,
    rivals: Rivals | None = None,
) -> Record:
    """That of a lease which was to get a later end, and what was found to be possible."""
    inputs: Json = {"lease": lease_id, "until": until} | ({"partly": True} if partly else {}) | _rivals(rivals)
    return _record(EXTEND, book, now, inputs, outcomes.extended(book, found, lease_id))


def of_closed(book: Book, lease_id: LeaseId, until: int, now: Instant, second: Instant) -> Record:
    """That of a lease which was to get a later end when, in that `second`, extending it had closed."""
    inputs: Json = {"lease": lease_id, "until": until, "second": second}
    return _record(EXTEND, book, now, inputs, _closed(book, inputs))


def of_resize(
    book: Book,
    lease_id: LeaseId,
    size: int,
    now: Instant,
    found: Resized | NotGrown | TooSmall,
    *,
    ready: Mapping[NodeId, int],
    bounds: Bounds,
    rivals: Rivals | None = None,
) -> Record:
    """That of a lease which was to get another size, where nodes could really give only so many."""
    inputs: Json = {"lease": lease_id, "size": size, "ready": dict(ready), "min": bounds.least, **_rivals(rivals)}
    if bounds.most is not None:
        inputs["max"] = bounds.most
    return _record(RESIZE, book, now, inputs, outcomes.resized(book, found, lease_id))


def of_heal(
    book: Book,
    lease_id: LeaseId,
    lost: Mapping[NodeId, int],
    now: Instant,
    found: Healed,
    *,
    ready: Mapping[NodeId, int],
) -> Record:
    """That of a running lease which lost so many GPUs on each node, where nodes could really give only so many."""
    inputs: Json = {"lease": lease_id, "lost": dict(lost), "ready": dict(ready)}
    return _record(HEAL, book, now, inputs, outcomes.healed(book, found, lease_id))


def _rivals(rivals: Rivals | None) -> Json:
    return {} if rivals is None else {"rivals": sorted(rivals)}


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
    return outcomes.asked(asks, decide(book, asks, now))


def _replan_again(book: Book, inputs: Json, now: Instant) -> Json:
    queue = queue_of(inputs)
    return outcomes.replanned(queue, replan(book, queue, now))


def _start_again(book: Book, inputs: Json, now: Instant) -> Json:
    lease = codec.decode("lease", inputs["lease"])
    assert isinstance(lease, Lease)
    given: Mapping[NodeId, int] = inputs["given"]
    cut: tuple[tuple[Lease, Lease], ...] = ()
    if "begin" in inputs:
        moved, cut = slip(book, lease, inputs["begin"])
    else:
        moved = spare(book, lease, lambda _: given, now)
    moves = [] if moved is None else [Move(before=lease, after=moved, cause=Cause(inputs["cause"]))]
    moves += as_moves(cut)
    return {"moves": [outcomes.encode_move(move) for move in moves]}


def _extend_again(book: Book, inputs: Json, now: Instant) -> Json:
    if "second" in inputs:
        return _closed(book, inputs)
    lease_id = LeaseId(inputs["lease"])
    rivals = inputs.get("rivals")
    found = extend(book, lease_id, inputs["until"], now, partly=inputs.get("partly", False), rivals=rivals)
    return outcomes.extended(book, found, lease_id)


def _closed(book: Book, inputs: Json) -> Json:
    lease = book.leases[LeaseId(inputs["lease"])]
    at = closed_at(lease, book.policy, Instant(inputs["second"]))
    return {"refused": []} if at is None else outcomes.closed(lease, at)


def _resize_again(book: Book, inputs: Json, now: Instant) -> Json:
    """Before bounds were kept, only what they allowed was."""
    lease_id, bounds = LeaseId(inputs["lease"]), Bounds(least=inputs.get("min", 1), most=inputs.get("max"))
    found = resize(book, lease_id, inputs["size"], now, inputs["ready"], bounds, inputs.get("rivals"))
    return outcomes.resized(book, found, lease_id)


def _heal_again(book: Book, inputs: Json, now: Instant) -> Json:
    lease_id = LeaseId(inputs["lease"])
    return outcomes.healed(book, heal(book, lease_id, inputs["lost"], now, inputs["ready"]), lease_id)


AGAIN: Mapping[str, Callable[[Book, Json, Instant], Json]] = {
    ASK: _asks_again,
    REPLAN: _replan_again,
    START: _start_again,
    EXTEND: _extend_again,
    RESIZE: _resize_again,
    HEAL: _heal_again,
}


def asks_of(inputs: Json) -> list[tuple[LeaseId, Ask]]:
    """What was asked together, in order."""
    return [(LeaseId(found["id"]), _to_ask(found)) for found in inputs["asks"]]


def queue_of(inputs: Json) -> list[tuple[LeaseId, Ask, Instant]]:
    """The queue of a re-plan, in order."""
    return [(LeaseId(found["id"]), _to_ask(found), Instant(found["asked_at"])) for found in inputs["queue"]]


# --- asks as plain JSON values ------------------------------------------------------------------------


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
    if ask.tier is not Tier.RESERVED:
        found["tier"] = ask.tier.value
    if ask.or_spot:
        found["or_spot"] = True
    if ask.queued_already:
        found["queued_already"] = ask.queued_already
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
        tier=Tier(found.get("tier", Tier.RESERVED)),
        or_spot=found.get("or_spot", False),
        queued_already=found.get("queued_already", 0),
    )
