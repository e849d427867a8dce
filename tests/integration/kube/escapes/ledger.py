"""What a test knows of who holds what: the measure of the oracle."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dure import kube


@dataclass(slots=True, kw_only=True)
class Holding:
    """GPUs on nodes that a lease has."""

    id: str
    company: str
    nodes: Mapping[str, int]
    """GPUs by the name of the node."""
    held: bool = False
    """Between its start and its end."""

    @property
    def namespace(self) -> str:
        return kube.namespace(self.company)


@dataclass(slots=True)
class Ledger:
    """All leases of a test, and the nodes that are under Dure there."""

    nodes: frozenset[str]
    leases: list[Holding] = field(default_factory=list)

    def held(self, namespace: str, node: str) -> int:
        """How many GPUs of the node the company of this namespace holds now."""
        return sum(each.nodes.get(node, 0) for each in self.of(namespace))

    def of(self, namespace: str) -> list[Holding]:
        """The leases that it holds now."""
        return [each for each in self.had(namespace) if each.held]

    def had(self, namespace: str) -> list[Holding]:
        """Those that it holds or will hold, or held once."""
        return [each for each in self.leases if each.namespace == namespace]
