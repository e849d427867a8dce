"""What is counted and written down now and then, of leases, companies and pools: jobs of the leader's."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import structlog

from scheduler.core.fragmentation import Mix
from scheduler.loop import Loop
from scheduler.store import counting, due, metric_totals, pool_books
from scheduler.store.db import Database, Session
from scheduler.store.leader import fence
from scheduler.turns import counts, mix

log = structlog.get_logger()

R = TypeVar("R")


def count_leases(db: Database, loop: Loop, now: float) -> int:
    """Writes down what leases that are over had and used each day; only the leader does. How many leases."""
    epoch, counted, more = loop.epoch, 0, True
    while epoch is not None and more:
        with db.begin() as session:
            fence(session, epoch)
            found = counting.count(session, now=now)
        counted, more = counted + found, found == counting.AT_ONCE
    return counted


def tell_totals(db: Database, loop: Loop, now: float) -> bool:
    """Brings what metrics tell of use up to now; only the leader does. Whether it did."""
    return _once(db, loop, lambda session: metric_totals.tell(session, now=now))


def fold_totals(db: Database, loop: Loop, now: float) -> bool:
    """Puts together how many leases are over, whatever the time is; only the leader does. Whether it did."""
    del now
    return _once(db, loop, metric_totals.fold)


def _once(db: Database, loop: Loop, work: Callable[[Session], None]) -> bool:
    """In one transaction; False where another leads."""
    epoch = loop.epoch
    if epoch is None:
        return False
    with db.begin() as session:
        work(session)
        fence(session, epoch)  # last: it holds off the next leader
    return True


def count_uses(db: Database, loop: Loop, now: float) -> list[str]:
    """Counts what companies used of contended pools, which decides whose turn it is; only the leader does.

    The pools that were counted.
    """
    return [pool for pool, _ in _pool_by_pool(db, loop, now, counts.count)]


def renew_mixes(db: Database, loop: Loop, now: float) -> dict[str, Mix]:
    """Gives pools the newest asks, by which small shapes are placed from then on; only the leader does.

    The mixes that changed, by pool.
    """
    found = dict[str, Mix]()
    for pool, renewed in _pool_by_pool(db, loop, now, mix.renew):
        found[pool] = renewed
        log.info("the mix of asks was renewed", action="mix_renew", pool=pool, weights=dict(renewed.weights))
    return found


def _pool_by_pool(db: Database, loop: Loop, now: float, work: Callable[..., R | None]) -> Iterator[tuple[str, R]]:
    """What the work gave, a transaction a pool; nothing of those where there was nothing to do, or where another leads."""
    epoch = loop.epoch
    if epoch is None:
        return
    with db.snapshot() as session:
        pools = [pool.pool for pool in due.pools(session, now=now)]
    for pool in pools:
        with db.begin() as session:
            fence(session, epoch)
            given = work(session, loop.service.books, pool, now=now)
        if given is not None:
            yield pool, given


def write_books(db: Database, loop: Loop, now: float) -> dict[str, int]:
    """Writes down the books of pools whose logs have grown; only the leader does. Their generations, by pool."""
    epoch, found = loop.epoch, dict[str, int]()
    if epoch is None:
        return found
    with db.snapshot() as session:
        grown = pool_books.due(session)
    for pool in grown:
        with db.begin() as session:
            found[pool] = pool_books.write(session, pool, now=now)
            fence(session, epoch)  # last: it holds off the next leader, and a long log takes minutes to write down
    return found
