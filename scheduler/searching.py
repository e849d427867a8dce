"""Offers are searched: what is wished for and the books as of one instant, and from these, without the database, offers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from dure import wire
from dure.errors import InvalidRequest
from dure.wire import FieldError
from scheduler import asks
from scheduler.actor import Actor
from scheduler.core import explain, offers
from scheduler.core.book import Book
from scheduler.core.decide import decide
from scheduler.core.model import Ask, Gang, Instant, LeaseId, Promise, Shape
from scheduler.core.offers import Offer, Wish
from scheduler.ids import new_id
from scheduler.service import Service
from scheduler.store import offers as stored
from scheduler.store.db import Session
from scheduler.store.times import to_wire

CLAIMED_WITHIN_S = 300
"""How long an offer can be claimed, or until it would start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The pools that are searched, each with what is wished for and its book: all as of the session's snapshot, or a
    moment newer where this process has read on meanwhile.
    """

    body: wire.OfferSearch
    now: float
    pools: tuple[tuple[Wish, Book], ...]


def seen(service: Service, session: Session, body: wire.OfferSearch, *, actor: Actor, now: float) -> Seen:
    """What a search is made from, as the session sees it.

    Raises UnknownCompany, CompanyClosed, UnknownPool, Forbidden, InvalidRequest, WindowInPast, BeyondHorizon.
    """
    _check(body)
    found: list[tuple[Wish, Book]] = []
    for pool in dict.fromkeys(body.pools):
        ask = asks.parsed(session, _asked(body, pool), actor, now)
        wish = Wish(ask=ask, shortest_s=body.shortest_s, longest_s=body.longest_s, fewest=body.fewest)
        found.append((wish, service.books.seen(session, pool, Instant(math.ceil(now)))[1]))
    return Seen(body=body, now=now, pools=tuple(found))


def search(found: Seen) -> wire.Offers:
    """Offers in every pool that was named, the first to start first. Needs no database, and they are not stored yet."""
    items: list[wire.Offer] = []
    unmet: list[wire.Unmet] = []
    for wish, book in found.pools:
        made = offers.search(book, wish, Instant(math.ceil(found.now)))
        items += [_offered(offer, wish.ask, found.now) for offer in made]
        if not any(offers.is_whole(offer, wish.ask) for offer in made):
            unmet.append(_unmet(book, wish.ask, found.now))
    return wire.Offers(items=sorted(items, key=lambda offer: (offer.starts_at, offer.pool, offer.id)), unmet=unmet)


def keep(session: Session, body: wire.OfferSearch, found: wire.Offers) -> wire.Offers:
    """Stores what was found, to be claimed."""
    stored.keep(session, body, found.items)
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


def _check(body: wire.OfferSearch) -> None:
    """Raises InvalidRequest where what would do is more than what is asked for."""
    wrong = list(_contradictions(body))
    if wrong:
        raise InvalidRequest("; ".join(f"{one.field}: {one.message}" for one in wrong), errors=wrong)


def _contradictions(body: wire.OfferSearch) -> Iterator[FieldError]:
    size = body.shape.nodes if body.shape.gpus is None else body.shape.gpus
    if body.shortest_s is not None and body.shortest_s > body.duration_s:
        yield FieldError(field="shortest_s", message=f"is at most duration_s, for example {body.duration_s}")
    if body.longest_s is not None and body.longest_s < body.duration_s:
        yield FieldError(field="longest_s", message=f"is at least duration_s, for example {body.duration_s}")
    if body.fewest is not None and size is not None and body.fewest > size:
        yield FieldError(field="fewest", message=f"is at most what the shape has, for example {size}")


def _unmet(book: Book, ask: Ask, now: float) -> wire.Unmet:
    """Why the whole is not offered: what asking for it would be refused with."""
    unqueued = replace(ask, queue=False)
    [verdict] = decide(book, [(LeaseId("~"), unqueued)], Instant(math.ceil(now))).verdicts
    detail = explain.sentence(verdict, unqueued)
    if isinstance(verdict, Promise):
        detail = f"{detail} That is too soon to be offered and claimed, so ask for it."
    numbers = dict(explain.wire_numbers(verdict))
    return wire.Unmet(pool=ask.pool, code=verdict.code.value, detail=detail, numbers=numbers)


def _offered(offer: Offer, ask: Ask, now: float) -> wire.Offer:
    window = offer.window
    return wire.Offer(
        id=new_id("off", now),
        company=ask.company,
        pool=ask.pool,
        reasons=[reason.value for reason in offer.reasons],
        shape=_wire_shape(window.shape),
        duration_s=window.end - window.start,
        starts_at=to_wire(window.start),
        ends_at=to_wire(window.end),
        promised_start=to_wire(window.start),
        gpu_seconds=window.gpu_seconds,
        quota_left_gpus=window.quota_left,
        placement_class=window.placement_class.value,
        islands=window.islands,
        racks=window.racks,
        free_beside_gpus=window.free_beside,
        placement=[wire.OfferShare(node=node, gpus=gpus) for node, gpus in window.placement],
        expires_at=to_wire(min(int(now) + CLAIMED_WITHIN_S, window.start)),
    )


def _wire_shape(shape: Shape) -> wire.Shape:
    if isinstance(shape, Gang):
        return wire.Shape(nodes=shape.nodes, gpus_per_node=shape.gpus_per_node)
    return wire.Shape(gpus=shape.gpus)
