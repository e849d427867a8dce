"""Proof of empty: allocations that are over are closed once a reading shows nobody on their GPU, and say why not until then."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import text
from sqlmodel import Session

from scheduler.core import folding
from scheduler.core.folding import Gpus
from scheduler.core.reported import Report
from scheduler.store import edges
from scheduler.store.holdings import Gpu

_CLOSE = text(
    """
    UPDATE allocation SET closed_at = greatest(to_timestamp(:now), ended_at), unproved = NULL
    WHERE id = ANY(:ids) AND closed_at IS NULL AND ended_at IS NOT NULL
    """
)
_WHY = text(
    """
    UPDATE allocation SET unproved = w.why FROM unnest(CAST(:ids AS text[]), CAST(:whys AS text[])) AS w (id, why)
    WHERE allocation.id = w.id AND allocation.closed_at IS NULL
    """
)


_UNPROVED = text(
    """
    SELECT a.gpu, a.unproved FROM allocation a JOIN gpu g ON g.uuid = a.gpu
    WHERE g.node = ANY(:nodes) AND a.closed_at IS NULL AND a.unproved IS NOT NULL
    """
)


def unproved(session: Session, nodes: Iterable[str]) -> dict[str, str]:
    """Why GPUs of nodes may not be called empty yet, by GPU."""
    found = session.connection().execute(_UNPROVED, {"nodes": list(nodes)})
    return {row[0]: row[1] for row in found}


def proved(report: Report, gpus: Gpus, held: Sequence[Gpu]) -> list[Gpu]:
    """Those of `held` that the report proves empty: by readings that were taken after the agent knew of their end."""
    if not report.knew_ended:
        return []
    knew, readings = set(report.knew_ended), {gpu.uuid: gpu for gpu in gpus}
    return [
        gpu
        for gpu in held
        if gpu.ended and gpu.allocation in knew and folding.empty(readings.get(gpu.uuid), _floor(gpu))
    ]


def whys(report: Report, held: Sequence[Gpu]) -> dict[str, str | None]:
    """Why allocations that are over are not proved, where that is not what is written already."""
    said = {one.allocation: one.why for one in report.unproved or ()}
    return {
        gpu.allocation: said.get(gpu.allocation)
        for gpu in held
        if gpu.allocation is not None and gpu.ended and gpu.unproved != said.get(gpu.allocation)
    }


def close(session: Session, found: Sequence[Gpu], *, now: float) -> None:
    """Closes them, and tells the loop of their pools that GPUs may be given again."""
    if not found:
        return
    session.connection().execute(_CLOSE, {"ids": [gpu.allocation for gpu in found], "now": int(now)})
    for pool in sorted({gpu.pool for gpu in found if gpu.pool is not None}):
        edges.notify(session, pool)


def explain(session: Session, found: Mapping[str, str | None]) -> None:
    """Writes why allocations are not proved; None where nothing is said any more."""
    if found:
        session.connection().execute(_WHY, {"ids": list(found), "whys": list(found.values())})


def _floor(gpu: Gpu) -> int:
    return gpu.held_floor or 0
