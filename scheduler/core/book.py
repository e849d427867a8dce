"""Everything that decisions in one pool are made from: its policy, nodes, leases and drains, and what companies may hold.

A `Book` is a value. A `Draft` is a copy that one pure function changes on its way to the next value: only what it
changes is copied. The store fills books from rows; nothing here reads them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scheduler.core.codec import Item, Quota
from scheduler.core.model import PPM, CompanyId, Drain, Lease, LeaseId, Node, NodeId, Policy, State
from scheduler.core.profiles import Profiles
from scheduler.core.quota import HOLDING
from scheduler.core.steps import Steps
from scheduler.core.tally import Sum, Tally, changes
from scheduler.core.waiting import Waiting

RESERVE = 0
"""The row of the limits that long boxes share."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Book:
    """`leases` has those that block the calendar: scheduled, running, and ended ones until their gap is over.

    `free` has a row a node, in order of their ids: its capacity less what is booked, below zero where capacity was
    lost. `limits` has what the reserve and each company's quota leave.
    """

    policy: Policy
    nodes: Mapping[NodeId, Node]
    rows: Mapping[NodeId, int]
    open: NDArray[np.bool_]
    leases: Mapping[LeaseId, Lease]
    reserved: frozenset[LeaseId]
    """Those that share the reserve's limit."""
    drains: Mapping[str, Drain]
    quotas: Mapping[CompanyId, int]
    accounts: Mapping[CompanyId, int]
    free: Profiles
    limits: Profiles
    waiting: Waiting
    stranded: NDArray[np.int64]
    """What each number of free GPUs on a node is expected to strand, for the mix of asks seen."""
    good_day: tuple[int, ...]
    """What each node could give with every node there and every GPU well, the largest first."""
    nominal: int
    """The same in all."""
    tally: Tally
    """The sum over all but the policy and `stranded`."""

    @classmethod
    def of(
        cls,
        policy: Policy,
        nodes: Iterable[Node],
        leases: Iterable[Lease] = (),
        quotas: Mapping[CompanyId, int] | None = None,
        drains: Iterable[Drain] = (),
        stranded: NDArray[np.int64] | None = None,
    ) -> "Book":
        known = {node.id: node for node in sorted(nodes, key=lambda node: node.id)}
        capacity = sum(node.capacity for node in known.values())
        book = cls(
            policy=policy,
            nodes=known,
            rows={node: row for row, node in enumerate(known)},
            open=np.array([node.open for node in known.values()], np.bool_),
            leases={},
            reserved=frozenset(),
            drains={},
            quotas={},
            accounts={},
            free=Profiles.flat([node.capacity for node in known.values()]),
            limits=Profiles.flat([_unreserved(policy, capacity)]),
            waiting=Waiting(),
            stranded=np.zeros(1, np.int64) if stranded is None else stranded,
            good_day=_good_day(known.values()),
            nominal=sum(_good_day(known.values())),
            tally=Tally(Sum()).after([], [(node, None) for node in known.values()]),
        )
        draft = Draft(book)
        draft.set_quotas(quotas or {})
        for drain in drains:
            draft.put_drain(drain)
        for lease in leases:
            draft.put(lease)
        return draft.seal()

    def put_leases(self, leases: Iterable[Lease]) -> "Book":
        """Inserts or replaces leases by their ids; one that blocks nothing any more is forgotten."""
        draft = Draft(self)
        for lease in leases:
            draft.put(lease)
        return draft.seal()

    def put_lease(self, lease: Lease) -> "Book":
        return self.put_leases([lease])

    def put_nodes(self, nodes: Iterable[Node]) -> "Book":
        """Adds or replaces nodes; what is booked on them stays booked."""
        return self.changed(nodes)

    def changed(self, items: Iterable[Item]) -> "Book":
        """The book after these replaced what they are about, in their order."""
        found = list(items)
        policies = [item for item in found if isinstance(item, Policy)]
        fresh = [item for item in found if isinstance(item, Node) and item.id not in self.nodes]
        if policies or fresh:
            nodes = {**self.nodes, **{node.id: node for node in fresh}}
            policy = policies[-1] if policies else self.policy
            leases, drains = self.leases.values(), self.drains.values()
            anew = Book.of(policy, nodes.values(), leases, self.quotas, drains, self.stranded)
            return anew.changed(item for item in found if not isinstance(item, Policy))
        draft = Draft(self)
        for item in found:
            draft.apply(item)
        return draft.seal()

    def since(self, now: int) -> "Book":
        """Forgets what is wholly past; decisions at `now` and later stay the same."""
        gap = self.policy.gap_s
        free, limits = self.free.copy(), self.limits.copy()
        free.forget(now)
        limits.forget(now)
        kept = {id_: lease for id_, lease in self.leases.items() if (lease.stops_at or 0) + gap > now or _holds(lease)}
        drains = {id_: drain for id_, drain in self.drains.items() if drain.ends_at > now}
        reserved, tally = self.reserved & kept.keys(), Tally(self.tally.sum().since(now))
        return replace(self, free=free, limits=limits, leases=kept, reserved=reserved, drains=drains, tally=tally)

    def digest(self, now: int) -> bytes:
        """32 bytes that stand for everything that decisions at `now` are made from, but for the policy and `stranded`.

        Books that were made in different ways, or that forgot different pasts, have the same.
        """
        return self.tally.sum().at(now)

    def quota(self, company: CompanyId) -> int:
        """GPUs that the company may hold at once; 0 where nobody set a quota."""
        return self.quotas.get(company, 0)

    def left(self, company: CompanyId) -> Steps:
        """What the company's quota leaves over time; below zero where it was lowered under what is held already."""
        row = self.accounts.get(company)
        return Steps.flat(self.quota(company)) if row is None else self.limits.steps(row)

    def held(self, company: CompanyId) -> Steps:
        """GPUs that the company holds over time, gaps not counted."""
        left, quota = self.left(company), self.quota(company)
        return Steps(times=left.times, values=tuple(quota - value for value in left.values))

    def reserve(self, duration_s: int, gpus: int) -> int:
        """The row that a box like that shares with other long ones, or -1."""
        return _reserve(self.policy, self.nominal, duration_s, gpus)

    @property
    def capacity(self) -> int:
        """GPUs that can be granted on nodes that are open."""
        return sum(node.capacity for node in self.nodes.values() if node.open)


