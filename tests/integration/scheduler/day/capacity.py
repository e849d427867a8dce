"""The watch over GPUs: none is promised twice, also after some were lost."""

from dataclasses import dataclass

from scheduler.core.lease import owner
from scheduler.core.model import Drain, Lease, NodeId
from scheduler.core.steps import Steps
from tests.integration.scheduler.day.seen import Seen

DRAINED = 1000
"""More GPUs than any node has."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a lease has of a node, and since which step."""

    gpus: int
    begin: int
    end: int
    step: int

    def is_within(self, other: "Share") -> bool:
        """Whether the other one has all of it already."""
        return self.gpus <= other.gpus and other.begin <= self.begin and self.end <= other.end


class Capacity:
    """A sound node is never overbooked. One that lost some is not, wherever something was decided after the loss."""

    def __init__(self) -> None:
        self.capacity: dict[NodeId, int] = {}
        self.drains: dict[str, Drain] = {}
        self.lost: dict[NodeId, int] = {}
        """In which step a node last lost something."""
        self.shares: dict[tuple[str, NodeId], Share] = {}

    def check(self, seen: Seen) -> None:
        self._note_losses(seen)
        shares: dict[tuple[str, NodeId], Share] = {}
        for lease in seen.book.leases.values():
            for node, gpus in lease.placement:
                shares[lease.id, node] = self._share(lease, node, gpus, seen)
        self.shares = shares
        sound = {node.id for node in seen.book.nodes.values() if node.lost_at is None}
        sound -= {drain.node for drain in seen.book.drains.values()}
        free = {node: self._free(seen, node) for node in seen.book.nodes}
        for (lease, node), share in shares.items():
            begin = max(seen.now, share.begin)
            if begin < share.end and (node in sound or share.step > self.lost.get(node, 0)):
                assert free[node].least(begin, share.end) >= 0, (lease, node, share, self.lost)

    def _free(self, seen: Seen, node: NodeId) -> Steps:
        """What the node has less what is taken of it, added up here as the book is not believed."""
        found = Steps.flat(seen.book.nodes[node].capacity)
        for drain in seen.book.drains.values():
            if drain.node == node:
                found = found.add(drain.starts_at, drain.ends_at, -DRAINED)
        for (_, at), share in self.shares.items():
            if at == node:
                found = found.add(share.begin, share.end, -share.gpus)
        return found

    def _note_losses(self, seen: Seen) -> None:
        for node in seen.book.nodes.values():
            if node.capacity < self.capacity.get(node.id, 0):
                self.lost[node.id] = seen.step
            self.capacity[node.id] = node.capacity
        for drain in seen.book.drains.values():
            if self.drains.get(drain.id) is None:
                self.lost[drain.node] = seen.step
            self.drains[drain.id] = drain

    def _share(self, lease: Lease, node: NodeId, gpus: int, seen: Seen) -> Share:
        end = (lease.stops_at or 0) + seen.book.policy.gap_s
        share = Share(gpus=gpus, begin=lease.starts_at or 0, end=end, step=seen.step)
        # What a running lease gave back it had before.
        before = self.shares.get((lease.id, node)) or self.shares.get((owner(lease), node))
        if before is None or not share.is_within(before):
            return share
        return Share(gpus=gpus, begin=share.begin, end=end, step=before.step)
