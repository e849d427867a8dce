"""Our plans of what finds no room."""

from bench.gangs import Gang
from bench.ours.planning import ours_plan


def test_what_finds_no_room_at_once_is_what_is_planned() -> None:
    """Two nodes: the first two asks and the last hold all of them, the other two wait."""
    sizes = [(1, 8), (1, 6), (2, 8), (1, 4), (1, 2)]
    asks = [Gang(nodes=nodes, gpus_per_node=gpus, minutes=30) for nodes, gpus in sizes]
    found = list(ours_plan(asks, nodes=2, runs=2))
    assert [(plan.what, plan.jobs) for plan in found] == [
        ("afresh", 2),
        ("all to the earliest", 2),
        ("after an end", 2),
    ]
    assert all(plan.seconds > 0 for plan in found)
