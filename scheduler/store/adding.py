"""Names are given once: of those who add the same at the same moment one does, and the others see that it is taken."""

from sqlalchemy import text
from sqlmodel import Session

_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:kind, 0))")


def alone(session: Session, kind: str) -> None:
    """Whoever calls it next for the same kind waits until this transaction ends, and then reads what it wrote."""
    session.connection().execute(_ALONE, {"kind": f"dure.add.{kind}"})
