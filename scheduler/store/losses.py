"""What companies are told of the capacity that a move of their lease is due to: the node, and the drain or what is wrong."""

from collections.abc import Mapping, Sequence

from sqlmodel import Session, col, func, select

from scheduler.core.book import Book
from scheduler.core.losses import Loss, loss
from scheduler.core.model import Instant, LeaseId, NodeId
from scheduler.core.replan import Move
from scheduler.store import drains, records
from scheduler.store.records import Detail
from scheduler.store.tables import Gpu, Node


def details(session: Session, pool: str, book: Book, moves: Sequence[Move], now: Instant) -> dict[LeaseId, Detail]:
    """By lease, of the moves that a loss caused, by the book that they were decided from.

    `node` is one that the lease had; `drain`, `drain_starts_at`, `drain_ends_at` and `reason` are of a drain of it; else
    `lost` says what is wrong there: `node_unknown`, `gpu_unhealthy`, `gpu_not_empty` or `gpu_gone`, with `lost_gpus`.
    """
    found = {move.after.id: one for move in moves if (one := loss(book, move, now)) is not None}
    reasons = drains.reasons(session, (one.drain.id for one in found.values() if one.drain is not None))
    nodes = sorted({one.node for one in found.values() if one.drain is None})
    wrong = {node: _wrong(session, pool, node) for node in nodes}
    return {lease: _detail(one, reasons, wrong) for lease, one in found.items()}


def _detail(found: Loss, reasons: Mapping[str, str | None], wrong: Mapping[NodeId, str | None]) -> Detail:
    if found.drain is None:
        return {"node": found.node, "lost": wrong[found.node], "lost_gpus": found.gpus or None}
    return records.drain(found.drain, reasons.get(found.drain.id))


def _wrong(session: Session, pool: str, node: str) -> str | None:
    """Whether its agent is silent, since nothing is known or proved of it then; else what most of its GPUs that cannot be
    given lack; None where all is well again.
    """
    if session.exec(select(Node.state).where(col(Node.name) == node)).one_or_none() == "unknown":
        return "node_unknown"
    sick = col(Gpu.health) != "ok"
    counts = (
        ("gpu_gone", func.count().filter(~col(Gpu.present))),
        ("gpu_unhealthy", func.count().filter(col(Gpu.present), sick)),
        ("gpu_not_empty", func.count().filter(col(Gpu.present), ~sick, col(Gpu.quarantined))),
    )
    query = select(*(count for _, count in counts)).where(col(Gpu.pool) == pool, col(Gpu.node) == node)
    lacks = dict(zip((name for name, _ in counts), session.exec(query).one(), strict=True))
    most = max(lacks, key=lambda name: lacks[name])
    return most if lacks[most] else None
