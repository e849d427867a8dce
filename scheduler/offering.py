"""Offers are claimed, as asks for exactly that time.

A claim that comes too late, or whose window is taken, gets fresh offers for the same search in the same answer; one whose
window is taken is an ask that was refused, and kept as such.
"""

import math
from collections.abc import Sequence

from dure import wire
from dure.errors import InvalidRequest, OfferExpired, OfferGone, UnknownOffer, WindowInPast
from scheduler import searching
from scheduler.actor import Actor
from scheduler.core import words
from scheduler.service import Service
from scheduler.store import offers as stored
from scheduler.store import shown_leases
from scheduler.store.db import Session
from scheduler.store.times import to_wire

Claimed = wire.Lease | OfferGone | OfferExpired
"""The lease; or why there is none, with fresh offers, which are stored."""


def show(session: Session, offer: str, *, actor: Actor) -> wire.Offer:
    """Raises UnknownOffer, the same for another company's."""
    return stored.to_wire_offer(_row(session, offer, actor))


def claim(
    service: Service, session: Session, offer: str, body: wire.OfferClaim, *, actor: Actor, now: float
) -> Claimed:
    """The lease that the offer becomes; claimed again it is the same lease. Raises UnknownOffer, InvalidRequest."""
    row = stored.locked(session, _row(session, offer, actor).id)
    if row.lease is not None:
        return shown_leases.get(session, row.lease, actor=actor)
    wanted = _wanted(row, body)
    _, _, now = service.locked(session, wanted.pool, now)
    if now >= row.expires_at:
        return _expired(service, session, row, actor, now)
    try:
        lease = service.ask(session, wanted, actor=actor, now=now, offer=row.id)
    except WindowInPast:  # its start passed since the look above
        return _expired(service, session, row, actor, now)
    if lease.state is wire.LeaseState.REFUSED:
        return _gone(service, session, row, lease, actor, now)
    stored.claimed(session, row, lease.id)
    return lease


def _gone(
    service: Service, session: Session, row: stored.Row, lease: wire.Lease, actor: Actor, now: float
) -> OfferGone:
    """The refusal is stored, as that of any ask is."""
    fresh, said = _fresh(service, session, row, actor, now)
    decision = lease.decision
    detail = f"offer {row.id} cannot be had any more. {decision.detail} {said}"
    return OfferGone(detail, numbers=decision.numbers, decision=decision, lease=lease.id, offers=fresh)


def _expired(service: Service, session: Session, row: stored.Row, actor: Actor, now: float) -> OfferExpired:
    fresh, said = _fresh(service, session, row, actor, now)
    return OfferExpired(f"offer {row.id} could be claimed until {words.time(row.expires_at)}. {said}", offers=fresh)


def _fresh(
    service: Service, session: Session, row: stored.Row, actor: Actor, now: float
) -> tuple[Sequence[wire.Offer], str]:
    """Offers for the same search, from now on where its window has begun, and a sentence about them."""
    body = wire.OfferSearch.model_validate(row.search)
    at = to_wire(math.ceil(now))
    if body.start_by is not None and body.start_by < at:
        return (
            (),
            f"The window that was searched ended at {words.time(int(body.start_by.timestamp()))}; search in another.",
        )
    if body.start is not None and body.start < at:
        body = body.model_copy(update={"start": None})
    found = searching.keep(
        session, body, searching.search(searching.seen(service, session, body, actor=actor, now=now))
    )
    if not found.items:
        return (), "Nothing else fits that search; give it a wider window, or ask for less."
    return found.items, "The offers in this answer are fresh."


def _row(session: Session, offer: str, actor: Actor) -> stored.Row:
    found = stored.row(session, offer)
    if found is None or actor.company not in (None, found.company):
        raise UnknownOffer(f"there is no offer {offer} of yours; `dure offer search` makes some")
    return found


def _wanted(row: stored.Row, body: wire.OfferClaim) -> wire.Ask:
    """The ask for exactly what was offered."""
    made, purpose = stored.to_wire_offer(row), wire.OfferSearch.model_validate(row.search).purpose
    _check_serving(body, made.shape.size, purpose)
    return wire.Ask(
        pool=made.pool,
        shape=made.shape,
        duration_s=made.duration_s,
        start=made.starts_at,
        queue=False,
        purpose=purpose,
        renew=body.renew,
        min=body.min,
        max=body.max,
        name=body.name,
        company=made.company,
    )


def _check_serving(body: wire.OfferClaim, size: int, purpose: wire.Purpose) -> None:
    """What only an ask for inference says, and sizes around what was offered. Raises InvalidRequest."""
    given = {"renew": body.renew, "min": body.min is not None, "max": body.max is not None}
    for field, wanted in given.items():
        if wanted and purpose != "inference":
            raise InvalidRequest.about(
                field, 'it is for inference: search with "purpose": "inference", or leave it out'
            )
    if body.min is not None and body.min > size:
        raise InvalidRequest.about("min", f"the offer is of {size}, so at most {size}")
    if body.max is not None and body.max < size:
        raise InvalidRequest.about("max", f"the offer is of {size}, so at least {size}")