class Draft:
    """A book being changed; `seal` makes it a value, after which the draft is not used any more."""

    def __init__(self, book: Book) -> None:
        self.policy, self.rows, self.stranded = book.policy, book.rows, book.stranded
        self._book = book
        self.nodes, self.open, self.drains, self.quotas = book.nodes, book.open, book.drains, book.quotas
        self.good_day, self.nominal = book.good_day, book.nominal
        self.leases: dict[LeaseId, Lease] = dict(book.leases)
        self.reserved = set(book.reserved)
        self.accounts: dict[CompanyId, int] = dict(book.accounts)
        self.free, self.limits, self.waiting = book.free, book.limits, book.waiting
        self.touched: set[LeaseId] = set()
        """Leases that were put or lifted."""

    def seal(self) -> Book:
        return replace(
            self._book,
            tally=self._book.tally.after(*changes(self._book, self, self.touched)),
            nodes=self.nodes,
            open=self.open,
            leases=self.leases,
            reserved=frozenset(self.reserved),
            drains=self.drains,
            quotas=self.quotas,
            accounts=self.accounts,
            free=self.free,
            limits=self.limits,
            waiting=self.waiting,
            good_day=self.good_day,
            nominal=self.nominal,
        )

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
                self.set_quotas({item.company: item.gpus})
            case Policy():
                raise ValueError("a policy is not applied to a draft")

    def put(self, lease: Lease) -> None:
        """Inserts or replaces the lease of that id."""
        self.lift(lease.id)
        if not blocks(lease):
            return
        self.touched.add(lease.id)
        self._own()
        self.leases[lease.id] = lease
        if self.reserve(lease.duration_s, lease.gpus) >= 0:
            self.reserved.add(lease.id)
        self._book_on_calendar(lease, -1)
        if lease.waits:
            self.waiting.put(
                lease,
                gap_s=self.policy.gap_s,
                limit=self.account(lease.company),
                reserve=RESERVE if lease.id in self.reserved else -1,
                nodes=self.rows,
            )

    def lift(self, lease_id: LeaseId) -> Lease | None:
        """Takes a lease out, if it is there."""
        lease = self.leases.pop(lease_id, None)
        if lease is None:
            return None
        self.touched.add(lease_id)
        self._own()
        self._book_on_calendar(lease, 1)
        self.reserved.discard(lease_id)
        if lease.waits:
            self.waiting.drop(lease)
        return lease

    def put_node(self, node: Node) -> None:
        """Replaces a node that is known; one that is gone has capacity 0."""
        self._own()
        old, row = self.nodes[node.id], self.rows[node.id]
        capacity = sum(known.capacity for known in self.nodes.values())
        self.free.shift(row, node.capacity - old.capacity)
        grown = _unreserved(self.policy, capacity + node.capacity - old.capacity) - _unreserved(self.policy, capacity)
        self.limits.shift(RESERVE, grown)
        self.nodes = {**self.nodes, node.id: node}
        self.good_day = _good_day(self.nodes.values())
        nominal, self.nominal = self.nominal, sum(self.good_day)
        if self.policy.reserve_ppm and nominal != self.nominal:
            self._reserve_again()
        self.open = self.open.copy()
        self.open[row] = node.open

    def _reserve_again(self) -> None:
        """What is larger than all that long boxes have is not held to it, and that depends on how large the pool is."""
        for lease in list(self.leases.values()):
            if (self.reserve(lease.duration_s, lease.gpus) >= 0) != (lease.id in self.reserved):
                self.put(lease)

    def put_drain(self, drain: Drain) -> None:
        """Adds or replaces a drain; an empty one is taken out. It blocks all of its node that there could ever be."""
        old = self.drains.get(drain.id)
        self._own()
        for found, sign in ((old, 1), (drain, -1)):
            if found is not None and found.node in self.rows:
                self.free.add(self.rows[found.node], found.starts_at, found.ends_at, sign * DRAINED)
        rest = {id_: other for id_, other in self.drains.items() if id_ != drain.id}
        self.drains = rest if drain.starts_at >= drain.ends_at else {**rest, drain.id: drain}

    def set_quotas(self, quotas: Mapping[CompanyId, int]) -> None:
        self._own()
        for company, gpus in quotas.items():
            self.limits.shift(self.account(company), gpus - self.quotas.get(company, 0))
        self.quotas = {**self.quotas, **quotas}

    def account(self, company: CompanyId) -> int:
        """The row of what the company's quota leaves."""
        row = self.accounts.get(company)
        if row is None:
            self._own()
            row = self.accounts[company] = self.limits.append(self.quotas.get(company, 0))
        return row

    def reserve(self, duration_s: int, gpus: int) -> int:
        """The row that a box like that shares with other long ones, or -1."""
        return _reserve(self.policy, self.nominal, duration_s, gpus)

    def _own(self) -> None:
        """Copies what is shared with the book, once."""
        if self.free is self._book.free:
            self.free, self.limits, self.waiting = self.free.copy(), self.limits.copy(), self.waiting.copy()

    def _book_on_calendar(self, lease: Lease, sign: int) -> None:
        start, stop = lease.starts_at or 0, lease.stops_at or 0
        for node, gpus in lease.placement:
            if node in self.rows:
                self.free.add(self.rows[node], start, stop + self.policy.gap_s, sign * gpus)
        if _holds(lease):
            self.limits.add(self.account(lease.company), start, stop, sign * lease.gpus)
            if lease.id in self.reserved:
                self.limits.add(RESERVE, start, stop, sign * lease.gpus)


DRAINED = 1 << 20
"""More GPUs than any node has."""


def blocks(lease: Lease) -> bool:
    """Whether the lease takes something of the calendar: not one that never had a GPU or never will."""
    if lease.starts_at is None or lease.stops_at is None:
        return False
    return _holds(lease) or (lease.state is State.ENDED and lease.started_at is not None)


def _holds(lease: Lease) -> bool:
    return lease.state in HOLDING


def _good_day(nodes: Iterable[Node]) -> tuple[int, ...]:
    return tuple(sorted((max(node.nominal, node.capacity) for node in nodes), reverse=True))


def _reserve(policy: Policy, nominal: int, duration_s: int, gpus: int) -> int:
    """A box that is larger than all that the reserve leaves long ones is not held to it: it could never start."""
    if not policy.reserve_ppm or duration_s <= policy.reserve_over_s:
        return -1
    return RESERVE if gpus <= _unreserved(policy, nominal) else -1


def _unreserved(policy: Policy, capacity: int) -> int:
    return capacity * (PPM - policy.reserve_ppm) // PPM
