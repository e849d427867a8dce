"""What a spot ask gets: GPUs that are idle now, for as long as nobody has them; else it waits until some are.

It is under no quota, budget or share, and nothing is promised it for later. What waits may have that of companies that are
more over their share (`scheduler.core.reclaim`), once the notice of these is over.
"""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from scheduler.core.asking import Case
from scheduler.core.calendar import Box, earliest
from scheduler.core.draft import Draft
from scheduler.core.fairness import Ranks
from scheduler.core.lease import scheduled
from scheduler.core.limits import could, fits_empty_pool, too_many_open
from scheduler.core.lines import Queue, lines
from scheduler.core.model import (
    Ask,
    Code,
    CompanyId,
    Instant,
    LeaseId,
    Numbers,
    Promise,
    Queued,
    Refusal,
    Shape,
    Tier,
    Verdict,
)
from scheduler.core.placement import place
from scheduler.core.preemption import Borrowers, settle
from scheduler.core.quota import FOR_EVER
from scheduler.core.reclaim import reclaim
from scheduler.core.shapes import at_least, most, resized, size_of

LONGEST_NOTICE_S = 1800
"""The longest notice of a preemption; a reserved ask may have to wait for it."""

_FALLS_BACK = frozenset({"quota", "budget", "ahead", "share", "walk_in"})
"""What an ask that takes spot too does not wait for."""

_BEYOND = frozenset({Code.QUOTA_EXCEEDED, Code.BUDGET_EXCEEDED})
"""Limits that spot is not under."""


def falls_back(one: Verdict, now: Instant) -> bool:
    """Whether what an ask waits for, in the queue or with a promise for later, or is refused for, is nothing to spot."""
    match one:
        case Queued():
            return one.code.removeprefix("waits_for_") in _FALLS_BACK
        case Promise():
            return one.start > now and one.numbers.get("waits_for") in _FALLS_BACK
        case Refusal():
            return one.code in _BEYOND or one.numbers.get("waits_for") in _FALLS_BACK


def instead(ask: Ask) -> Ask:
    """The same for spot."""
    return replace(ask, tier=Tier.SPOT, or_spot=False, notice_s=min(ask.notice_s, LONGEST_NOTICE_S))


def verdict(draft: Draft, ask: Ask, now: Instant, *, waited: bool = False) -> Verdict:
    """What a spot ask gets beside everything in the draft, whose spot leases are all there."""
    case = Case.of(draft, ask, now, at_once=True, waited=waited)
    said = _numbers(draft, ask, now)
    if not fits_empty_pool(draft, ask.shape):
        return Refusal(code=Code.NEVER_FITS, numbers=said | could(case))
    if draft.policy.spot_least_s is None:
        return Refusal(code=Code.SPOT_NOT_OFFERED, numbers=said)
    if (beyond := too_many_open(case)) is not None:
        return Refusal(code=Code.TOO_MANY_OPEN, numbers=said | beyond)
    size = most(lambda size: _starts(draft, resized(ask.shape, size), _least_s(draft, ask), now), size_of(ask.shape))
    if size >= (ask.min_size or size_of(ask.shape)):
        return _promise(draft, ask, resized(ask.shape, size), now, said)
    if ask.queue:
        return Queued(code=Code.WAITS_FOR_IDLE, numbers=said, first_fit=first_idle(draft, ask, now))
    largest = resized(ask.shape, size).gpus if size else 0
    idle_at = first_idle(draft, ask, now)
    return Refusal(
        code=Code.NO_IDLE_GPUS,
        numbers=said | {"largest_gpus_now": largest} | ({} if idle_at is None else {"idle_at": idle_at}),
    )


def first_idle(draft: Draft, ask: Ask, now: Instant) -> Instant | None:
    """When GPUs for it are idle for long enough, as things are."""
    return earliest(draft, _box(draft, at_least(ask).shape, _least_s(draft, ask)), now, FOR_EVER)


def served(draft: Draft, queue: Queue, now: Instant) -> Iterator[tuple[LeaseId, Verdict]]:
    """What each spot ask of a queue gets; whoever got nothing is looked at again once others got something, for then their
    companies may be more over their shares than its own.
    """
    if not queue:
        return
    granted, over = True, Borrowers(draft, now)
    while queue and granted:
        found = dict(_round(draft, queue, now, over))
        granted = any(isinstance(one, Promise) for one in found.values())
        for lease_id, one in found.items():
            if isinstance(one, Promise) or not granted:
                yield lease_id, one
        queue = _left(queue, found)


