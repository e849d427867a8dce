"""What an ask gets: a promise, a place in the queue, or a refusal that says what would work.

`verdict` is the table of outcomes, read from top to bottom; what is refused by a company's own limits is in
`scheduler.core.limits`, where a promise is pencilled in is the policy's rule (`scheduler.core.rules`). What
waits for its company's turn gets it in `scheduler.core.serving`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from scheduler.core import preemption, rules, spot
from scheduler.core.asking import Case, Obstacle
from scheduler.core.book import Book, Draft
from scheduler.core.calendar import Box, earliest
from scheduler.core.lease import scheduled
from scheduler.core.limits import beyond_limits, could, fits_empty_pool
from scheduler.core.model import (
    Ask,
    Code,
    CompanyId,
    Gang,
    Instant,
    Lease,
    LeaseId,
    Promise,
    Queued,
    Refusal,
    Tier,
    Verdict,
)
from scheduler.core.placement import place
from scheduler.core.quota import FOR_EVER
from scheduler.core.rules import RULES, moved_to
from scheduler.core.shapes import at_least, most, resized
from scheduler.core.sharing import Turn
from scheduler.core.sharing import numbers as share_numbers

_Numbers = dict[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The verdicts in the order of the asks, the book with their promises, and whoever else was moved: before, after."""

    verdicts: tuple[Verdict, ...]
    book: Book
    moves: tuple[tuple[Lease, Lease], ...]


def decide(book: Book, asks: Sequence[tuple[LeaseId, Ask]], now: Instant) -> Decided:
    """Decides asks that came together, as if one after the other, by everything in the book. The same arguments give
    the same.

    Each is pencilled in; then what waits is moved earlier where it fits, those that asked before first. Who asks just now
    needs no notice: what fits now starts now, and is promised that. That a window is past or contradicts itself is for
    the caller to say: here it only has no start in it.
    """
    draft = preemption.opened(Draft(book), now)
    verdicts = tuple(_each(draft, asks, now))
    return Decided(verdicts=verdicts, book=draft.seal(), moves=moves(book, draft))


def foretold(book: Book, ask: Ask, now: Instant) -> Verdict:
    """What `decide` would give the ask if it came alone, at less cost: no book is made."""
    draft = preemption.opened(Draft(book), now)
    if ask.tier is Tier.RESERVED and not ask.or_spot and rules.idle(draft, now):
        return verdict(draft, ask, now, at_once=True)
    [found] = _each(draft, [(LeaseId("~"), ask)], now)
    return found


def _each(draft: Draft, asks: Sequence[tuple[LeaseId, Ask]], now: Instant) -> Iterator[Verdict]:
    """What each gets once everybody was looked at; their promises and whoever they move are in the draft."""
    idle = rules.idle(draft, now)
    found: list[Verdict] = []
    queued: Counter[CompanyId] = Counter()
    for lease_id, sent in asks:
        ask = replace(sent, queued_already=sent.queued_already + queued[sent.company])
        if ask.tier is Tier.SPOT:
            found.append(one := _on_spot(draft, lease_id, ask, now))
            queued[ask.company] += isinstance(one, Queued)
            continue
        one = verdict(draft, ask, now, at_once=idle)
        if isinstance(one, Promise):
            draft.put(scheduled(lease_id, ask, now, one))
        if not idle:
            # Once: what is pencilled in afterwards makes no room for anybody.
            rules.move(draft, now)
            idle = True
            if isinstance(one, Promise):
                _start_at_once(draft, lease_id, now)
            else:
                one = _after_moves(draft, lease_id, ask, now)
        if ask.or_spot and spot.falls_back(one, now):
            one = _on_spot_instead(draft, lease_id, ask, one, now)
        queued[ask.company] += isinstance(one, Queued)
        found.append(one)
    if not idle:
        rules.move(draft, now)
    preemption.settle(draft)
    for (lease_id, _), one in zip(asks, found, strict=True):
        yield settled(draft, one, lease_id, now) if isinstance(one, Promise) else one


def _after_moves(draft: Draft, lease_id: LeaseId, ask: Ask, now: Instant) -> Verdict:
    """What one without a promise is told is true of what everybody has afterwards; it may even fit then."""
    one = verdict(draft, ask, now, at_once=True)
    if isinstance(one, Promise):
        draft.put(scheduled(lease_id, ask, now, one))
    return one


def _on_spot(draft: Draft, lease_id: LeaseId, ask: Ask, now: Instant) -> Verdict:
    """What a spot ask gets of what all leave; what it gets may be lent to those that are decided after it."""
    preemption.settle(draft)
    one = spot.verdict(draft, ask, now)
    if isinstance(one, Promise):
        draft.put(scheduled(lease_id, ask, now, one))
    preemption.opened(draft, now)
    return one


