"""What a book's digest is made of: a sum over its items, the same in whatever order they came.

The sum is over the SHA-256 of each item's canonical bytes, modulo 2^256, so that a change of one item costs two hashes
however large the book is (the incremental multiset hash of Bellare and Micciancio, "A new paradigm for collision-free
hashing", 1997). It shows a mistake, not a forgery by somebody who may choose the items.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol, TypeVar

from scheduler.core.codec import Item, canonical
from scheduler.core.fairness import Fair
from scheduler.core.fragmentation import UNSEEN, Mix
from scheduler.core.model import CompanyId, Drain, Lease, LeaseId, Node, NodeId, Policy
from scheduler.core.quota import HOLDING, Quota
from scheduler.core.shares import UNCOUNTED, Uses

MODULUS = 1 << 256

Lasting = tuple[Item, int | None]
"""An item, and until when it counts; None for as long as it is in the book."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """`passing` has apart, by when they are over, what is forgotten once it is past: ended leases in their gap, drains.

    So two processes that forgot at different times come to the same digest.
    """

    lasting: int = 0
    passing: Mapping[int, int] = field(default_factory=dict[int, int])

    def at(self, now: int) -> bytes:
        """32 bytes for everything that counts at `now`."""
        live = self.lasting + sum(value for until, value in self.passing.items() if until > now)
        return (live % MODULUS).to_bytes(32)

    def since(self, now: int) -> "Sum":
        """Without what is past."""
        return Sum(lasting=self.lasting, passing={until: value for until, value in self.passing.items() if until > now})


class Tally:
    """A book's sum, worked out from its predecessor's when somebody asks; shared by threads."""

    __slots__ = ("_state",)

    def __init__(self, state: "Sum | tuple[Tally, list[Lasting], list[Lasting]]") -> None:
        self._state = state

    def after(self, gone: list[Lasting], come: list[Lasting]) -> "Tally":
        """That of a book in which `come` is there instead of `gone`."""
        if not gone and not come:
            return self
        self.sum()  # so that books of which each is made from the one before do not become a chain
        return Tally((self, gone, come))

    def sum(self) -> Sum:
        state = self._state
        if isinstance(state, Sum):
            return state
        before, gone, come = state
        found = _changed(before.sum(), gone, come)
        self._state = found  # two threads may both do this, and come to the same
        return found


def _changed(before: Sum, gone: Iterable[Lasting], come: Iterable[Lasting]) -> Sum:
    lasting, passing = before.lasting, dict(before.passing)
    for items, sign in ((gone, -1), (come, 1)):
        for item, until in items:
            value = sign * weight(item)
            if until is None:
                lasting += value
            else:
                passing[until] = (passing.get(until, 0) + value) % MODULUS
    return Sum(lasting=lasting % MODULUS, passing={until: value for until, value in passing.items() if value})


def weight(item: Item) -> int:
    """The number that stands for one item."""
    return int.from_bytes(sha256(canonical(item)).digest())


class Parts(Protocol):
    """What a book and a draft both have."""

    @property
    def policy(self) -> Policy: ...
    @property
    def nodes(self) -> Mapping[NodeId, Node]: ...
    @property
    def leases(self) -> Mapping[LeaseId, Lease]: ...
    @property
    def drains(self) -> Mapping[str, Drain]: ...
    @property
    def quotas(self) -> Mapping[CompanyId, Quota]: ...
    @property
    def fair(self) -> Fair: ...
    @property
    def mix(self) -> Mix: ...


Both = tuple[list[Lasting], list[Lasting]]
"""What only the old book has, and what only the new."""


def changes(old: Parts, new: Parts, leases: Iterable[LeaseId]) -> Both:
    """Between a book and what was made of it; of their leases only `leases` may differ."""
    gap_s = new.policy.gap_s

    def of_lease(_: str, lease: Lease) -> Lasting:
        return lease, None if lease.state in HOLDING else (lease.stops_at or 0) + gap_s

    found = [
        _differences(old.leases, new.leases, leases, of_lease),
        _differences(old.nodes, new.nodes, None, lambda _, node: (node, None)),
        _differences(old.drains, new.drains, None, lambda _, drain: (drain, drain.ends_at)),
        _differences(old.quotas, new.quotas, None, lambda _, quota: (quota, None)),
        _differences(old.fair.shares, new.fair.shares, None, lambda _, share: (share, None)),
        _differences(old.fair.groups, new.fair.groups, None, lambda _, group: (group, None)),
        _differences(_uses(old), _uses(new), None, lambda _, uses: (uses, None)),
        _differences(_mixes(old), _mixes(new), None, lambda _, mix: (mix, None)),
    ]
    return [item for gone, _ in found for item in gone], [item for _, come in found for item in come]


def _mixes(parts: Parts) -> Mapping[str, Mix]:
    """A pool that nobody has asked has none, as its log has none."""
    return {} if parts.mix == UNSEEN else {"": parts.mix}


def _uses(parts: Parts) -> Mapping[str, Uses]:
    return {} if parts.fair.uses == UNCOUNTED else {"": parts.fair.uses}


K = TypeVar("K", bound=str)
V = TypeVar("V")


def _differences(
    old: Mapping[K, V], new: Mapping[K, V], keys: Iterable[K] | None, lasting: Callable[[K, V], Lasting]
) -> Both:
    """Among `keys`, or all. Values that are equal but not the same are in both, which comes to nothing."""
    if old is new:
        return [], []
    known = list(old.keys() | new.keys() if keys is None else keys)
    gone = [lasting(key, old[key]) for key in known if key in old and old[key] is not new.get(key)]
    come = [lasting(key, new[key]) for key in known if key in new and new[key] is not old.get(key)]
    return gone, come
