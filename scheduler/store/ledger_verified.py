"""When the whole ledger was last added up again, and with what result."""

from collections.abc import Sequence

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from dure import wire
from scheduler.store.tables import LedgerVerified


def note(session: Session, found: Sequence[wire.LedgerCheck], *, now: float) -> None:
    """Of all companies in all pools, at once or pool by pool; a check of a part says nothing of the rest."""
    said = {
        "at": int(now),
        "accounts": sum(one.accounts for one in found),
        "entries": sum(one.entries for one in found),
        "faults": sum(len(one.faults) for one in found),
    }
    statement = insert(LedgerVerified).values(id=1, **said)
    session.connection().execute(statement.on_conflict_do_update(index_elements=["id"], set_=said))


def last(session: Session) -> LedgerVerified | None:
    """None where it never was."""
    return session.get(LedgerVerified, 1)
