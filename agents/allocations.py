"""What the node's GPUs are leased to, as the answers to its reports say it, and the allocator's clock with it.

The agent learns both from nowhere else. Times here are of two kinds: `at` is the agent's monotonic clock, in seconds;
everything in an allocation is the allocator's time. The node's own wall clock has no say.
"""

from collections.abc import Set
from dataclasses import dataclass

from agents.days import UTC_DAYS, Days
from dure.wire import NodeAllocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocations:
    """One answer's allocations. `server_ahead_s` is the allocator's Unix time less the agent's monotonic time; by `days`
    use is kept apart.
    """

    items: tuple[NodeAllocation, ...] = ()
    server_ahead_s: float = 0.0
    days: Days = UTC_DAYS

    def server_time(self, at: float) -> float:
        """The allocator's time, in Unix seconds, at the monotonic time `at`."""
        return at + self.server_ahead_s

    def monotonic(self, server_time: float) -> float:
        """The agent's monotonic time at which the allocator's clock shows `server_time`."""
        return server_time - self.server_ahead_s

    def listed(self) -> frozenset[str]:
        return frozenset(item.allocation for item in self.items)

    def ended(self) -> frozenset[str]:
        """Allocations that are over and wait for the proof that their GPU is empty."""
        return frozenset(item.allocation for item in self.items if item.ended)

    def running(self, at: float) -> dict[str, NodeAllocation]:
        """GPU to the allocation that holds it at `at`. Past `stops_at` none does, told or not."""
        now = self.server_time(at)
        return {
            item.gpu: item
            for item in self.items
            if not item.ended and item.starts_at.timestamp() <= now < item.stops_at.timestamp()
        }

    def near_an_edge(self, at: float, *, within_s: float) -> Set[str]:
        """GPUs of which it matters who is on them: just leased, about to stop, or not yet proved empty."""
        now = self.server_time(at)
        return {
            item.gpu
            for item in self.items
            if item.ended or now - item.starts_at.timestamp() <= within_s or item.stops_at.timestamp() - now <= within_s
        }
