"""Everything that decisions in one pool are made from: its policy, nodes, leases and drains, and what companies may hold.

A `Book` is a value; `scheduler.core.draft` is how one is made of another. The store fills books from rows; nothing here
reads them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scheduler.core import reserve, walk_in
from scheduler.core.budget import Standing
from scheduler.core.codec import Item
from scheduler.core.contention import calm
from scheduler.core.draft import Draft, holds
from scheduler.core.fairness import UNSHARED, Fair
from scheduler.core.fragmentation import UNSEEN, Mix
from scheduler.core.model import CompanyId, Drain, Lease, LeaseId, Node, NodeId, Policy
from scheduler.core.profiles import Profiles
from scheduler.core.quota import Quota
from scheduler.core.shares import Group, Share, Uses
from scheduler.core.steps import Steps
from scheduler.core.tally import Sum, Tally
from scheduler.core.waiting import Waiting


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Book:
    """`leases` has those that block the calendar: scheduled, running, and ended ones until their gap is over.

    `free` has a row a node, in order of their ids: its capacity less what is booked, below zero where capacity was
    lost. `limits` has what the reserve, the walk-in reserve and each company's quota leave.
    """

    policy: Policy
    nodes: Mapping[NodeId, Node]
    rows: Mapping[NodeId, int]
    names: tuple[NodeId, ...]
    """The nodes' ids in the order of the rows."""
    open: NDArray[np.bool_]
    leases: Mapping[LeaseId, Lease]
    reserved: frozenset[LeaseId]
    """Those that share the reserve's limit."""
    spots: frozenset[LeaseId]
    """Spot leases that hold something."""
    drains: Mapping[str, Drain]
    quotas: Mapping[CompanyId, Quota]
    accounts: Mapping[CompanyId, int]
    standings: Mapping[CompanyId, Standing]
    """Of the companies whose quota limits what their leases come to."""
    free: Profiles
    limits: Profiles
    waiting: Waiting
    fair: Fair
    calm: Profiles
    """What can be booked over time before an instant is contended; kept up where there is such a thing."""
    mix: Mix
    """The sizes that are asked for here."""
    stranded: NDArray[np.int64]
    """What each number of free GPUs on a node is expected to strand, by the mix."""
    good_day: tuple[int, ...]
    """What each node could give with every node there and every GPU well, the largest first."""
    nominal: int
    """The same in all."""
    out_of_service: Mapping[NodeId, int]
    """What nodes that are silent, or have lost GPUs, cannot give of that now."""
    tally: Tally
    """The sum over all but the policy."""

    @classmethod
    def of(
        cls,
        policy: Policy,
        nodes: Iterable[Node],
        leases: Iterable[Lease] = (),
        quotas: Mapping[CompanyId, int | Quota] | None = None,
        drains: Iterable[Drain] = (),
        mix: Mix = UNSEEN,
        fair: Iterable[Share | Group | Uses] = (),
    ) -> "Book":
        """A quota that is a number is of so many GPUs at once, and of nothing else; `fair` is shares, groups and uses."""
        known = {node.id: node for node in sorted(nodes, key=lambda node: node.id)}
        capacity, good_day = sum(node.capacity for node in known.values()), reserve.good_day(known.values())
        book = cls(
            policy=policy,
            nodes=known,
            rows={node: row for row, node in enumerate(known)},
            names=tuple(known),
            open=np.array([node.open for node in known.values()], np.bool_),
            leases={},
            reserved=frozenset(),
            spots=frozenset(),
            drains={},
            quotas={},
            accounts={},
            standings={},
            free=Profiles.flat([node.capacity for node in known.values()]),
            limits=Profiles.flat([reserve.unreserved(policy, capacity), walk_in.line(policy, sum(good_day))]),
            waiting=Waiting(),
            fair=UNSHARED,
            calm=Profiles.flat([calm(policy, capacity) or 0]),
            mix=UNSEEN,
            stranded=np.zeros(1, np.int64),
            good_day=good_day,
            nominal=sum(good_day),
            out_of_service=reserve.out_of_service(known.values()),
            tally=Tally(Sum()).after([], [(node, None) for node in known.values()]),
        )
        draft = Draft(book)
        draft.put_mix(mix)
        draft.fair = draft.fair.put(fair)
        for company, quota in (quotas or {}).items():
            draft.set_quota(Quota(company=company, gpus=quota) if isinstance(quota, int) else quota)
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
            anew = Book.of(policy, nodes.values(), leases, self.quotas, drains, self.mix, self.fair.items())
            return anew.changed(item for item in found if not isinstance(item, Policy))
        draft = Draft(self)
        for item in found:
            draft.apply(item)
        return draft.seal()

    def since(self, now: int) -> "Book":
        """Forgets what is wholly past; decisions at `now` and later stay the same."""
        gap = self.policy.gap_s
        free, limits, quiet = self.free.copy(), self.limits.copy(), self.calm.copy()
        for profiles in (free, limits, quiet):
            profiles.forget(now)
        kept = {id_: lease for id_, lease in self.leases.items() if (lease.stops_at or 0) + gap > now or holds(lease)}
        drains = {id_: drain for id_, drain in self.drains.items() if drain.ends_at > now}
        reserved, spots = self.reserved & kept.keys(), self.spots & kept.keys()
        tally = Tally(self.tally.sum().since(now))
        rest = replace(self, leases=kept, reserved=reserved, spots=spots, drains=drains, tally=tally)
        return replace(rest, free=free, limits=limits, calm=quiet)

    def digest(self, now: int) -> bytes:
        """32 bytes that stand for everything that decisions at `now` are made from, but for the policy.

        Books that were made in different ways, or that forgot different pasts, have the same.
        """
        return self.tally.sum().at(now)

    def quota(self, company: CompanyId) -> int:
        """GPUs that the company may hold at once; 0 where nobody set a quota."""
        found = self.quotas.get(company)
        return 0 if found is None else found.gpus

    def standing(self, company: CompanyId) -> Standing | None:
        """What the company's leases come to, where its quota limits that."""
        return self.standings.get(company)

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
        return reserve.row(self.policy, self.nominal, duration_s, gpus)

    @property
    def capacity(self) -> int:
        """GPUs that can be granted on nodes that are open."""
        return sum(node.capacity for node in self.nodes.values() if node.open)
