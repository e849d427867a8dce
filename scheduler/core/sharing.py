"""Whether a box keeps its company within its share of the pool, or lies where the pool is not contended."""

from collections.abc import Mapping
from dataclasses import dataclass

from scheduler.core.book import Draft
from scheduler.core.compiled import share
from scheduler.core.contention import NONE
from scheduler.core.model import CompanyId, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What an ask may have beyond its company's share: a start as soon as its notice allows, over by `until` where that is
    said; with `ahead` a later one too.
    """

    ahead: bool
    until: Instant | None = None

    def lets(self, start: int, end: int, soonest: int) -> bool:
        """Whether it may start then."""
        return self.ahead or (start == soonest and (self.until is None or end <= self.until))


def beyond(draft: Draft, company: CompanyId, gpus: int, start: int, end: int) -> Instant | None:
    """The first instant of `[start, end)` at which the pool is contended and so many GPUs more are above its share."""
    if draft.policy.contended == NONE:
        return None
    row = draft.account(company)
    spare = draft.limit(company) - draft.fair.gpus(company, draft.nominal)
    found = int(share.first_beyond(draft.limits.arrays, row, draft.calm.arrays, gpus, spare, start, end))
    return None if found == share.NEVER else Instant(found)


def numbers(draft: Draft, company: CompanyId, at: Instant) -> Mapping[str, int | str]:
    """What stands in the way at that instant."""
    row = draft.account(company)
    return {
        "share_gpus": draft.fair.gpus(company, draft.nominal),
        "share_held_gpus": draft.limit(company) - draft.limits.at(row, at),
        "contended_at": at,
    }
