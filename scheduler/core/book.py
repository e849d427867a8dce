"""Everything that a decision in one pool is made from: its policy, calendar and leases, and what companies hold.

A `Book` is a value: putting something into it gives another one. The store fills it from rows; nothing here reads them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from scheduler.core import quota
from scheduler.core.calendar import Booking, Calendar
from scheduler.core.model import CompanyId, Lease, LeaseId, Node, Policy, State
from scheduler.core.steps import Steps

_NOTHING = Steps.flat(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """`leases` has only those that block the calendar: scheduled, running, and ended ones until their gap is over."""

    policy: Policy
    calendar: Calendar
    leases: Mapping[LeaseId, Lease]
    holdings: Mapping[CompanyId, Steps]

    @classmethod
    def of(cls, policy: Policy, nodes: Iterable[Node], leases: Iterable[Lease]) -> "Book":
        return cls(policy=policy, calendar=Calendar.of(nodes), leases={}, holdings={}).put_leases(leases)

    def put_lease(self, lease: Lease) -> "Book":
        """Inserts or replaces the lease of that id; one that blocks nothing any more is forgotten."""
        return self.put_leases([lease])

    def put_leases(self, leases: Iterable[Lease]) -> "Book":
        """The same as putting them one after the other, for one copy."""
        new = {lease.id: lease for lease in leases}
        old = [self.leases[lease] for lease in new if lease in self.leases]
        blocking = {lease.id: lease for lease in new.values() if _booking(lease, self.policy.gap_s) is not None}
        kept = {id_: lease for id_, lease in self.leases.items() if id_ not in new}
        return replace(
            self,
            calendar=self.calendar.change(unbook=self._bookings(old), book=self._bookings(blocking.values())),
            leases=kept | blocking,
            holdings=_holdings(self.holdings, old, blocking.values()),
        )

    def put_nodes(self, nodes: Iterable[Node]) -> "Book":
        """Adds or replaces nodes; what is booked on them stays booked."""
        return replace(self, calendar=self.calendar.put_nodes(nodes))

    def since(self, now: int) -> "Book":
        """Forgets what is wholly past; decisions at `now` and later stay the same."""
        gap = self.policy.gap_s
        leases = {id_: lease for id_, lease in self.leases.items() if (lease.stops_at or 0) + gap > now}
        holdings = {company: steps.since(now) for company, steps in self.holdings.items()}
        return replace(
            self,
            calendar=self.calendar.since(now),
            leases=leases,
            holdings={company: steps for company, steps in holdings.items() if steps != _NOTHING},
        )

    def held(self, company: CompanyId) -> Steps:
        """GPUs that the company holds over time, gaps not counted."""
        return self.holdings.get(company, _NOTHING)

    @property
    def capacity(self) -> int:
        """GPUs that can be granted on nodes that are open."""
        return sum(node.capacity for node in self.calendar.nodes.values() if node.open)

    @property
    def nominal(self) -> int:
        """GPUs that could be granted on a good day, with every node there and every GPU well."""
        return sum(self.good_day())

    def good_day(self) -> list[int]:
        """The same node by node, the largest first."""
        nodes = self.calendar.nodes.values()
        return sorted((max(node.nominal, node.capacity) for node in nodes), reverse=True)

    def _bookings(self, leases: Iterable[Lease]) -> list[Booking]:
        found = (_booking(lease, self.policy.gap_s) for lease in leases)
        return [booking for booking in found if booking is not None]


def _booking(lease: Lease, gap_s: int) -> Booking | None:
    """What the lease blocks of the calendar: its box and the gap, unless it never had a GPU or never will."""
    if lease.starts_at is None or lease.stops_at is None:
        return None
    ran = lease.state is State.ENDED and lease.started_at is not None
    if lease.state not in quota.HOLDING and not ran:
        return None
    return lease.placement, lease.starts_at, lease.stops_at + gap_s


def _holdings(
    holdings: Mapping[CompanyId, Steps], old: Iterable[Lease], new: Iterable[Lease]
) -> dict[CompanyId, Steps]:
    changed = dict(holdings)
    for lease in old:
        changed[lease.company] = quota.give_back(changed.get(lease.company, _NOTHING), lease)
    for lease in new:
        changed[lease.company] = quota.take(changed.get(lease.company, _NOTHING), lease)
    return changed
