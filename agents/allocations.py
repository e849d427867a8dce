"""What the node's GPUs are leased to, as the answers to its reports say it, and the allocator's clock with it.

The agent learns both from nowhere else. Times here are of two kinds: `at` is the agent's monotonic clock, in seconds;
everything in an allocation is the allocator's time. The node's own wall clock has no say.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from agents.days import UTC_DAYS, Days


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A GPU of this node that a lease holds, or held and that is not proved empty yet (`ended`). Times are the allocator's Unix
    seconds; `empty_memory_bytes` is how much memory in use is none, null where the allocator does not say.
    """

    allocation: str
    gpu: str
    lease: str
    company: str
    starts_at: float
    stops_at: float
    ended: bool
    empty_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocations:
    """One answer's allocations. `server_ahead_s` is the allocator's Unix time less the agent's monotonic time; by `days`
    use is kept apart. `pools` says which pool a GPU is in, as far as the allocator told it.
    """

    items: tuple[Held, ...] = ()
    server_ahead_s: float = 0.0
    days: Days = UTC_DAYS
    pools: Mapping[str, str] = field(default_factory=dict)

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

    def running(self, at: float) -> dict[str, Held]:
        """GPU to the allocation that holds it at `at`. Past `stops_at` none does, told or not."""
        now = self.server_time(at)
        return {item.gpu: item for item in self.items if not item.ended and item.starts_at <= now < item.stops_at}

    def near_an_edge(self, at: float, *, within_s: float) -> Set[str]:
        """GPUs of which it matters who is on them: just leased, about to stop, or not yet proved empty."""
        now = self.server_time(at)
        return {
            item.gpu
            for item in self.items
            if item.ended or now - item.starts_at <= within_s or item.stops_at - now <= within_s
        }
