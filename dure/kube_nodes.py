"""Whether the nodes of a pool are as its leases need them in the cluster. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dure.kube import POOL_LABEL

NAMED = 5
"""Nodes that are named one by one: there may be hundreds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A node of a pool: how many of its resource it has, and whether the taint keeps others off. One whose agent shows GPUs
    of the pool may have lost the label.
    """

    name: str
    has: int
    is_tainted: bool
    is_labelled: bool = True


def is_of(pool: str, name: str, label: str | None, shown: Mapping[str, Collection[str]]) -> bool:
    """Whether a node of the cluster is of the pool: by what its label says, or by its GPUs, `shown` being nodes by pool as agents
    show those. One with GPUs of two pools has the label of one.
    """
    return label == pool or (name in shown.get(pool, ()) and name not in shown.get(label or "", ()))


def wrong(pool: str, resource: str, nodes: Sequence[Adopted], taint_key: str) -> Iterator[str]:
    """What is wrong with a pool's nodes, each with what to do."""
    if not nodes:
        yield f"no node is of pool {pool}: dure node adopt NODE {pool}"
        return
    lost = [one for one in nodes if not one.is_labelled]
    if lost:
        yield f"{_names(lost)} of pool {pool} has no label {POOL_LABEL}={pool}: dure node adopt NODE {pool}"
    yield from _without(pool, resource, [one for one in nodes if one.is_labelled])
    bare = [one for one in nodes if not one.is_tainted]
    if bare:
        yield (
            f"{_names(bare)} of pool {pool} has no taint {taint_key}, so anybody's pods come to it: "
            f"dure node adopt NODE {pool}"
        )


def _without(pool: str, resource: str, nodes: Sequence[Adopted]) -> Iterator[str]:
    without = [one for one in nodes if not one.has]
    if without and len(without) == len(nodes):
        yield f"no node of pool {pool} has {resource}: does its device plugin run, or is it dure pool enforce {pool} --resource?"
    elif without:
        yield f"{_names(without)} of pool {pool} has no {resource}: does its device plugin run?"


def _names(nodes: Sequence[Adopted]) -> str:
    names = sorted(one.name for one in nodes)
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + rest
