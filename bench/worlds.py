"""Pools that are alike but for how many companies there are and how much lies behind them: what `scale` is measured on."""

import math
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from bench import booking, fleet, history, posted
from bench.fleet import ADMIN, POOL
from bench.load import took
from bench.results import Row
from bench.stack import stack
from dure import wire
from scheduler.actor import Actor
from scheduler.clock import DatabaseClock
from scheduler.core.model import Instant
from scheduler.desk import Desk
from scheduler.service import Service
from scheduler.store import sums
from scheduler.store.books import Books
from scheduler.store.db import Database

GPUS = 512
RUNNING = 200
DAYS = 365
CONNECTIONS = 10
_PRIME = 7919


class NotBalanced(Exception):
    """The ledger that was made does not add up, so nothing that is measured on it says anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many companies, with budgets or without, and how many leases that are over."""

    name: str
    companies: int
    budgeted: bool = True
    leases: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One such pool. `took_s` has what else was timed while it was made, in seconds."""

    size: Size
    db: Database
    clock: DatabaseClock
    service: Service
    desk: Desk
    companies: Sequence[str]
    took_s: dict[str, float]
    machine: Row

    def actor(self, place: int, among: int | None = None) -> Actor:
        """Speaks for one of the companies, or of the first `among`; all of them in turn."""
        name = self.companies[place * _PRIME % (among or len(self.companies))]
        return Actor(role=wire.Role.COMPANY, token="bench", company=name)

    @property
    def at(self) -> Instant:
        return Instant(math.ceil(self.clock.now()))


def make(left: ExitStack, size: Size) -> World:
    """In a PostgreSQL of its own, which ends with `left`: leases that are over, and some that run.

    Raises NotBalanced.
    """
    ground = left.enter_context(stack())
    db = left.enter_context(closing(Database(ground.database_url, pool_size=CONNECTIONS)))
    clock, took_s = DatabaseClock(db), dict[str, float]()
    fleet.make(db, gpus=GPUS, companies=0)
    now = int(clock.now())
    began = history.began_at(size.leases, DAYS, now)
    companies = history.join(ground.database_url, companies=size.companies, began=began)
    took_s["importing the quotas"] = took(lambda: posted.allow(db, companies, now=began, budgeted=size.budgeted))[1]
    posted.share(db, companies, now=began)
    counts = {"leases": size.leases, "running": RUNNING, "companies": size.companies}
    leases = history.make(ground.database_url, **counts, days=DAYS, now=now)
    posted.post(db, leases, began=began, now=now)
    took_s["ledger verify"] = took(lambda: _verify(db))[1]
    service = Service(Books(), clock.now)
    desk = Desk(db, service, clock.now)
    return World(
        size=size,
        db=db,
        clock=clock,
        service=service,
        desk=desk,
        companies=companies,
        took_s=took_s,
        machine=ground.machine,
    )


def book(worlds: Sequence[World]) -> None:
    """Books most of a day in each, the same and from the same instant on: a world that was made earlier is no older."""
    now = worlds[-1].clock.now()
    for world in worlds:
        booking.fill(world.db, gpus=GPUS, now=now, companies=world.companies[: posted.LARGE])
        world.took_s["reading the book"] = took(lambda world=world: _read(world))[1]


def _verify(db: Database) -> None:
    with db.long_snapshot(None) as session:
        found = sums.verify(session, company=None, pool=None, actor=ADMIN)
    if found.faults:
        raise NotBalanced(f"{len(found.faults)} faults, the first: {found.faults[0].detail}")


def _read(world: World) -> None:
    with world.db.snapshot() as session:
        world.service.books.seen(session, POOL, world.at)
