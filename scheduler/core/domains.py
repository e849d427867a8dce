"""Topology domains: the rack and the NVLink island of each node, by its labels. What has no label is one domain."""

from collections.abc import Callable, Iterable, Sequence

from scheduler.core.model import Node

Domain = tuple[str, str]
Label = Callable[[Node], Domain]


def island(node: Node) -> Domain:
    return node.rack, node.island


def rack(node: Node) -> Domain:
    return node.rack, ""


def groups(rows: Iterable[int], nodes: Sequence[Node], domain: Label) -> list[list[int]]:
    """The rows of each domain; the domain of the first row first, and so on."""
    found: dict[Domain, list[int]] = {}
    for row in rows:
        found.setdefault(domain(nodes[row]), []).append(row)
    return list(found.values())
