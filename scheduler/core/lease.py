"""The states of a lease: the one table of transitions, and the one function that moves a lease.

Says nothing of whether something fits, and writes nothing down: whoever moves a lease records the cause.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scheduler.core.model import (
    Ask,
    Cause,
    Instant,
    Lease,
    LeaseId,
    Placement,
    Promise,
    Shape,
    Span,
    State,
    Total,
)

NEXT: Mapping[State, frozenset[State]] = {
    State.ASKED: frozenset({State.REFUSED, State.QUEUED, State.SCHEDULED}),
    State.REFUSED: frozenset(),
    State.QUEUED: frozenset({State.SCHEDULED, State.CANCELLED, State.EXPIRED}),
    State.SCHEDULED: frozenset({State.ACTIVE, State.CANCELLED, State.QUEUED, State.ENDED}),
    State.ACTIVE: frozenset({State.ENDING}),
    State.ENDING: frozenset({State.ENDED}),
    State.ENDED: frozenset(),
    State.CANCELLED: frozenset(),
    State.EXPIRED: frozenset(),
}
"""Where a lease may go from each state."""


_AT_ITS_STOP = frozenset({Cause.EXPIRED, Cause.PREEMPTED})
"""The causes of an end that come when the lease stops; every other one stops it."""


class IllegalTransition(Exception):
    """A lease was to go where its state does not lead."""

    def __init__(self, state: State, to: State) -> None:
        self.state = state
        self.to = to
        super().__init__(f"a lease that is {state} does not become {to}")


def advance(lease: Lease, to: State, cause: Cause, now: Instant) -> Lease:
    """The lease after it moved to `to`; raises `IllegalTransition` where the table has no such way.

    The first cause of an end is kept. A lease that stops before it started stops at its `starts_at`, so that nothing
    of it is charged; a cancelled one has a cause of its end only where it was revoked. One that goes back to the queue
    loses its slot and its promise, but not what it was told: its notice is from now on no longer than its start was away.
    """
    moved = _moved(lease, to)
    match to:
        case State.ACTIVE:
            return replace(moved, started_at=now)
        case State.ENDING:
            stops_at = lease.stops_at if cause in _AT_ITS_STOP else _stopped(lease, now)
            return replace(moved, end_cause=lease.end_cause or cause, stops_at=stops_at)
        case State.ENDED:
            stops_at = lease.starts_at if lease.state is State.SCHEDULED else lease.stops_at
            return replace(moved, end_cause=lease.end_cause or cause, stops_at=stops_at, ended_at=now)
        case State.CANCELLED:
            revoked = cause if cause is Cause.REVOKED else None
            return replace(moved, end_cause=lease.end_cause or revoked, stops_at=lease.starts_at)
        case State.QUEUED:
            told_s = (lease.starts_at or now) - now
            notice_s = lease.notice_s if lease.is_spot else max(0, min(lease.notice_s, told_s))
            return replace(
                moved,
                promised_start=None,
                granted_at=None,
                slipped_from=None,
                starts_at=None,
                ends_at=None,
                stops_at=None,
                placement=(),
                notice_s=notice_s,
            )
        case _:
            return moved


def queued(lease_id: LeaseId, ask: Ask, asked_at: Instant) -> Lease:
    """The lease of an ask that has no slot yet."""
    return Lease(**_said(lease_id, ask, asked_at), shape=ask.shape, state=State.QUEUED)


def scheduled(
    lease_id: LeaseId, ask: Ask, asked_at: Instant, promise: Promise, granted_at: Instant | None = None
) -> Lease:
    """The lease of an ask with the promise's slot and placement."""
    return Lease(
        **_said(lease_id, ask, asked_at),
        shape=promise.shape or ask.shape,
        state=State.SCHEDULED,
        promised_start=promise.promised,
        granted_at=granted_at,
        starts_at=promise.start,
        ends_at=promise.end,
        stops_at=promise.end if promise.stop is None else promise.stop,
        placement=promise.placement,
    )


