"""Fair share: who is above its share of a contended pool, and in which order those are served that wait for it.

It acts before a promise and never after one. An ask is promised what keeps its company within its share, or lies where the
pool is not contended; anything else waits for its company's turn. First is who has used least beyond what it was entitled
to, by its share; what is granted counts at once (the entry penalty of Kueue's admission fair sharing), so a burst of one
company in one second stands behind the others already. Where the policy's contention is `none`, none of this is looked at.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from scheduler.core.contention import NONE
from scheduler.core.model import CompanyId, Instant, Lease, Policy, State
from scheduler.core.quota import HOLDING, Quota
from scheduler.core.shares import UNCOUNTED, WHOLE, Group, Share, Uses, parts

ROUNDED = 4
"""By how many billionths a part may have been rounded down: a third of 24 GPUs is 8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fair:
    """What a pool's book knows of shares. `parts` has what each company is entitled to of it, in billionths; it is empty
    where nothing is ever contended. `excess` is that of the uses.
    """

    shares: Mapping[CompanyId, Share]
    groups: Mapping[str, Group]
    uses: Uses
    excess: Mapping[CompanyId, int]
    parts: Mapping[CompanyId, int]

    def put(self, items: Iterable[Share | Group | Uses]) -> "Fair":
        """With each item, in their order, instead of what it is about; a company or group without shares is forgotten."""
        found = list(items)
        uses = next((one for one in reversed(found) if isinstance(one, Uses)), self.uses)
        return replace(
            self,
            shares=_with(self.shares, {one.company: one for one in found if isinstance(one, Share)}),
            groups=_with(self.groups, {one.name: one for one in found if isinstance(one, Group)}),
            uses=uses,
            excess=self.excess if uses is self.uses else uses.excess(),
        )

    def parted(self, policy: Policy, quotas: Mapping[CompanyId, Quota]) -> "Fair":
        """With the parts that follow from all of it."""
        found = {} if policy.contended == NONE else parts(self.shares, self.groups, quotas)
        return self if found == self.parts else replace(self, parts=found)

    def items(self) -> Iterable[Share | Group | Uses]:
        """What it was made of."""
        yield from self.shares.values()
        yield from self.groups.values()
        if self.uses != UNCOUNTED:
            yield self.uses

    def gpus(self, company: CompanyId, pool_gpus: int) -> int:
        """The company's share of so many GPUs."""
        return pool_gpus * (self.parts.get(company, 0) + ROUNDED) // WHOLE


N = TypeVar("N", bound=str)
S = TypeVar("S", Share, Group)


def _with(known: Mapping[N, S], changed: Mapping[N, S]) -> Mapping[N, S]:
    if not changed:
        return known
    return {name: one for name, one in {**known, **changed}.items() if one.shares}


UNSHARED = Fair(shares={}, groups={}, uses=UNCOUNTED, excess={}, parts={})


@dataclass(slots=True)
class Ranks:
    """How far each company is beyond what it was entitled to, by its part: who has the lowest is served first."""

    fair: Fair
    entered: Counter[CompanyId]
    """GPU-seconds that were granted and are not counted yet."""
    entry_s: int

    @classmethod
    def of(cls, fair: Fair, leases: Iterable[Lease], policy: Policy, now: Instant) -> "Ranks":
        entered = Counter[CompanyId]()
        for lease in leases:
            if lease.state in HOLDING and (entry_s := _entry_s(lease, policy.entry_s, now)) > 0:
                entered[lease.company] += lease.gpus * entry_s
        return cls(fair, entered, policy.entry_s)

    def grant(self, company: CompanyId, gpus: int, duration_s: int) -> None:
        """Counts what was granted just now."""
        self.entered[company] += gpus * min(duration_s, self.entry_s)

    def beyond(self, company: CompanyId) -> int:
        """GPU-seconds beyond what the company was entitled to; below zero where it is owed some."""
        return self.fair.excess.get(company, 0) + self.entered[company]

    def rank(self, company: CompanyId) -> int:
        """By its part: GPU-seconds for each whole pool that it would be entitled to; the lowest comes first."""
        return self.after(company, 0)

    def after(self, company: CompanyId, gpus: int) -> int:
        """Its rank with so many GPUs more for the first part of a box, or fewer."""
        return (self.beyond(company) + gpus * self.entry_s) * WHOLE // max(1, self.fair.parts.get(company, 0))


def _entry_s(lease: Lease, entry_s: int, now: Instant) -> int:
    """How much of a box counts before it is used: its first part, less what of it is over; at most 0 once that is past."""
    ran_s = 0 if lease.state is State.SCHEDULED or lease.starts_at is None else max(0, now - lease.starts_at)
    return min(lease.duration_s, entry_s) - ran_s
