"""A book being changed: the copy that one pure function works on, on its way from one value to the next.

Only what it changes is copied.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scheduler.core import reserve, walk_in
from scheduler.core.budget import Standing
from scheduler.core.codec import Item
from scheduler.core.compiled import choose
from scheduler.core.contention import NONE, calm
from scheduler.core.fragmentation import Mix, forecast, stranded
from scheduler.core.model import CompanyId, Drain, Instant, Lease, LeaseId, Node, Policy, State
from scheduler.core.profiles import Profiles
from scheduler.core.quota import HOLDING, Quota
from scheduler.core.reserve import RESERVE
from scheduler.core.shares import Group, Share, Uses
from scheduler.core.tally import changes
from scheduler.core.walk_in import AHEAD, is_ahead

if TYPE_CHECKING:
    from scheduler.core.book import Book
    from scheduler.core.preemption import Yielding


class Draft:
    """A book being changed; `seal` makes it a value, after which the draft is not used any more."""

    def __init__(self, book: "Book") -> None:
        self.policy, self.rows, self.names = book.policy, book.rows, book.names
        self.mix, self.stranded, self.fair, self.calm = book.mix, book.stranded, book.fair, book.calm
        self._book = book
        self.nodes, self.open, self.drains, self.quotas = book.nodes, book.open, book.drains, book.quotas
        self.good_day, self.nominal, self.out_of_service = book.good_day, book.nominal, book.out_of_service
        self.free, self.limits, self.waiting = book.free, book.limits, book.waiting
        self.leases: Mapping[LeaseId, Lease] = book.leases
        self.reserved: AbstractSet[LeaseId] = book.reserved
        self.spots: AbstractSet[LeaseId] = book.spots
        self.yielding: Yielding | None = None
        """The spot leases that are lent to what is reserved."""
        self.accounts: Mapping[CompanyId, int] = book.accounts
        self._leases: dict[LeaseId, Lease] = {}
        self._reserved: set[LeaseId] = set()
        self._spots: set[LeaseId] = set()
        self._standings: dict[CompanyId, Standing | None] = {}
        """Those that are others than the book's; None for a company that has none any more."""
        self._free_at: tuple[int, int] | None = None
        self.touched: set[LeaseId] = set()
        """Leases that were put or lifted."""

    def seal(self) -> "Book":
        return replace(
            self._book,
            tally=self._book.tally.after(*changes(self._book, self, self.touched)),
            nodes=self.nodes,
            open=self.open,
            leases=self.leases,
            reserved=frozenset(self.reserved),
            spots=frozenset(self.spots),
            drains=self.drains,
            quotas=self.quotas,
            accounts=self.accounts,
            standings=self._all_standings(),
            free=self.free,
            limits=self.limits,
            waiting=self.waiting,
            fair=self.fair.parted(self.policy, self.quotas) if self._reparted() else self.fair,
            calm=self.calm,
            mix=self.mix,
            stranded=self.stranded,
            good_day=self.good_day,
            nominal=self.nominal,
            out_of_service=self.out_of_service,
        )

    def _all_standings(self) -> Mapping[CompanyId, Standing]:
        if not self._standings:
            return self._book.standings
        kept = {company: one for company, one in self._standings.items() if one is not None}
        found = {**self._book.standings, **kept}
        for company in self._standings.keys() - kept.keys():
            found.pop(company, None)
        return found

    def _reparted(self) -> bool:
        return self.fair is not self._book.fair or self.quotas is not self._book.quotas

    def apply(self, item: Item) -> None:
        """Replaces what the item is about; a policy, or a node that is not known, makes another book instead."""
        match item:
            case Lease():
                self.put(item)
            case Node():
                self.put_node(item)
            case Drain():
                self.put_drain(item)
            case Quota():
                self.set_quota(item)
            case Mix():
                self.put_mix(item)
            case Share() | Group() | Uses():
                self.fair = self.fair.put([item])
            case Policy():
                raise ValueError("a policy is not applied to a draft")

    def put(self, lease: Lease) -> None:
        """Inserts or replaces the lease of that id."""
        self.lift(lease.id)
        if not blocks(lease):
            return
        self.touched.add(lease.id)
        self._own()
        self._leases[lease.id] = lease
        if lease.is_spot and holds(lease):
            self._spots.add(lease.id)
        elif not lease.is_spot and self.reserve(lease.duration_s, lease.gpus) >= 0:
            self._reserved.add(lease.id)
        self._book_on_calendar(lease, -1)
        if lease.waits:
            self.waiting.put(
                lease,
                gap_s=self.policy.gap_s,
                limit=self.account(lease.company),
                reserve=RESERVE if lease.id in self.reserved else -1,
                ahead=AHEAD if is_ahead(self.policy, lease) else -1,
                nodes=self.rows,
            )

    def lift(self, lease_id: LeaseId) -> Lease | None:
        """Takes a lease out, if it is there."""
        if lease_id not in self.leases:
            return None
        self.touched.add(lease_id)
        self._own()
        lease = self._leases.pop(lease_id)
        self._book_on_calendar(lease, 1)
        self._reserved.discard(lease_id)
        self._spots.discard(lease_id)
        if lease.waits:
            self.waiting.drop(lease)
        return lease

    def lendable(self, steps: NDArray[np.int64]) -> Profiles:
        """The calendar's free GPUs, with room for so many more steps in each row, for who lends what leases have, or books
        it again: their rows have it as before.
        """
        self._own()
        self._free_at = None
        self.free.widen(steps)
        return self.free

    def soonest(self, now: Instant) -> Instant:
        """When an ask that fits at once starts: now, or once the spot leases that are lent were given their notice."""
        return now if self.yielding is None else self.yielding.gone_at

    def put_node(self, node: Node) -> None:
        """Replaces a node that is known; one that is gone has capacity 0."""
        self._own()
        self._free_at = None
        old, row = self.nodes[node.id], self.rows[node.id]
        capacity = sum(known.capacity for known in self.nodes.values())
        self.free.shift(row, node.capacity - old.capacity)
        grown = reserve.unreserved(self.policy, capacity + node.capacity - old.capacity) - reserve.unreserved(
            self.policy, capacity
        )
        self.limits.shift(RESERVE, grown)
        self._shift_calm(capacity, capacity + node.capacity - old.capacity)
        self.nodes = {**self.nodes, node.id: node}
        largest, self.good_day = max(self.good_day, default=0), reserve.good_day(self.nodes.values())
        self.out_of_service = reserve.out_of_service(self.nodes.values())
        nominal, self.nominal = self.nominal, sum(self.good_day)
        self.limits.shift(AHEAD, walk_in.line(self.policy, self.nominal) - walk_in.line(self.policy, nominal))
        if self.policy.reserve_ppm and nominal != self.nominal:
            self._reserve_again()
        if largest != self.good_day[0]:
            self.put_mix(self.mix)
        self.open = self.open.copy()
        self.open[row] = node.open

    def _shift_calm(self, capacity: int, grown: int) -> None:
        before, after = calm(self.policy, capacity), calm(self.policy, grown)
        if before is not None and after is not None:
            self.calm.shift(0, after - before)

    def _reserve_again(self) -> None:
        """What is larger than all that long boxes have is not held to it, and that depends on how large the pool is."""
        for lease in list(self.leases.values()):
            held_to_it = not lease.is_spot and self.reserve(lease.duration_s, lease.gpus) >= 0
            if held_to_it != (lease.id in self.reserved):
                self.put(lease)

    def put_drain(self, drain: Drain) -> None:
        """Adds or replaces a drain; an empty one is taken out. It blocks all of its node that there could ever be."""
        self._free_at = None
        old = self.drains.get(drain.id)
        self._own()
        for found, sign in ((old, 1), (drain, -1)):
            if found is not None and found.node in self.rows:
                self.free.add(self.rows[found.node], found.starts_at, found.ends_at, sign * DRAINED)
        rest = {id_: other for id_, other in self.drains.items() if id_ != drain.id}
        self.drains = rest if drain.starts_at >= drain.ends_at else {**rest, drain.id: drain}

    def put_mix(self, mix: Mix) -> None:
        """Says what is asked for here; what is placed stays."""
        largest = max(self.good_day, default=0)
        self.mix, self.stranded = mix, stranded(forecast(mix, largest), largest)

    def set_quota(self, quota: Quota) -> None:
        """Replaces the company's; what it has booked stays booked."""
        self._own()
        row = self.account(quota.company)
        self.limits.shift(row, quota.gpus - self.limit(quota.company))
        self.quotas = {**self.quotas, quota.company: quota}
        self._standings[quota.company] = Standing.of(quota, self.leases.values()) if quota.counts else None

    def standing(self, company: CompanyId) -> Standing | None:
        """What the company's leases come to, where its quota limits that."""
        return self._standings[company] if company in self._standings else self._book.standings.get(company)

    def limit(self, company: CompanyId) -> int:
        """GPUs that the company may hold at once; 0 where nobody set a quota."""
        quota = self.quotas.get(company)
        return 0 if quota is None else quota.gpus

    def account(self, company: CompanyId) -> int:
        """The row of what the company's quota leaves."""
        row = self.accounts.get(company)
        if row is None:
            self._own()
            row = self.limits.append(self.limit(company))
            self.accounts = {**self.accounts, company: row}
        return row

    def reserve(self, duration_s: int, gpus: int) -> int:
        """The row that a box like that shares with other long ones, or -1."""
        return reserve.row(self.policy, self.nominal, duration_s, gpus)

    def free_at(self, instant: int) -> int:
        """GPUs free on open nodes at that instant. Every verdict says it, so it is counted again only once it changed."""
        if self._free_at is None or self._free_at[0] != instant:
            lows = choose.lows(*self.free.arrays, self.open, instant, instant + 1)
            self._free_at = instant, int(lows.sum())
        return self._free_at[1]

    def _own(self) -> None:
        """Copies what is shared with the book, once."""
        if self.free is not self._book.free:
            return
        self.free, self.limits, self.waiting = self.free.copy(), self.limits.copy(), self.waiting.copy()
        if self.policy.contended != NONE:
            self.calm = self.calm.copy()
        self.leases = self._leases = dict(self.leases)
        self.reserved = self._reserved = set(self.reserved)
        self.spots = self._spots = set(self.spots)

    def _book_on_calendar(self, lease: Lease, sign: int) -> None:
        start, stop = lease.starts_at or 0, lease.stops_at or 0
        if self._free_at is not None and start <= self._free_at[0] < stop + self.policy.gap_s:
            self._free_at = None
        for node, gpus in lease.placement:
            if node in self.rows:
                self.free.add(self.rows[node], start, stop + self.policy.gap_s, sign * gpus)
        if holds(lease) and not lease.is_spot:
            if self.policy.contended != NONE:
                self.calm.add(0, start, stop, sign * lease.gpus)
            self.limits.add(self.account(lease.company), start, stop, sign * lease.gpus)
            if lease.id in self.reserved:
                self.limits.add(RESERVE, start, stop, sign * lease.gpus)
            if is_ahead(self.policy, lease):
                self.limits.add(AHEAD, start, stop, sign * lease.gpus)
            if (standing := self.standing(lease.company)) is not None:
                self._standings[lease.company] = standing.changed(self.quotas[lease.company], lease, -sign)


DRAINED = 1 << 20
"""More GPUs than any node has."""


def blocks(lease: Lease) -> bool:
    """Whether the lease takes something of the calendar: not one that never had a GPU or never will."""
    if lease.starts_at is None or lease.stops_at is None:
        return False
    return holds(lease) or (lease.state is State.ENDED and lease.started_at is not None)


def holds(lease: Lease) -> bool:
    """Whether it counts against its company's quota."""
    return lease.state in HOLDING
