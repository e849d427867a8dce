"""Offers as they are kept: for as long as they can be claimed, and a day longer, so that late claims are understood."""

from collections.abc import Sequence

from sqlalchemy import delete
from sqlmodel import Session, col, select

from dure import wire
from scheduler.actor import Actor
from scheduler.store import bulk, pages
from scheduler.store.tables import Offer as Row

KEPT_S = 24 * 3600

__all__ = ["Row", "claimed", "forget", "keep", "locked", "page", "row", "to_wire_offer"]


def keep(session: Session, search: wire.OfferSearch, offers: Sequence[wire.Offer]) -> None:
    """Stores the offers of one search."""
    wanted = search.model_dump(mode="json")
    rows = [
        {
            "id": offer.id,
            "company": offer.company,
            "search": wanted | {"company": offer.company},
            "offer": offer.model_dump(mode="json"),
            "expires_at": int(offer.expires_at.timestamp()),
        }
        for offer in offers
    ]
    bulk.insert(session, (Row, rows))


def row(session: Session, offer: str) -> Row | None:
    return session.get(Row, offer)


def page(
    session: Session, *, actor: Actor, company: str | None, after: str | None, limit: int, now: float
) -> wire.Page[wire.Offer]:
    """Those that can be claimed now, newest first; a company sees its own alone."""
    open_ = col(Row.lease).is_(None) & (col(Row.expires_at) > int(now))
    query = select(Row).where(open_).order_by(col(Row.id).desc()).limit(limit + 1)
    for wanted in (actor.company, company):
        if wanted is not None:
            query = query.where(col(Row.company) == wanted)
    if after is not None:
        query = query.where(col(Row.id) < after)
    return pages.page(session.exec(query).all(), limit, wire=to_wire_offer, key=lambda found: found.id)


def locked(session: Session, offer: str) -> Row:
    """The offer, which whoever claims it next waits for."""
    query = select(Row).where(col(Row.id) == offer).with_for_update().execution_options(populate_existing=True)
    return session.exec(query).one()


def claimed(session: Session, found: Row, lease: str) -> None:
    found.lease = lease
    session.add(found)
    session.flush()


def to_wire_offer(found: Row) -> wire.Offer:
    return wire.Offer.model_validate({**found.offer, "lease": found.lease})


def forget(session: Session, *, now: float) -> int:
    """Removes offers that could be claimed until a day ago; how many."""
    old = col(Row.expires_at) < int(now) - KEPT_S
    return session.connection().execute(delete(Row).where(old)).rowcount
