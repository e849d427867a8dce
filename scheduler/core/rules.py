"""The named rules of promising: where an ask is pencilled in, and what is moved earlier when something changed.

Whatever the rule, no promise can break: a slot is only ever replaced by one that is free with all others in place and
not later than the promise, and the old one is always still there. Lost capacity is the one exception, and
`scheduler.core.repair`'s. The rules, their order of events and what they measured: docs/performance.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scheduler.core.book import Draft
from scheduler.core.calendar import Box, earliest, latest
from scheduler.core.compiled import screen
from scheduler.core.contention import NONE
from scheduler.core.fairness import Ranks
from scheduler.core.model import PPM, Instant, Lease, State
from scheduler.core.placement import place
from scheduler.core.quota import FOR_EVER
from scheduler.core.sharing import beyond
from scheduler.core.walk_in import soon, soon_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`pencil` gives an ask that fits from `earliest` on its promise and its slot, neither after `last`.

    `move` moves what waits earlier on the draft, where `now` allows it; `idle` says that it would move nothing.
    """

    pencil: Callable[[Draft, Box, Instant, int], tuple[Instant, Instant]]
    move: Callable[[Draft, Instant], None]
    idle: Callable[[Draft, Instant], bool]


def move(draft: Draft, now: Instant) -> None:
    """Moves by the policy's rule what waits earlier: to where it may start now, and to when no spot lease is in the way."""
    for at in _soonest(draft, now):
        RULES[draft.policy.rule].move(draft, at)


def idle(draft: Draft, now: Instant) -> bool:
    """Whether `move` would move nothing."""
    return all(RULES[draft.policy.rule].idle(draft, at) for at in _soonest(draft, now))


def _decided_at(draft: Draft, now: Instant) -> Instant:
    """When it is decided who is moved at `now`, which may be when no spot lease is in the way any more."""
    return now if draft.yielding is None else draft.yielding.now


def _soonest(draft: Draft, now: Instant) -> tuple[Instant, ...]:
    return tuple(dict.fromkeys((now, draft.soonest(now))))


def _pencil_late(draft: Draft, box: Box, start: Instant, last: int) -> tuple[Instant, Instant]:
    """The promise is the earliest start and the slack; the slot the latest start up to then."""
    slack = draft.policy.slack_ppm * box.duration_s // PPM
    promised = Instant(max(start, min(start + slack, last)))
    slot = latest(draft, box, start, promised)
    return promised, start if slot is None else slot


def _pencil_early(_draft: Draft, _box: Box, start: Instant, _last: int) -> tuple[Instant, Instant]:
    return start, start


def _start_what_fits(draft: Draft, now: Instant) -> None:
    """Whatever fits beside everybody else's slot as soon as its notice allows starts then; who is tried first: `Waiting.turn`."""
    if draft.policy.seniority_s is not None:
        _pull_seniors(draft, now, draft.policy.seniority_s)
    if not _any_fits(draft, now):
        return
    turn = draft.waiting.turn(now, draft.nominal, _by_share(draft, now))
    place_ = _candidate(draft, now, turn, 0)
    while place_ < len(turn):
        lease = draft.leases[draft.waiting.keys[turn[place_]][1]]
        start = max(now + lease.notice_s, lease.start or 0)
        draft.put(_moved(draft, lease, start, start, _decided_at(draft, now)))
        place_ = _candidate(draft, now, turn, place_ + 1)


def _by_share(draft: Draft, now: Instant) -> NDArray[np.int64] | None:
    """The places of the companies whose leases wait, in the order of their turns, by their rows of the limits; None where
    shares do not count.
    """
    if draft.policy.contended == NONE:
        return None
    ranks = Ranks.of(draft.fair, draft.leases.values(), draft.policy, now)
    waiting = {draft.leases[lease_id].company for _, lease_id in draft.waiting.keys}
    found = np.zeros(len(draft.limits), np.int64)
    for place_, company in enumerate(sorted(waiting, key=lambda company: (ranks.rank(company), company))):
        found[draft.accounts[company]] = place_
    return found


def _any_fits(draft: Draft, now: Instant) -> bool:
    """Whether there may be anybody to start earlier; mostly there is not, and nobody's turn need be worked out."""
    count = len(draft.waiting.keys)
    return _candidate(draft, now, np.arange(count), 0) < count


def _candidate(draft: Draft, now: Instant, turn: NDArray[np.int64], begin: int) -> int:
    """The first place in `turn`, from `begin` on, whose lease may fit earlier than its slot."""
    plane = draft.free.arrays, draft.open, draft.limits.arrays
    near = soon(draft.policy, _decided_at(draft, now))
    last = FOR_EVER if near is None else near
    return int(screen.next_to_try(*plane, draft.waiting.table, turn, begin, now, last))


