"""Whether the nodes of a pool are as its leases need them in the cluster. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A node with a pool's label: how many of its resource it has, and whether the taint keeps others off."""

    name: str
    has: int
    is_tainted: bool


def wrong(pool: str, resource: str, nodes: Sequence[Adopted], taint_key: str) -> Iterator[str]:
    """What is wrong with a pool's nodes, each with what to do."""
    if not nodes:
        yield f"no node is of pool {pool}: dure node adopt NODE {pool}"
        return
    without = [one for one in nodes if not one.has]
    bare = [one for one in nodes if not one.is_tainted]
    if len(without) == len(nodes):
        yield f"no node of pool {pool} has {resource}: does its device plugin run, or is it dure pool enforce {pool} --resource?"
    elif without:
        yield f"{_names(without)} of pool {pool} has no {resource}: does its device plugin run?"
    if bare:
        yield f"{_names(bare)} of pool {pool} has no taint {taint_key}, so anybody's pods come to it: dure node adopt"


def _names(nodes: Iterable[Adopted]) -> str:
    return ", ".join(sorted(one.name for one in nodes))
