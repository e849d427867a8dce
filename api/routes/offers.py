"""Offers: windows to choose from, and claiming one."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api import answers
from api.answers import Answer
from api.calls import Admitted
from api.deps import Cursor, Limit, OfCompany, PersonReads, PersonWrites, after
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import (
    BeyondHorizon,
    CompanyClosed,
    DureError,
    OfferExpired,
    OfferGone,
    UnknownCompany,
    UnknownOffer,
    UnknownPool,
    WindowInPast,
)
from scheduler import offering, searching
from scheduler.store import offers

router = APIRouter(prefix="/v1/offers", tags=["offers"], route_class=StrictRoute)

CLAIMED: dict[int | str, dict[str, Any]] = {201: {"description": "Scheduled: exactly as it was offered"}}


@router.post(
    "",
    response_model=wire.Offers,
    summary="Search for windows",
    openapi_extra=own(UnknownCompany, CompanyClosed, UnknownPool, WindowInPast, BeyondHorizon),
)
def search_offers(body: wire.OfferSearch, call: PersonWrites) -> Response:
    """Several different windows, over one pool or several as of one instant: the soonest, the one that leaves most of the
    quota free, the best placed, later ones, and where that would do, shorter, smaller or longer ones. They hold nothing;
    each can be claimed by its id for a few minutes. `unmet` says why a pool cannot give the whole.
    """
    seen = call.look(lambda at: searching.seen(at.service, at.session, body, actor=at.actor, now=at.now))
    found = searching.search(seen)
    return call.write(lambda at: answers.ok(searching.keep(at.session, body, found)))


@router.get("", response_model=wire.Page[wire.Offer], summary="List offers")
def list_offers(call: PersonReads, company: OfCompany = None, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Those that can be claimed now, newest first; a company sees its own."""

    def work(at: Admitted) -> wire.Page[wire.Offer]:
        return offers.page(at.session, actor=at.actor, company=company, after=after(cursor), limit=limit, now=at.now)

    return call.read(work)


@router.get("/{offer}", response_model=wire.Offer, summary="Show an offer", openapi_extra=own(UnknownOffer))
def show_offer(offer: wire.Id, call: PersonReads) -> Response:
    """As it was made, and the lease that it became."""
    return call.read(lambda at: offering.show(at.session, offer, actor=at.actor))


@router.post(
    "/{offer}/claim",
    status_code=201,
    response_model=wire.Lease,
    responses=CLAIMED,
    summary="Claim an offer",
    openapi_extra=own(UnknownOffer, OfferGone, OfferExpired),
)
def claim_offer(offer: wire.Id, body: wire.OfferClaim, call: PersonWrites) -> Response:
    """It becomes a lease that starts exactly then. One that lost the race gets fresh offers in the same answer."""

    def work(at: Admitted) -> Answer:
        found = offering.claim(at.service, at.session, offer, body, actor=at.actor, now=at.now)
        if isinstance(found, DureError):
            return Answer(status=found.status, body=answers.problem(found, at.request_id))
        return answers.created(found)

    return call.write(work)