def _on_spot_instead(draft: Draft, lease_id: LeaseId, ask: Ask, one: Verdict, now: Instant) -> Verdict:
    """Spot at once, if there is any, for what would wait for something else than room."""
    reserved = draft.lift(lease_id)
    instead = _on_spot(draft, lease_id, spot.instead(ask), now)
    if isinstance(instead, Promise):
        return instead
    if reserved is not None:
        draft.put(reserved)
    return one


def _start_at_once(draft: Draft, lease_id: LeaseId, now: Instant) -> None:
    lease = draft.leases.get(lease_id)
    if lease is None or not lease.waits:
        return
    soonest = draft.soonest(now)
    if (lease.start or 0) <= soonest and now < (lease.starts_at or 0):
        lease = moved_to(draft, lease, max(now, lease.start or 0), min(soonest, (lease.starts_at or 0) - 1), now)
    if (lease.starts_at or 0) <= soonest:
        lease = replace(lease, promised_start=lease.starts_at)
    draft.put(lease)


def moves(book: Book, draft: Draft) -> tuple[tuple[Lease, Lease], ...]:
    """Leases of the book whose slot, promise or nodes are others in the draft, by when they were asked: before, after."""
    both = draft.touched & book.leases.keys() & draft.leases.keys()
    changed = [(book.leases[id_], draft.leases[id_]) for id_ in both if book.leases[id_] != draft.leases[id_]]
    return tuple(sorted(changed, key=lambda pair: (pair[1].asked_at, pair[1].id)))


def settled(plane: Book | Draft, one: Promise, lease_id: LeaseId, now: Instant) -> Promise:
    """The promise with the slot that its lease has once everybody was looked at."""
    lease = plane.leases[lease_id]
    assert lease.promised_start is not None
    assert lease.starts_at is not None
    assert lease.ends_at is not None
    if one.stop is not None:
        return replace(one, stop=lease.stops_at)
    if (lease.promised_start, lease.starts_at) == (one.promised, one.start):
        return one
    code = Code.STARTS_NOW if lease.starts_at == now else one.code
    estimate = min(one.estimate, lease.starts_at)
    numbers = {**one.numbers, "wait_s": lease.promised_start - now}
    if code is Code.STARTS_NOW:
        numbers = {name: number for name, number in numbers.items() if name not in _OF_WAITING}
    return replace(
        one,
        code=code,
        promised=lease.promised_start,
        start=lease.starts_at,
        end=lease.ends_at,
        placement=lease.placement,
        estimate=estimate,
        numbers=numbers,
    )


def verdict(
    draft: Draft,
    ask: Ask,
    now: Instant,
    *,
    at_once: bool = False,
    waited: bool = False,
    turn: Turn | None = None,
) -> Verdict:
    """What an ask gets beside everything in the draft, which stays as it is.

    With `at_once` one that fits now starts now. One that `waited` in the queue is given its notice, if its window allows.
    Its company's `turn` lets it beyond its share.
    """
    wanted, ask = ask, at_least(ask)
    case = Case.of(draft, ask, now, at_once=at_once, waited=waited, turn=turn)
    if not fits_empty_pool(draft, ask.shape):  # before the limits: raising those would not help
        return Refusal(code=Code.NEVER_FITS, numbers=case.numbers() | could(case))
    if (refusal := beyond_limits(case)) is not None:
        return refusal
    start = earliest(draft, case.box, case.lo, case.hi)
    if start is None:
        return _without(case, case.obstacle())
    if not case.may_book(ask.shape, start):
        return _without(case, "ahead")
    found = _pencilled(case, start) if ask is wanted else _as_many_as_fit(case, wanted, start)
    return found if isinstance(found, Promise) else _without(case, "share", found)


def _without(case: Case, obstacle: Obstacle, beyond: Instant | None = None) -> Queued | Refusal:
    """What an ask gets that has no start; `beyond` is where it would be above its company's share."""
    draft, ask, numbers = case.draft, case.ask, case.numbers(obstacle)
    if obstacle == "capacity":
        numbers |= case.out_of_service(case.hi + ask.duration_s)
    if obstacle == "walk_in":
        numbers |= case.held_back()
    if beyond is not None:
        numbers |= share_numbers(draft, ask.company, beyond)
    if ask.queue:
        return Queued(code=_WAITS[obstacle], numbers=numbers, first_fit=first_fit(draft, ask, case.lo))
    numbers |= {"waits_for": obstacle}
    numbers |= _within_share(ask, numbers) if obstacle == "share" else case.instead().of_asked()
    code = Code.WALK_IN_RESERVED if obstacle == "walk_in" else Code.NO_START_IN_WINDOW
    return Refusal(code=code, numbers=numbers)


