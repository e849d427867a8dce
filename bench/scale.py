"""What a thousand companies and a year behind them cost a decision: the same calls on pools that are alike otherwise.

Every call is made on each world in turn, and who is first goes round: so whatever else the machine does falls on all of
them. A world's figure is its median; `x` is how many times the first world's it is. What is ours is the time on a processor
of this process alone, without PostgreSQL: it says the same however busy the machine is.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice

from bench import booking, machine, posted
from bench.figures import median, percentile, times
from bench.fleet import ADMIN, GPUS_PER_NODE, POOL
from bench.load import took
from bench.results import Result, Row
from bench.worlds import GPUS, Size, World, book, make
from dure import wire
from scheduler import amend, endings, policies, searching
from scheduler.core.model import CompanyId
from scheduler.core.shares import Use, Uses
from scheduler.service import Request
from scheduler.store import changes, due, generation
from scheduler.turns import counts

SEED = 5
BURST, THREADS = 100, 8
QUEUED = 60
"""Asks that wait for their companies' shares."""
HOUR_S = 3600

Lease = wire.Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is timed on every world, with the number of the round. Leases that it answers are cancelled afterwards.

    One that takes long is made in one round of `every` alone.
    """

    what: str
    do: Callable[[World, int], Sequence[Lease] | None]
    every: int = 1


def measure(*, history: int, companies: int, pairs: int) -> Result:
    """`pairs` rounds of each call. Raises NotBalanced."""
    sizes = (
        Size(name="10, no budgets", companies=10, budgeted=False),
        Size(name="10", companies=10),
        Size(name=f"{companies:,}, {history:,} leases", companies=companies, leases=history),
    )
    with ExitStack() as left:
        worlds = [make(left, size) for size in sizes]
        book(worlds)
        rows = [row for call in _calls(worlds, pairs) for row in compared(call, worlds, pairs)]
        for world in worlds:
            _contend(world)
        rows += [row for call in _shared_calls(worlds, pairs) for row in compared(call, worlds, pairs)]
        notes = {f"{what}, {world.size.name}, s": took for world in worlds for what, took in world.took_s.items()}
        settings: Row = {"companies": companies, "leases": history, "pairs": pairs}
        return Result(measure="scale", settings=settings, machine=worlds[0].machine, rows=rows, notes=notes)


def compared(call: Call, worlds: Sequence[World], pairs: int) -> Iterator[Row]:
    """A row for each world."""
    load, each, ours = machine.load(), [list[float]() for _ in worlds], [list[float]() for _ in worlds]
    for number in range(max(3, pairs // call.every)):
        for place in range(len(worlds)):
            which = (number + place) % len(worlds)
            began = time.process_time()
            found, seconds = took(partial(call.do, worlds[which], number))
            ours[which].append((time.process_time() - began) * 1000)
            each[which].append(seconds * 1000)
            _cancel(worlds[which], found or ())
    for world, ms, processor_ms in zip(worlds, each, ours, strict=True):
        yield {
            "what": call.what,
            "companies": world.size.name,
            "x": times(median(ms), median(each[0])),
            "x p10": times(percentile(ms, 10), percentile(each[0], 10)),
            "x ours": times(median(processor_ms), median(ours[0])),
            "p10 ms": percentile(ms, 10),
            "p50 ms": median(ms),
            "p90 ms": percentile(ms, 90),
            "ours p50 ms": median(processor_ms),
            "calls": len(ms),
            "load": load,
        }


def _cancel(world: World, leases: Sequence[Lease]) -> None:
    for lease in leases:
        with world.db.begin() as session:
            endings.cancel(session, lease.id, actor=ADMIN, now=world.clock.now())


def _calls(worlds: Sequence[World], pairs: int) -> Iterator[Call]:
    asks = _asks(worlds, pairs)
    yield Call(what="quote, of the newest book", do=lambda world, number: _quote_on(world, asks[number], number))
    yield Call(what="quote", do=lambda world, number: _quote(world, asks[number], number))
    yield Call(what="promise", do=lambda world, number: [_ask(world, asks[number], number)])
    yield Call(what="refusal", do=lambda world, number: _refused(world, asks[number], number))
    yield Call(what="search of offers", do=lambda world, number: _search(world, asks[number], number))
    yield Call(what="promise and extension", do=lambda world, number: [_extended(world, asks[number], number)])
    burst = f"{BURST} promises, {THREADS} at once"
    yield Call(what=burst, do=lambda world, number: _burst(world, asks, number), every=20)
    yield Call(what="what is due", do=lambda world, _: _due(world), every=10)


def _shared_calls(worlds: Sequence[World], pairs: int) -> Iterator[Call]:
    """By companies that have the same part of the pool in every world."""
    asks, ten = _asks(worlds, pairs), posted.LARGE
    gang = _gang()
    yield Call(what="quote, shares count", do=lambda world, number: _quote(world, asks[number], number, ten))
    yield Call(what="promise, shares count", do=lambda world, number: [_ask(world, asks[number], number, ten)])
    yield Call(what="ask that waits for its share", do=lambda world, number: [_ask(world, gang, number, ten)], every=4)
    yield Call(what=f"plan, {QUEUED} in the queue", do=lambda world, _: _plan(world), every=10)
    yield Call(what="counting use", do=lambda world, _: _count(world), every=20)


def _asks(worlds: Sequence[World], pairs: int) -> Sequence[wire.Ask]:
    return list(islice(booking.short(SEED, worlds[0].clock.now()), max(pairs, BURST)))


def _gang() -> wire.Ask:
    """More than any company's share."""
    return wire.Ask(pool=POOL, shape=wire.Shape(nodes=12, gpus_per_node=GPUS_PER_NODE), duration_s=HOUR_S)


