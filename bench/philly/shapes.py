"""How an ask for so many GPUs lies on nodes of 8, for us and for EASY alike."""

from bench.gangs import GPUS_PER_NODE
from scheduler.core.model import Gang


def shape(gpus: int) -> Gang:
    """On as few nodes as hold it in equal parts: 4 is 1 x 4, 16 is 2 x 8, 12 is 2 x 6 and 20 is 4 x 5."""
    nodes = -(-gpus // GPUS_PER_NODE)
    while gpus % nodes:
        nodes += 1
    return Gang(nodes=nodes, gpus_per_node=gpus // nodes)