def _nothing_fits(draft: Draft, now: Instant) -> bool:
    waiting = draft.waiting.keys
    seniority_s = draft.policy.seniority_s
    seniors = bool(waiting) and seniority_s is not None and waiting[0][0] < now - seniority_s
    return not seniors and not _any_fits(draft, now)


def _nobody_waits(draft: Draft, _now: Instant) -> bool:
    return not draft.waiting.keys


def _always(_draft: Draft, _now: Instant) -> bool:
    return True


def _pull_seniors(draft: Draft, now: Instant, seniority_s: int) -> None:
    """What has waited longer than that goes first, and keeps the earliest slot that it can have."""
    for asked_at, lease_id in list(draft.waiting.keys):
        if asked_at >= now - seniority_s:
            return
        _pull(draft, draft.leases[lease_id], now)


def pull_all(draft: Draft, now: Instant) -> None:
    """Each that waits in turn, in order of arrival: lifted out, and put back at its earliest slot."""
    for _, lease_id in list(draft.waiting.keys):
        _pull(draft, draft.leases[lease_id], now)


def pull_in_turn(draft: Draft, now: Instant) -> None:
    """The same; where shares count, in the order of the companies' turns."""
    leases = [draft.leases[lease_id] for _, lease_id in draft.waiting.keys]
    order = _by_share(draft, now)
    if order is not None:
        leases.sort(key=lambda lease: order[draft.accounts[lease.company]])
    for lease in leases:
        _pull(draft, lease, now)


def _pull(draft: Draft, lease: Lease, now: Instant) -> None:
    lo = max(now + lease.notice_s, lease.start or 0)
    draft.put(_moved(draft, lease, lo, (lease.starts_at or 0) - 1, _decided_at(draft, now)))


def _moved(draft: Draft, lease: Lease, lo: int, hi: int, now: Instant) -> Lease:
    """The lease, lifted out, where it may start in `[lo, hi]`. What is beyond its company's share then has the GPUs of spot
    leases of those alone who are more over theirs.
    """
    draft.lift(lease.id)
    if draft.yielding is None or beyond(draft, lease.company, lease.gpus, lo, lo + lease.duration_s) is None:
        return moved_to(draft, lease, lo, hi, now)
    with draft.yielding.from_more_over(lease.company):
        return moved_to(draft, lease, lo, hi, now)


def moved_to(draft: Draft, lease: Lease, lo: int, hi: int, now: Instant) -> Lease:
    """The lease, lifted out of the draft, at its earliest start in `[lo, hi]`; as it was if there is none.

    If it is booked ahead it takes nothing of the walk-in reserve for a start that is not near yet: it has its promise.
    """
    draft.lift(lease.id)
    near = soon_of(draft.policy, lease, now)
    box = Box.of(draft, lease.company, lease.shape, lease.duration_s, soon=near)
    start = earliest(draft, box, lo, hi)
    return lease if start is None else pencilled(draft, lease, start)


def pencilled(draft: Draft, lease: Lease, start: Instant) -> Lease:
    """The lease, which is not in the draft, at a start that fits, on nodes that are free then."""
    end = Instant(start + lease.duration_s)
    placement = place(draft, lease.shape, start, end + draft.policy.gap_s, lease.purpose)
    # What it is owed stays its promise; where that is not to be had, what is nearest to it.
    owed = start if lease.owed is None else lease.owed
    promised = max(owed, start)
    return replace(
        lease,
        state=State.SCHEDULED,
        promised_start=promised,
        slipped_from=owed if lease.movable and owed < promised else None,
        starts_at=start,
        ends_at=end,
        stops_at=end,
        placement=placement,
    )


def _stay(_draft: Draft, _now: Instant) -> None:
    """Nothing moves."""


def moves_earlier(rule: str) -> bool:
    """Whether what waits may ever start before its slot by the rule of that name."""
    return RULES[rule].move is not _stay


LATE_SLOTS = "late-slots"
EARLIEST_SLOT = "earliest-slot"
ONLY_EARLIER = "only-earlier"

RULES: Mapping[str, Rule] = {
    LATE_SLOTS: Rule(pencil=_pencil_late, move=_start_what_fits, idle=_nothing_fits),
    EARLIEST_SLOT: Rule(pencil=_pencil_early, move=_stay, idle=_always),
    ONLY_EARLIER: Rule(pencil=_pencil_early, move=pull_all, idle=_nobody_waits),
}
