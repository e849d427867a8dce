"""What is there to be seen after a step: everything in the database that a watch may want, read at one instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import and_, or_
from sqlmodel import col, select

from scheduler.core.book import Book
from scheduler.core.model import Instant, Lease
from scheduler.service import Service
from scheduler.store import history, leases, sums
from scheduler.store.books import loaded
from scheduler.store.db import Session
from scheduler.store.tables import Account, LeaseEvent, LedgerEntry, Pool, Quota
from scheduler.store.tables import Lease as Row
from tests.integration.scheduler.conftest import ADMIN

POOL = "h100"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """`events` and `entries` are those since the step before; `book` is made of the tables."""

    now: Instant
    step: int
    rows: Sequence[Row]
    leases: Mapping[str, Lease]
    events: Sequence[LeaseEvent]
    accounts: Mapping[int, Account]
    entries: Sequence[LedgerEntry]
    quotas: Sequence[Quota]
    book: Book


@dataclass
class Eyes:
    """Looks after every step, and knows what was there already."""

    step: int = 0
    newest: int = 0
    posted: dict[int, int] = field(default_factory=dict[int, int])

    def look(self, session: Session, service: Service, now: int) -> Seen:
        """Under the pool's lock. The ledger is balanced, and the books kept, read anew and made of the log are the same."""
        at = Instant(now)
        number, kept = service.books.locked(session, POOL, at)
        book = loaded(session, session.get_one(Pool, POOL), at)
        assert kept.digest(at) == book.digest(at) == history.book(session, POOL, number, kept.policy, at).digest(at)
        _check_ledger(session)
        rows = session.exec(select(Row).order_by(col(Row.id))).all()
        self.step += 1
        accounts = {row.id or 0: row for row in session.exec(select(Account))}
        return Seen(
            now=at,
            step=self.step,
            rows=rows,
            leases={row.id: lease for row, lease in leases.with_core(session, rows)},
            events=self._events(session),
            accounts=accounts,
            entries=self._entries(session, accounts),
            quotas=session.exec(select(Quota).where(col(Quota.pool) == POOL)).all(),
            book=book,
        )

    def _events(self, session: Session) -> Sequence[LeaseEvent]:
        query = select(LeaseEvent).where(col(LeaseEvent.seq) > self.newest).order_by(col(LeaseEvent.seq))
        found = session.exec(query).all()
        self.newest = max([self.newest, *(one.seq or 0 for one in found)])
        return found

    def _entries(self, session: Session, accounts: Mapping[int, Account]) -> Sequence[LedgerEntry]:
        known = {id_: self.posted.get(id_, 0) for id_, row in accounts.items() if row.seq > self.posted.get(id_, 0)}
        if not known:
            return []
        fresh = or_(*(and_(col(LedgerEntry.account) == id_, col(LedgerEntry.seq) > seq) for id_, seq in known.items()))
        query = select(LedgerEntry).where(fresh).order_by(col(LedgerEntry.account), col(LedgerEntry.seq))
        self.posted |= {id_: accounts[id_].seq for id_ in known}
        return session.exec(query).all()


def _check_ledger(session: Session) -> None:
    found = sums.verify(session, company=None, pool=None, actor=ADMIN)
    assert found.faults == []
    one = found.sums
    parts = one.available_gpu_seconds + one.committed_gpu_seconds + one.spent_gpu_seconds + one.expired_gpu_seconds
    assert one.granted_gpu_seconds == parts
