"""The GPUs of nodes as the tables have them, and who holds each: read for many nodes at once."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec
from sqlalchemy import text
from sqlmodel import Session

from scheduler.core.reported import NodeAllocation
from scheduler.store.times import to_wire


class Gpu(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`floor` is how much memory in use is none in its pool. What follows is of the allocation that is not closed, if there is one;
    `held_floor` is that of its lease's pool.
    """

    node: str
    uuid: str
    place: int
    product: str
    health: str
    present: bool
    pool: str | None
    floor: int | None
    allocation: str | None
    lease: str | None
    company: str | None
    starts_at: int | None
    stops_at: int | None
    ended: bool | None
    held_floor: int | None
    unproved: str | None


_OF = text(
    """
    SELECT CAST(json_agg(json_build_array(
        g.node, g.uuid, g.index, g.product, g.health, g.present, g.pool, p.empty_memory_bytes, a.id, l.id, l.company,
        CAST(extract(epoch FROM l.starts_at) AS bigint), CAST(extract(epoch FROM l.stops_at) AS bigint),
        a.ended_at IS NOT NULL, h.empty_memory_bytes, a.unproved
    ) ORDER BY a.id) AS text)
    FROM gpu g LEFT JOIN pool p ON p.name = g.pool
    LEFT JOIN allocation a ON a.gpu = g.uuid AND a.closed_at IS NULL
    LEFT JOIN lease l ON l.id = a.lease LEFT JOIN pool h ON h.name = l.pool
    WHERE g.node = ANY(:nodes) AND (g.present OR a.id IS NOT NULL)
    GROUP BY g.node
    """
)
"""A text a node, which is read in a fifth of the time that its rows would take."""

_GPUS = msgspec.json.Decoder(list[Gpu])


def of(session: Session, nodes: Iterable[str]) -> Mapping[str, Sequence[Gpu]]:
    """By node, in the order of their allocations. `place` is a GPU's index on its node."""
    found: dict[str, list[Gpu]] = {node: [] for node in nodes}
    if not found:
        return found
    for (said,) in session.connection().execute(_OF, {"nodes": list(found)}).all():
        gpus = _GPUS.decode(said)
        found[gpus[0].node] = gpus
    return found


def told(gpus: Iterable[Gpu]) -> list[NodeAllocation]:
    """What the node's agent is told that it holds."""
    return [
        NodeAllocation(
            allocation=gpu.allocation,
            gpu=gpu.uuid,
            lease=gpu.lease or "",
            company=gpu.company or "",
            starts_at=written(gpu.starts_at or 0),
            stops_at=written(gpu.stops_at or 0),
            ended=bool(gpu.ended),
            empty_memory_bytes=gpu.held_floor,
        )
        for gpu in gpus
        if gpu.allocation is not None
    ]


def pools(gpus: Iterable[Gpu]) -> dict[str, str]:
    """Which pool each GPU of a node is in that is there and in one."""
    return {gpu.uuid: gpu.pool for gpu in gpus if gpu.pool is not None and gpu.present}


@lru_cache(maxsize=1 << 12)
def written(at: int) -> str:
    """Unix seconds as the wire has instants."""
    return to_wire(at).strftime("%Y-%m-%dT%H:%M:%SZ")
