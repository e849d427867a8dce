"""Leases: asking for GPUs, and what becomes of an ask."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import answers
from api.answers import Answer
from api.calls import Admitted
from api.deps import Cursor, DryRun, Limit, OfCompany, OfPool, PersonReads, PersonWrites, after
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import (
    BeyondHorizon,
    BudgetExceeded,
    CompanyClosed,
    ExtensionRefused,
    KeepsSpent,
    NeverFits,
    NoIdleGpus,
    NoStartInWindow,
    QuotaExceeded,
    ResizeRefused,
    SpotNotOffered,
    TooFarAhead,
    TooLateToExtend,
    TooLong,
    TooManyOpen,
    UnknownCompany,
    UnknownLease,
    UnknownPool,
    WindowInPast,
    WrongState,
)
from scheduler import amend, endings, explanations, keeping, renewing
from scheduler.store import shown_leases

router = APIRouter(prefix="/v1/leases", tags=["leases"], route_class=StrictRoute)

OfName = Annotated[wire.Label | None, Query(description="Called this alone.")]
OfState = Annotated[list[wire.LeaseState], Query(description="In this state, or one of these.")]

ASKED: dict[int | str, dict[str, Any]] = {
    200: {"model": wire.Quote, "description": "With `dry_run`: what would be decided now, refusals too"},
    201: {"description": "Scheduled: the start is promised"},
    202: {"model": wire.Lease, "description": "Queued: it is decided again whenever something ends or is cancelled"},
}
REFUSALS = (
    NeverFits,
    QuotaExceeded,
    TooLong,
    TooFarAhead,
    BudgetExceeded,
    TooManyOpen,
    NoStartInWindow,
    NoIdleGpus,
    SpotNotOffered,
)


@router.post(
    "",
    status_code=201,
    response_model=wire.Lease,
    responses=ASKED,
    summary="Ask for GPUs",
    openapi_extra=own(UnknownCompany, CompanyClosed, UnknownPool, WindowInPast, BeyondHorizon, *REFUSALS),
)
def ask(body: wire.Ask, call: PersonWrites, dry_run: DryRun = False) -> Response:
    """Decided at once and stored, refusals too: a refused ask answers 409 with the decision and the lease's id."""
    asking = call.parts.asking
    return asking.quote(call, body) if dry_run else asking.ask(call, body)


