"""A pool's book as it was at an earlier generation, rebuilt from what was written down of it and the log of what changed."""

from collections.abc import Iterable

from sqlalchemy import text
from sqlmodel import Session

from scheduler.core import codec
from scheduler.core.book import Book
from scheduler.core.codec import Item
from scheduler.core.fragmentation import UNSEEN, Mix
from scheduler.core.model import Drain, Instant, Lease, Node, Policy, State
from scheduler.core.quota import Quota
from scheduler.core.shares import Group, Share, Uses
from scheduler.store import changes, pool_books

_AS_OF = text(f"SELECT kind, value FROM ({pool_books.AS_OF}) item")

_AT_INSTANT = text("SELECT coalesce(max(generation), 0) FROM pool_change WHERE pool = :pool AND at < to_timestamp(:at)")


def book(session: Session, pool: str, generation: int, policy: Policy, now: Instant) -> Book:
    """What decisions at `now` were made from. A log that does not go back that far gives another book, of another digest.

    Of everything in the pool the newest value up to the generation is read: from the last book that was written down before
    it, and the log since.
    """
    rows = session.connection().execute(_AS_OF, {"pool": pool, "generation": generation})
    return folded((codec.decode(kind, value) for kind, value in rows), policy, now)


def folded(items: Iterable[Item], policy: Policy, now: Instant) -> Book:
    """A book of these items, of which each is the newest of its subject."""
    found = list(items)
    return Book.of(
        policy,
        [item for item in found if isinstance(item, Node)],
        [item for item in found if isinstance(item, Lease) and not _is_past(item, policy, now)],
        {item.company: item for item in found if isinstance(item, Quota)},
        [item for item in found if isinstance(item, Drain) and item.ends_at > now],
        next((item for item in found if isinstance(item, Mix)), UNSEEN),
        fair=[item for item in found if isinstance(item, Share | Group | Uses)],
    )


def policy(session: Session, pool: str, generation: int) -> Policy | None:
    """The pool's rules as of a generation; None where the log does not go back that far."""
    found = changes.newest(session, pool, "policy", generation)
    assert found is None or isinstance(found, Policy)
    return found


def before(session: Session, pool: str, at: int) -> int:
    """The newest generation that was written before an instant; 0 where there is none."""
    return session.connection().execute(_AT_INSTANT, {"pool": pool, "at": at}).scalar_one()


def _is_past(lease: Lease, policy: Policy, now: Instant) -> bool:
    return lease.state is State.ENDED and (lease.stops_at or 0) + policy.gap_s <= now