def _said(lease_id: LeaseId, ask: Ask, asked_at: Instant) -> dict[str, Any]:
    """What a lease has of its ask, but for the shape, of which it may get less."""
    return {
        "id": lease_id,
        "company": ask.company,
        "pool": ask.pool,
        "duration_s": ask.duration_s,
        "asked_at": asked_at,
        "start": ask.start,
        "start_by": ask.start_by,
        "notice_s": ask.notice_s,
        "purpose": ask.purpose,
        "min_size": ask.min_size,
        "tier": ask.tier,
    }


def asked(lease: Lease) -> tuple[LeaseId, Ask, Instant]:
    """The ask that a queued lease stands for, as the queue has it."""
    ask = Ask(
        company=lease.company,
        pool=lease.pool,
        shape=lease.shape,
        duration_s=lease.duration_s,
        start=lease.start,
        start_by=lease.start_by,
        notice_s=lease.notice_s,
        purpose=lease.purpose,
        min_size=lease.min_size,
        tier=lease.tier,
    )
    return lease.id, ask, lease.asked_at


def stretched(lease: Lease, ends_at: Instant) -> Lease:
    """The lease with another end of its box."""
    assert lease.starts_at is not None
    return replace(lease, duration_s=ends_at - lease.starts_at, ends_at=ends_at, stops_at=ends_at)


def sized(lease: Lease, shape: Shape, placement: Placement, now: Instant) -> Lease:
    """The lease with another size: from now on if it runs, else from its start on."""
    history = lease.history
    if lease.state is State.ACTIVE and (until := resized_at(lease, now)) > (since := sized_since(lease)):
        history = (*history, Span(gpus=lease.gpus, starts_at=since, ends_at=until))
    return replace(lease, shape=shape, placement=placement, history=history)


def sized_since(lease: Lease) -> Instant:
    """From when on it has the size that it has now."""
    return lease.history[-1].ends_at if lease.history else lease.starts_at or Instant(0)


def resized_at(lease: Lease, now: Instant) -> Instant:
    """When a lease that runs gets another size, if that is decided now: never before it got the one that it has."""
    return max(now, sized_since(lease))


def given_back(lease: Lease, placement: Placement, at: Instant) -> Lease:
    """What stands in a book for GPUs that a running lease gave back: they are being cleaned, as after any lease."""
    return Lease(
        id=LeaseId(f"{lease.id}{_GIVEN_BACK}{at}"),
        company=lease.company,
        pool=lease.pool,
        shape=Total(gpus=sum(gpus for _, gpus in placement)),
        duration_s=1,
        state=State.ENDED,
        notice_s=lease.notice_s,
        purpose=lease.purpose,
        tier=lease.tier,
        promised_start=Instant(at - 1),
        starts_at=Instant(at - 1),
        ends_at=at,
        stops_at=at,
        started_at=Instant(at - 1),
        ended_at=at,
        end_cause=Cause.SHRUNK,
        placement=placement,
    )


def owner(lease: Lease) -> LeaseId:
    """The lease that gave back what this one stands for; every other lease is its own."""
    return LeaseId(lease.id.partition(_GIVEN_BACK)[0])


_GIVEN_BACK = "/"
"""Between a lease's id and the instant, in the id of what stands for GPUs that it gave back. No id of a lease has it."""


def _moved(lease: Lease, to: State) -> Lease:
    if to not in NEXT[lease.state]:
        raise IllegalTransition(lease.state, to)
    return replace(lease, state=to)


def _stopped(lease: Lease, now: Instant) -> Instant | None:
    """When a lease that is stopped now stops: inside its box, whatever the clock says."""
    if lease.starts_at is None or lease.stops_at is None:
        return lease.stops_at
    return max(lease.starts_at, min(lease.stops_at, now))
