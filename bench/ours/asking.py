"""The asks as they go over the wire."""

from bench.fleet import POOL
from bench.gangs import Gang
from dure import wire


def body(gang: Gang) -> wire.Ask:
    """As soon as possible, and earlier than that at any moment."""
    shape = wire.Shape(nodes=gang.nodes, gpus_per_node=gang.gpus_per_node)
    return wire.Ask(pool=POOL, shape=shape, duration_s=gang.duration_s, notice_s=0)


def encoded(gang: Gang) -> bytes:
    """Its JSON."""
    return body(gang).model_dump_json(exclude_none=True).encode()