@router.get("", response_model=wire.Page[wire.Lease], summary="List leases")
def list_leases(
    call: PersonReads,
    company: OfCompany = None,
    pool: OfPool = None,
    name: OfName = None,
    state: OfState = [],  # noqa: B006 FastAPI copies it
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Newest first; a company sees its own."""
    filters = {"company": company, "pool": pool, "name": name, "states": [str(found) for found in state]}

    def work(at: Admitted) -> wire.Page[wire.Lease]:
        expected = at.service.expectations.of(at.session, at.now)
        return shown_leases.page(
            at.session, actor=at.actor, **filters, after=after(cursor), limit=limit, expected=expected
        )

    return call.read(work)


@router.get("/{lease}", response_model=wire.Lease, summary="Show a lease", openapi_extra=own(UnknownLease))
def show_lease(lease: wire.Id, call: PersonReads) -> Response:
    """Its times, its GPUs while it holds them, and the decision that made it."""

    def work(at: Admitted) -> wire.Lease:
        expected = at.service.expectations.of(at.session, at.now)
        return shown_leases.get(at.session, lease, actor=at.actor, expected=expected)

    return call.read(work)


ENDED: dict[int | str, dict[str, Any]] = {
    200: {"description": "As it is now; with `dry_run`, what would be", "model": wire.Lease | wire.EndPreview}
}


@router.post(
    "/{lease}/release", responses=ENDED, summary="Release a lease", openapi_extra=own(UnknownLease, WrongState)
)
def release_lease(lease: wire.Id, call: PersonWrites, dry_run: DryRun = False) -> Response:
    """Ends an active lease now; the rest of its box is refunded. An admin's release of it is a revocation."""
    if dry_run:
        return call.read(lambda at: endings.preview_release(at.session, lease, actor=at.actor, now=at.now))
    return call.write(lambda at: answers.ok(endings.release(at.service, at.session, lease, actor=at.actor, now=at.now)))


@router.post(
    "/{lease}/keep",
    response_model=wire.Lease,
    summary="Keep a lease that would be given back",
    openapi_extra=own(UnknownLease, WrongState, KeepsSpent),
)
def keep_lease(lease: wire.Id, call: PersonWrites) -> Response:
    """Its pool's policy waits anew for something to run on it, or for it to use its GPUs; a few times, by that policy. One that
    is not about to be given back is told so, and that is none of these times.
    """
    return call.write(lambda at: answers.ok(keeping.keep(at.service, at.session, lease, actor=at.actor, now=at.now)))


@router.post("/{lease}/cancel", responses=ENDED, summary="Cancel a lease", openapi_extra=own(UnknownLease, WrongState))
def cancel_lease(lease: wire.Id, call: PersonWrites, dry_run: DryRun = False) -> Response:
    """Takes back an ask that has not started; the box of a promise is refunded whole."""
    if dry_run:
        return call.read(lambda at: endings.preview_cancel(at.session, lease, actor=at.actor))
    return call.write(lambda at: answers.ok(endings.cancel(at.session, lease, actor=at.actor, now=at.now)))


AMENDED: dict[int | str, dict[str, Any]] = {200: {"description": "As it is now; with `dry_run`, as it would be"}}


@router.post(
    "/{lease}/extend",
    response_model=wire.Amended,
    responses=AMENDED,
    summary="Extend a lease",
    openapi_extra=own(UnknownLease, WrongState, TooLateToExtend, ExtensionRefused),
)
def extend_lease(lease: wire.Id, body: wire.Extend, call: PersonWrites, dry_run: DryRun = False) -> Response:
    """The same lease goes on, on its own GPUs; nobody else's start moves. Scheduled leases in its way may get other nodes.

    A refusal is stored too, and its answer carries the decision.
    """
    if dry_run:
        return call.read(
            lambda at: amend.preview_extended(at.service, at.session, lease, body, actor=at.actor, now=at.now)
        )

    def work(at: Admitted) -> Answer:
        found = amend.extended(at.service, at.session, lease, body, actor=at.actor, now=at.now)
        return answers.amended(found, at.request_id)

    return call.write(work)


@router.post(
    "/{lease}/shrink",
    response_model=wire.Amended,
    responses=AMENDED,
    summary="Give back a part of a lease",
    openapi_extra=own(UnknownLease, WrongState, ResizeRefused),
)
def shrink_lease(lease: wire.Id, body: wire.Shrink, call: PersonWrites, dry_run: DryRun = False) -> Response:
    """An earlier end, or fewer nodes or GPUs: a running lease loses those at once. What is given back is refunded."""
    if dry_run:
        return call.read(
            lambda at: amend.preview_shrunk(at.service, at.session, lease, body, actor=at.actor, now=at.now)
        )

    def work(at: Admitted) -> Answer:
        found = amend.shrunk(at.service, at.session, lease, body, actor=at.actor, now=at.now)
        return answers.amended(found, at.request_id)

    return call.write(work)


@router.post(
    "/{lease}/resize",
    response_model=wire.Amended,
    responses=AMENDED,
    summary="Make a lease larger or smaller",
    openapi_extra=own(UnknownLease, WrongState, ResizeRefused),
)
def resize_lease(lease: wire.Id, body: wire.Resize, call: PersonWrites, dry_run: DryRun = False) -> Response:
    """An inference lease grows beside everybody's promises, up to its `max`; any lease gets smaller, down to its `min`.

    A refusal is stored too, and its answer carries the decision.
    """
    if dry_run:
        return call.read(
            lambda at: amend.preview_resized(at.service, at.session, lease, body, actor=at.actor, now=at.now)
        )

    def work(at: Admitted) -> Answer:
        found = amend.resized(at.service, at.session, lease, body, actor=at.actor, now=at.now)
        return answers.amended(found, at.request_id)

    return call.write(work)


@router.put(
    "/{lease}/renewal",
    response_model=wire.Lease,
    summary="Say whether a lease renews itself",
    openapi_extra=own(UnknownLease, WrongState, TooLateToExtend),
)
def set_renewal(lease: wire.Id, body: wire.Renewal, call: PersonWrites) -> Response:
    """For inference: by the length it was asked for, before extending closes, while quota and calendar allow; else told in time."""
    return call.write(
        lambda at: answers.ok(renewing.renewing(at.service, at.session, lease, body, actor=at.actor, now=at.now))
    )


@router.get(
    "/{lease}/events",
    response_model=wire.Page[wire.LeaseEvent],
    summary="What happened to a lease",
    openapi_extra=own(UnknownLease),
)
def list_lease_events(lease: wire.Id, call: PersonReads, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Oldest first, each with its cause."""
    return call.read(
        lambda at: shown_leases.events(at.session, lease, actor=at.actor, after=after(cursor), limit=limit)
    )


@router.get(
    "/{lease}/explain",
    response_model=wire.Explanation,
    summary="Why a lease is as it is",
    openapi_extra=own(UnknownLease),
)
def explain_lease(lease: wire.Id, call: PersonReads) -> Response:
    """Everything that happened to it in words, oldest first, each with the decision that made it."""

    def work(at: Admitted) -> wire.Explanation:
        expected = at.service.expectations.of(at.session, at.now)
        return explanations.explain(at.session, lease, actor=at.actor, expected=expected)

    return call.read(work)