def _left(queue: Queue, found: Mapping[LeaseId, Verdict]) -> Queue:
    return [one for one in queue if not isinstance(found[one[0]], Promise)]


def _round(draft: Draft, queue: Queue, now: Instant, over: Borrowers) -> Iterator[tuple[LeaseId, Verdict]]:
    """Each is looked at once: who is least over its share comes first, and each grant counts at once."""
    ranks = over.ranks()
    least_s, told = max(1, draft.policy.spot_least_s or 0), dict[object, Verdict]()
    waiting = lines(queue)

    def turn(company: CompanyId) -> tuple[int, Instant, LeaseId, CompanyId]:
        lease_id, _, asked_at = waiting[company][-1]
        return ranks.rank(company), asked_at, lease_id, company

    turns = [turn(company) for company in waiting]
    heapq.heapify(turns)
    while turns:
        company = heapq.heappop(turns)[-1]
        lease_id, ask, asked_at = waiting[company].pop()
        alike = ask.company, ask.shape, ask.min_size, ask.notice_s, min(ask.duration_s, least_s)
        one = told.get(alike) or _served(draft, ask, now, ranks)
        told[alike] = one
        if isinstance(one, Promise):
            draft.put(scheduled(lease_id, ask, asked_at, one))
            settle(draft)
            ranks, told = over.ranks(), {}
        yield lease_id, one
        if waiting[company]:
            heapq.heappush(turns, turn(company))


def _served(draft: Draft, ask: Ask, now: Instant, ranks: Ranks) -> Verdict:
    """What is idle, else what is reclaimed from companies that are more over their share; this is still lent then."""
    one = verdict(draft, ask, now, waited=True)
    if not isinstance(one, Queued) or not reclaim(draft, ask, ranks, now):
        return one
    start = earliest(draft, _box(draft, at_least(ask).shape, _least_s(draft, ask)), now, draft.soonest(now))
    if start is None:
        settle(draft)
        return one
    size = most(lambda size: _starts(draft, resized(ask.shape, size), _least_s(draft, ask), start), size_of(ask.shape))
    return _promise(draft, ask, resized(ask.shape, size), start, {**one.numbers, "reclaimed_in_s": start - now})


def _promise(draft: Draft, ask: Ask, shape: Shape, start: Instant, numbers: Numbers) -> Promise:
    least_s = _least_s(draft, ask)

    def lasts(more: int) -> bool:
        return _starts(draft, shape, least_s - 1 + more, start)

    lasts_s = least_s - 1 + most(lasts, ask.duration_s - least_s + 1)
    stop = Instant(start + lasts_s)
    return Promise(
        code=Code.STARTS_ON_SPOT,
        promised=start,
        start=start,
        end=Instant(start + ask.duration_s),
        stop=stop,
        placement=place(draft, shape, start, stop + draft.policy.gap_s, ask.purpose),
        estimate=start,
        shape=None if shape == ask.shape else shape,
        numbers={**numbers, "gpus": shape.gpus, "lasts_s": lasts_s},
    )


def _starts(draft: Draft, shape: Shape, duration_s: int, now: Instant) -> bool:
    return earliest(draft, _box(draft, shape, duration_s), now, now) is not None


def _box(draft: Draft, shape: Shape, duration_s: int) -> Box:
    return Box(shape=shape, duration_s=duration_s, gap_s=draft.policy.gap_s, limits=np.empty(0, np.int64))


def _least_s(draft: Draft, ask: Ask) -> int:
    """For how long GPUs must be idle to be worth a start; nobody is told of an end sooner than its notice."""
    return min(ask.duration_s, max(1, draft.policy.spot_least_s or 0, ask.notice_s))


def _numbers(draft: Draft, ask: Ask, now: Instant) -> dict[str, int | str]:
    return {
        "asked_gpus": ask.shape.gpus,
        "free_gpus_now": draft.free_at(now),
        "pool_gpus": draft.nominal,
        "least_s": _least_s(draft, ask),
        "notice_s": ask.notice_s,
    }
