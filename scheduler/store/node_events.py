"""What happened on nodes, as their agents tell it: each once, however often it is told, and kept for two years."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import text
from sqlmodel import Session

from dure import wire
from dure.errors import BadCursor
from scheduler.core.reported import NodeEvent as Told
from scheduler.store import nodes, pages
from scheduler.store.times import to_wire

KEPT_S = 2 * 365 * 24 * 3600
"""Warranty and complaints take that long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """On a node, told by its agent process `boot`, whose clock is `offset_s` ahead of ours."""

    node: str
    boot: str
    offset_s: float
    event: Told


_WRITE = text(
    """
    INSERT INTO node_event (node, id, told_at, at, boot, kind, gpu, detail)
    SELECT node, id, told_at, to_timestamp(at), boot, kind, gpu, CAST(detail AS jsonb)
    FROM unnest(CAST(:node AS text[]), CAST(:id AS bigint[]), CAST(:told_at AS float8[]), CAST(:at AS float8[]),
        CAST(:boot AS text[]), CAST(:kind AS text[]), CAST(:gpu AS text[]), CAST(:detail AS text[]))
        AS e (node, id, told_at, at, boot, kind, gpu, detail)
    ON CONFLICT DO NOTHING
    """
)

_PAGE = text(
    """
    SELECT id, CAST(floor(extract(epoch FROM at) * 1000000) AS bigint), boot, kind, gpu, detail FROM node_event
    WHERE node = :node AND (at, id) < (timestamptz 'epoch' + :micros * interval '1 microsecond', :id)
    ORDER BY at DESC, id DESC LIMIT :most
    """
)
_FORGET = text("DELETE FROM node_event_rest WHERE at < to_timestamp(:before)")
_KEY = re.compile(r"[0-9]{1,17}-[0-9]{1,19}", re.ASCII)
_FIRST = (1 << 55, 0)
"""After every event there is, in microseconds."""


def keep(session: Session, happened: Iterable[Happened], *, now: float) -> None:
    """Writes events; one that was told before is there already. Nothing happened later than now, whatever a clock says."""
    found = [_row(one, now) for one in happened]
    if found:
        session.connection().execute(_WRITE, {name: [row[name] for row in found] for name in found[0]})


def _row(happened: Happened, now: float) -> dict[str, Any]:
    event = happened.event
    return {
        "node": happened.node,
        "id": event.id,
        "told_at": event.at,
        "at": float(min(max(0.0, event.at - happened.offset_s), now)),
        "boot": happened.boot,
        "kind": event.kind,
        "gpu": event.gpu or None,
        "detail": msgspec.json.encode(event.detail or {}).decode(),
    }


def page(session: Session, node: str, *, after: str | None, limit: int) -> wire.Page[wire.KeptEvent]:
    """What happened on a node, the newest first. Raises UnknownNode, BadCursor."""
    nodes.row(session, node)
    micros, number = _FIRST if after is None else _key(after)
    rows = session.connection().execute(_PAGE, {"node": node, "micros": micros, "id": number, "most": limit + 1}).all()
    return pages.page(rows, limit, wire=_wire, key=lambda row: f"{row[1]}-{row[0]}")


def _key(after: str) -> tuple[int, int]:
    if _KEY.fullmatch(after) is None:
        raise BadCursor
    micros, _, number = after.partition("-")
    return int(micros), min(int(number), 1 << 62)


def _wire(row: Any) -> wire.KeptEvent:
    number, micros, boot, kind, gpu, detail = row
    return wire.KeptEvent(id=number, at=to_wire(micros // 1_000_000), boot=boot, kind=kind, gpu=gpu, detail=detail)


def forget(session: Session, *, now: float, kept_s: int = KEPT_S) -> int:
    """Removes what happened longer ago than it is kept and, by its node's clock, in no month that has a part; how many. What
    has a part goes with it: `scheduler.store.parts`.
    """
    return session.connection().execute(_FORGET, {"before": now - kept_s}).rowcount
