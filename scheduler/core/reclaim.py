"""Idle GPUs that were lent are shared again: queued spot may have those of spot whose company is more over its share.

Only where a pool may be contended, and by what each company will be over its share by when `entry_s` is over: who waits has
to be less over it with what it asks for than the other with what it has (Kueue's `LessThanInitialShare`), so nothing is
taken to and fro. What started less than `spot_least_s` ago is left alone: for less it would not have been worth a start.
"""

from collections import Counter
from collections.abc import Iterator

from scheduler.core.contention import NONE
from scheduler.core.draft import Draft
from scheduler.core.fairness import Ranks
from scheduler.core.model import Ask, CompanyId, Instant, Lease
from scheduler.core.preemption import lend, yields


def reclaim(draft: Draft, ask: Ask, ranks: Ranks, now: Instant) -> bool:
    """Lends the ask what it may have of others', until the draft is settled; False where that is too little."""
    if draft.policy.contended == NONE:
        return False
    over = list(_more_over(draft, ask, ranks, now))
    if not over or sum(lease.gpus for lease in over) + draft.free_at(now) < ask.shape.gpus:
        return False
    lend(draft, over, now)
    return True


def _more_over(draft: Draft, ask: Ask, ranks: Ranks, now: Instant) -> Iterator[Lease]:
    """Of a company that can give all of the ask any of its leases, so that a gang finds whole nodes; of another as many as
    are more than it may have beside the ask, those that have worked least first.
    """
    with_it, gpus = ranks.after(ask.company, ask.shape.gpus), ask.shape.gpus
    given, all_of, none_of = Counter[CompanyId](), set[CompanyId](), {ask.company}
    for lease in _reclaimable(draft, now):
        company = lease.company
        if company in none_of:
            continue
        if company not in all_of and not given[company] and ranks.after(company, -max(0, gpus - 1)) > with_it:
            all_of.add(company)
        if company in all_of or ranks.after(company, -given[company]) > with_it:
            given[company] += lease.gpus
            yield lease
        else:
            none_of.add(company)


def _reclaimable(draft: Draft, now: Instant) -> list[Lease]:
    least_s = draft.policy.spot_least_s or 0
    found = [draft.leases[id_] for id_ in draft.spots]
    return sorted(
        (lease for lease in found if yields(lease, now) and (lease.starts_at or 0) + least_s <= now),
        key=lambda lease: (lease.gpus * (now - (lease.starts_at or 0)), lease.id),
    )
