"""Offers: windows to choose from, and claiming one."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api import answers
from api.answers import Answer
from api.calls import Admitted
from api.deps import PersonReads, PersonWrites
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import (
    BeyondHorizon,
    DureError,
    OfferExpired,
    OfferGone,
    UnknownCompany,
    UnknownOffer,
    UnknownPool,
    WindowInPast,
)
from scheduler import offering

router = APIRouter(prefix="/v1/offers", tags=["offers"], route_class=StrictRoute)

CLAIMED: dict[int | str, dict[str, Any]] = {201: {"description": "Scheduled: exactly as it was offered"}}


@router.post(
    "",
    response_model=wire.Offers,
    summary="Search for windows",
    openapi_extra=own(UnknownCompany, UnknownPool, WindowInPast, BeyondHorizon),
)
def search_offers(body: wire.OfferSearch, call: PersonWrites) -> Response:
    """Several different windows, over one pool or several: the soonest, the one that leaves most of the quota free, the
    best placed, later ones. They hold nothing; each can be claimed by its id for a few minutes.
    """
    return call.write(lambda at: answers.ok(offering.search(at.service, at.session, body, actor=at.actor, now=at.now)))


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
