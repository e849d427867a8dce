"""Healing: a lease that runs and lost GPUs is given spares, where there are any. What it lost until then is refunded.

Of a node that is only silent nothing is replaced: its pods may go on.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scheduler import case as cases
from scheduler import sizes
from scheduler.case import Case, Change
from scheduler.core import record, sentences
from scheduler.core.book import Book
from scheduler.core.healing import Healed, heal
from scheduler.core.model import Instant, LeaseId, NodeId, State
from scheduler.service import Service
from scheduler.store import leases, lost_gpus
from scheduler.store.db import Session
from scheduler.store.records import Said

EVERY_S = 5.0
"""How often it is looked for spares."""

Lost = Mapping[NodeId, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A lease that got so many spares."""

    lease: str
    company: str
    gpus: int


def due(session: Session, service: Service, *, now: float) -> list[str]:
    """The pools in which the calendar has spares for a lease, by a look without their locks."""
    found: list[str] = []
    for pool, leases_of in lost_gpus.lacking(session).items():
        _, book = service.books.seen(session, pool, Instant(math.ceil(now)))
        if any(_healed(book, lease, lost, now) for lease, lost in leases_of.items()):
            found.append(pool)
    return found


def look(session: Session, service: Service, pool: str, *, now: float) -> list[Given]:
    """Gives what spares there are in one pool, to whoever asked first. The caller fences and commits.

    Promises come first: whoever is still to start on what is lost has its other place before.
    """
    service.replan(session, pool, now=now, queue=False)
    found = lost_gpus.lacking(session).get(pool, {})
    done = [_heal(session, service, pool, lease, lost, now) for lease, lost in found.items()]
    return [one for one in done if one is not None]


def _heal(session: Session, service: Service, pool: str, lease: LeaseId, lost: Lost, now: float) -> Given | None:
    number, book, now = service.locked(session, pool, now)
    if _healed(book, lease, lost, now) is None:
        return None
    case = Case(row=leases.known(session, lease), lease=book.leases[lease], book=book, number=number, now=now)
    ready = sizes.ready(session, case)
    given = sizes.given(case, ready)
    found = _healed(book, lease, lost, now, given)
    if found is None:
        return None
    count = sum(share for _, share in found.added)
    said = Said(code="replaced", detail=sentences.healing(count), numbers={"gpus": count})
    change = Change(
        lease=found.lease,
        book=found.book,
        added=found.added,
        given_back=found.given_back,
        cleaned=found.cleaned,
        decision=(record.of_heal(book, lease, lost, case.at, found, ready=given), said),
    )
    sizes.give_back(session, case, change)
    sizes.take(session, case, change, ready)
    cases.write(service, session, case, change, "replaced")
    return Given(lease=lease, company=case.row.company, gpus=count)


def _healed(book: Book, lease: LeaseId, lost: Lost, now: float, ready: Lost | None = None) -> Healed | None:
    found = book.leases.get(lease)
    if found is None or found.state is not State.ACTIVE:
        return None
    return heal(book, lease, lost, Instant(math.ceil(now)), ready)