def _quote_on(world: World, ask: wire.Ask, number: int) -> None:
    _, book = world.service.books.held(POOL)
    world.service.quote_on(book, ask, actor=world.actor(number), now=world.clock.now())


def _quote(world: World, ask: wire.Ask, number: int, among: int | None = None) -> None:
    with world.db.snapshot() as session:
        world.service.quote(session, ask, actor=world.actor(number, among), now=world.clock.now())


def _ask(world: World, ask: wire.Ask, number: int, among: int | None = None) -> Lease:
    with world.db.begin() as session:
        return world.service.ask(session, ask, actor=world.actor(number, among), now=world.clock.now())


def _refused(world: World, ask: wire.Ask, number: int) -> None:
    """All nodes at once, by a time at which some are held."""
    shape, by = wire.Shape(nodes=GPUS // GPUS_PER_NODE, gpus_per_node=GPUS_PER_NODE), ask.start
    _ask(world, ask.model_copy(update={"shape": shape, "start_by": by, "queue": False}), number)


def _search(world: World, ask: wire.Ask, number: int) -> None:
    body = wire.OfferSearch(pools=[POOL], shape=ask.shape, duration_s=ask.duration_s, start=ask.start)
    with world.db.snapshot() as session:
        seen = searching.seen(world.service, session, body, actor=world.actor(number), now=world.clock.now())
    found = searching.search(seen)
    with world.db.begin() as session:
        searching.keep(session, body, found)


def _extended(world: World, ask: wire.Ask, number: int) -> Lease:
    lease = _ask(world, ask, number)
    with world.db.begin() as session:
        by, now = wire.Extend(by_s=HOUR_S, partly=True), world.clock.now()
        amend.extended(world.service, session, lease.id, by, actor=world.actor(number), now=now)
    return lease


def _burst(world: World, asks: Sequence[wire.Ask], number: int) -> Sequence[Lease]:
    requests = [Request(body=asks[place], actor=world.actor(number + place)) for place in range(BURST)]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(world.desk.ask, requests))


def _due(world: World) -> None:
    """What the loop looks at every second."""
    with world.db.snapshot() as session:
        due.pools(session, now=world.clock.now())
        due.next_edge(session, now=world.clock.now())


def _plan(world: World) -> None:
    with world.db.begin() as session:
        world.service.replan(session, POOL, now=world.clock.now())


def _count(world: World) -> None:
    with world.db.begin() as session:
        counts.count(session, world.service.books, POOL, now=world.clock.now())


def _contend(world: World) -> None:
    """From now on shares count at every instant; every company has used something, and some asks wait."""
    with world.db.begin() as session:
        always = wire.PolicyChange(contended="always")
        policies.change_policy(world.service, session, POOL, always, actor=ADMIN, now=world.clock.now())
    with world.db.begin() as session:
        generation.lock(session, POOL)
        used = [(name, 3600 * (place % 97), 3600 * (place % 89)) for place, name in enumerate(world.companies)]
        uses = tuple(Use(company=CompanyId(name), used=had, entitled=due_) for name, had, due_ in sorted(used))
        found = Uses(at=world.at, of=uses)
        changes.write(session, POOL, generation.bump(session, POOL), [found], at=world.clock.now())
    for number in range(QUEUED):
        _ask(world, _gang(), number, posted.LARGE)