def _within_share(ask: Ask, numbers: _Numbers) -> _Numbers:
    """What its company's share has room for where it would be above it."""
    left = int(numbers["share_gpus"]) - int(numbers["share_held_gpus"])
    if isinstance(ask.shape, Gang):
        left -= left % ask.shape.gpus_per_node
    return {"largest_gpus_now": left} if left > 0 else {}


_WAITS: Mapping[Obstacle, Code] = {
    "quota": Code.WAITS_FOR_QUOTA,
    "budget": Code.WAITS_FOR_BUDGET,
    "ahead": Code.WAITS_FOR_AHEAD,
    "share": Code.WAITS_FOR_SHARE,
    "walk_in": Code.WAITS_FOR_WALK_IN,
    "capacity": Code.WAITS_FOR_CAPACITY,
}


_OF_WAITING = frozenset({"waits_for", "out_of_service", "out_of_service_gpus"})
"""The numbers that say what a promise waits for."""


def _pencilled(case: Case, start: Instant) -> Promise | Instant:
    """The promise of an ask that could start at `start`; or where that is above its company's share."""
    promised, slot = start, start
    if case.ask.movable and not _at_once(case, start):
        last = case.box.promised_by(start, case.hi)
        promised, slot = RULES[case.draft.policy.rule].pencil(case.draft, case.box, start, last)
    found = case.beyond_share(case.ask.shape.gpus, start, slot)
    if found is not None and slot > start:
        slot, found = start, case.beyond_share(case.ask.shape.gpus, start, start)
    return _promise(case, start, promised, slot) if found is None else found


def _at_once(case: Case, start: Instant) -> bool:
    """Whether it starts as soon as it can: also who takes its turn, as those behind it would have its GPUs otherwise."""
    return start == case.lo if case.turn is not None else case.at_once and start <= case.draft.soonest(case.now)


def _promise(case: Case, start: Instant, promised: Instant, slot: Instant) -> Promise:
    """The promise of an ask that could start at `start`, pencilled in for `slot`."""
    ask, draft = case.ask, case.draft
    code = Code.STARTS_NOW if slot == case.now else Code.STARTS_AS_ASKED if slot == ask.start else Code.STARTS_LATER
    waits_for = case.waited_for(start) if code is Code.STARTS_LATER and start > case.lo else None
    numbers = case.numbers(waits_for, start - 1) | {
        "gpus": ask.shape.gpus,
        "wait_s": promised - case.now,
        "earliest_wait_s": start - case.now,
    }
    if waits_for is not None:
        numbers["waits_for"] = waits_for
    if waits_for == "capacity":
        numbers |= case.out_of_service(start + ask.duration_s)
    elif waits_for == "walk_in":
        numbers |= case.line_at(start - 1)
    end = Instant(slot + ask.duration_s)
    placement = place(draft, ask.shape, slot, end + draft.policy.gap_s, ask.purpose)
    return Promise(
        code=code, promised=promised, start=slot, end=end, placement=placement, estimate=start, numbers=numbers
    )


def _as_many_as_fit(case: Case, wanted: Ask, start: Instant) -> Promise | Instant:
    """The promise of an ask whose least size could start at `start`: as much of what it wanted as fits there too, and as
    its company's share allows. Or where its least size is above that.
    """

    def fits(size: int) -> bool:
        shape = resized(wanted.shape, size)
        if not case.may_book(shape, start) or case.beyond_share(shape.gpus, start, start) is not None:
            return False
        return case.earliest(shape, wanted.duration_s, start, start) is not None

    most_ = most(fits, wanted.shape.nodes if isinstance(wanted.shape, Gang) else wanted.shape.gpus)
    shape = resized(wanted.shape, max(most_, wanted.min_size or 1))
    box = Box.of(case.draft, wanted.company, shape, wanted.duration_s, soon=case.box.soon)
    promise = _pencilled(replace(case, ask=replace(wanted, shape=shape), box=box), start)
    if not isinstance(promise, Promise):
        return promise
    return replace(promise, shape=shape, numbers={**promise.numbers, "asked_gpus": wanted.shape.gpus})


def first_fit(draft: Draft, ask: Ask, lo: int) -> Instant | None:
    """The first start from `lo` on beside all that is booked, past the horizon too; None if there is none in its window."""
    last = ask.start if ask.start_by is None else ask.start_by
    box = Box.of(draft, ask.company, ask.shape, ask.duration_s)
    return earliest(draft, box, max(lo, ask.start or 0), FOR_EVER if last is None else last)
