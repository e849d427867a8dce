"""Offers: searched on a snapshot, kept for a few minutes, and claimed as asks for exactly that time.

A claim that comes too late, or whose window somebody else took, gets fresh offers for the same search in the same answer.
"""

import math
from collections.abc import Sequence

from dure import wire
from dure.errors import OfferExpired, OfferGone, UnknownOffer
from scheduler import asks
from scheduler.actor import Actor
from scheduler.core import offers
from scheduler.core.decide import decide
from scheduler.core.model import Ask, Gang, Instant, LeaseId, Promise, Shape
from scheduler.ids import new_id
from scheduler.service import Service
from scheduler.store import leases
from scheduler.store import offers as stored
from scheduler.store.db import Session
from scheduler.store.times import to_wire

CLAIMED_WITHIN_S = 300
"""How long an offer can be claimed, or until it would start."""

Claimed = wire.Lease | OfferGone | OfferExpired
"""The lease; or why there is none, with fresh offers, which are stored."""


def search(service: Service, session: Session, body: wire.OfferSearch, *, actor: Actor, now: float) -> wire.Offers:
    """Offers in every pool that was named, the first to start first; they are stored, to be claimed.

    Raises UnknownCompany, UnknownPool, Forbidden, InvalidRequest, WindowInPast, BeyondHorizon.
    """
    found: list[wire.Offer] = []
    for pool in dict.fromkeys(body.pools):
        ask = asks.parsed(session, _asked(body, pool), actor, now)
        at = Instant(math.ceil(now))
        _, book = service.books.seen(session, pool, at)
        found += [_offered(offer, ask, now) for offer in offers.search(book, ask, at)]
    found.sort(key=lambda offer: (offer.starts_at, offer.pool, offer.id))
    stored.keep(session, body, found)
    return wire.Offers(items=found)


def show(session: Session, offer: str, *, actor: Actor) -> wire.Offer:
    """Raises UnknownOffer, the same for another company's."""
    return stored.to_wire_offer(_row(session, offer, actor))


def claim(
    service: Service, session: Session, offer: str, body: wire.OfferClaim, *, actor: Actor, now: float
) -> Claimed:
    """The lease that the offer becomes; claimed again it is the same lease. Raises UnknownOffer."""
    row = stored.locked(session, _row(session, offer, actor).id)
    made = stored.to_wire_offer(row)
    if row.lease is not None:
        return leases.get(session, row.lease, actor=actor)
    wanted = wire.Ask(
        pool=made.pool,
        shape=made.shape,
        duration_s=made.duration_s,
        start=made.starts_at,
        queue=False,
        purpose=wire.OfferSearch.model_validate(row.search).purpose,
        name=body.name,
        company=made.company,
    )
    if now >= row.expires_at:
        said = f"offer {row.id} could be claimed until {_rfc(row.expires_at)}; these are fresh"
        return OfferExpired(said, offers=_fresh(service, session, row.search, actor, now))
    if not _still_there(service, session, wanted, actor, now):
        said = f"somebody else took what offer {row.id} was for; these are fresh"
        return OfferGone(said, offers=_fresh(service, session, row.search, actor, now))
    lease = service.ask(session, wanted, actor=actor, now=now)
    stored.claimed(session, row, lease.id)
    return lease


def _still_there(service: Service, session: Session, wanted: wire.Ask, actor: Actor, now: float) -> bool:
    """Whether the claim would be promised, under the lock under which it then is."""
    _, book, now = service.locked(session, wanted.pool, now)
    ask = asks.parsed(session, wanted, actor, now)
    [verdict] = decide(book, [(LeaseId("~"), ask)], Instant(math.ceil(now))).verdicts
    return isinstance(verdict, Promise)


def _fresh(
    service: Service, session: Session, search_: dict[str, object], actor: Actor, now: float
) -> Sequence[wire.Offer]:
    """Offers for the same search, from now on where its window has begun; none where it is past."""
    body = wire.OfferSearch.model_validate(search_)
    at = to_wire(math.ceil(now))
    if body.start_by is not None and body.start_by < at:
        return []
    started = body.start is not None and body.start < at
    return search(
        service, session, body.model_copy(update={"start": None}) if started else body, actor=actor, now=now
    ).items


def _row(session: Session, offer: str, actor: Actor) -> stored.Row:
    found = stored.row(session, offer)
    if found is None or actor.company not in (None, found.company):
        raise UnknownOffer(f"there is no offer {offer} of yours; `dure offer search` makes some")
    return found


def _asked(body: wire.OfferSearch, pool: str) -> wire.Ask:
    """A window that begins with `start` and has no end is open up to the horizon."""
    start_by = body.start_by
    if body.start is not None and start_by is None:
        start_by = to_wire(int(body.start.timestamp()) + wire.HORIZON_S)
    return wire.Ask(
        pool=pool,
        shape=body.shape,
        duration_s=body.duration_s,
        start=body.start,
        start_by=start_by,
        purpose=body.purpose,
        company=body.company,
    )


def _offered(offer: offers.Offer, ask: Ask, now: float) -> wire.Offer:
    return wire.Offer(
        id=new_id("off", now),
        company=ask.company,
        pool=ask.pool,
        reasons=[reason.value for reason in offer.reasons],
        shape=_wire_shape(offer.shape),
        duration_s=offer.end - offer.start,
        starts_at=to_wire(offer.start),
        ends_at=to_wire(offer.end),
        promised_start=to_wire(offer.start),
        gpu_seconds=offer.gpu_seconds,
        quota_left_gpus=offer.quota_left,
        islands=offer.islands,
        racks=offer.racks,
        placement=[wire.OfferShare(node=node, gpus=gpus) for node, gpus in offer.placement],
        expires_at=to_wire(min(int(now) + CLAIMED_WITHIN_S, offer.start)),
    )


def _wire_shape(shape: Shape) -> wire.Shape:
    if isinstance(shape, Gang):
        return wire.Shape(nodes=shape.nodes, gpus_per_node=shape.gpus_per_node)
    return wire.Shape(gpus=shape.gpus)


def _rfc(instant: int) -> str:
    return to_wire(instant).isoformat().replace("+00:00", "Z")
