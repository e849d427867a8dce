"""How companies stand by their shares, as it is shown."""

import math
from collections.abc import Sequence

from dure import wire
from scheduler.actor import Actor
from scheduler.core.contention import NONE
from scheduler.core.model import Instant
from scheduler.core.places import Place, contended, places, why
from scheduler.core.shares import UNCOUNTED
from scheduler.service import Service
from scheduler.store import due, pools
from scheduler.store.db import Session
from scheduler.store.times import to_wire

_PPM_S = 1000
"""Billionths in a millionth."""


def show(service: Service, session: Session, pool: str, *, actor: Actor, now: float) -> wire.FairPool:
    """The pool's companies in the order in which its queue is served; for a company itself alone. Raises UnknownPool."""
    row, at = pools.row(session, pool), Instant(math.ceil(now))
    _, book = service.books.seen(session, pool, at)
    found = places(book, due.asks(session, pool), at)
    counted = None if book.fair.uses == UNCOUNTED else book.fair.uses.at
    return wire.FairPool(
        pool=pool,
        contended=pools.contended(row.contended),
        contended_ppm=row.contended_ppm,
        half_life_s=row.half_life_s,
        entry_s=row.entry_s,
        counted_at=None if counted is None or row.contended == NONE else to_wire(counted),
        contended_now=contended(book, at),
        companies=[_company(one, found) for one in found if actor.company in (None, one.company)],
    )


def _company(place: Place, among: Sequence[Place]) -> wire.FairCompany:
    return wire.FairCompany(
        company=place.company,
        group=place.group or None,
        shares=place.shares,
        part_ppm=place.part // _PPM_S,
        share_gpus=place.gpus,
        held_gpus=place.held_gpus,
        queued=place.queued,
        used_gpu_seconds=place.used,
        entitled_gpu_seconds=place.entitled,
        beyond_gpu_seconds=place.beyond,
        rank=place.rank,
        why=why(place, len(among)),
    )
