"""How many asks a second we take and keep: calls of the service by many threads, each answered once it is committed.

They are Slurm's asks in Slurm's order: they fill the nodes, then the queue. Every one is promised a start.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing

from bench import fleet, floors
from bench.fleet import Fleet
from bench.gangs import Gang, Load
from bench.lines import DURE, FLOOR, Line, called
from bench.ours.asking import body
from bench.stack import Stack, stack
from dure import wire
from scheduler.actor import Actor
from scheduler.clock import DatabaseClock
from scheduler.desk import Desk
from scheduler.service import Request, Service
from scheduler.store.books import Books
from scheduler.store.db import Database

FLOOR_S = 2.0
CONNECTIONS = 4


class NotPromised(Exception):
    """An ask was not promised a start."""


def ours_grants(load: Load, *, gpus: int, clients: Sequence[int]) -> Iterator[Line]:
    """Once for each number of threads, on a new database each time."""
    for count in clients:
        with stack() as ground, closing(Database(ground.database_url, pool_size=CONNECTIONS)) as db:
            yield from _floors(ground, count)
            yield from _granted(db, load, gpus, count)


def _granted(db: Database, load: Load, gpus: int, clients: int) -> Iterator[Line]:
    made, clock = fleet.make(db, gpus=gpus), DatabaseClock(db)
    service, requests = Service(Books(), clock.now), _requests(made, load.asks)
    desk = Desk(db, service, clock.now)
    with db.snapshot() as session:  # as a process does before it says that it is ready
        service.quote(session, requests[0].body, actor=requests[0].actor, now=clock.now())
    held = len(load.held)
    parts = {"nodes filling": requests[:held], "queue growing": requests[held:]}
    for what, some in parts.items():
        yield called(DURE, f"grant, {what}", some, call=lambda one: _ask(desk, one), clients=clients)


def _floors(ground: Stack, clients: int) -> Iterator[Line]:
    bare = floors.insert(ground.database_url, clients=clients, seconds=FLOOR_S)
    yield Line(who=FLOOR, what="INSERT, COMMIT", clients=clients, timed=bare)
    yield Line(who=FLOOR, what="append, fdatasync", clients=1, timed=floors.append(ground.folder, seconds=FLOOR_S))


def _requests(made: Fleet, asks: Sequence[Gang]) -> list[Request]:
    actors = [Actor(role=wire.Role.COMPANY, token="bench", company=name) for name in made.companies]
    return [Request(body=body(gang), actor=actors[k % len(actors)]) for k, gang in enumerate(asks)]


def _ask(desk: Desk, request: Request) -> None:
    lease = desk.ask(request)
    if lease.promised_start is None:
        raise NotPromised(f"{request.body.shape} was {lease.state}: {lease.decision.detail}")
