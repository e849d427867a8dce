"""What the tests themselves know of who holds what: the measure of the oracle, and what the stand-in is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dure import kube


@dataclass(slots=True, kw_only=True)
class Lease:
    """GPUs on nodes for a company."""

    id: str
    company: str
    nodes: Mapping[str, int]
    """GPUs by the name of the node."""
    held: bool = False
    """Between its start and its end."""
    grace_s: int = 30

    @property
    def namespace(self) -> str:
        return kube.namespace(self.company)

    @property
    def gpus(self) -> int:
        return sum(self.nodes.values())


@dataclass(slots=True)
class Ledger:
    """All leases of a test, and the nodes that are under Dure there."""

    nodes: frozenset[str]
    leases: list[Lease] = field(default_factory=list)

    def held(self, namespace: str, node: str) -> int:
        """How many GPUs of the node the company of this namespace holds now."""
        return sum(each.nodes.get(node, 0) for each in self.leases if each.held and each.namespace == namespace)

    def of(self, namespace: str) -> list[Lease]:
        return [each for each in self.leases if each.namespace == namespace]
