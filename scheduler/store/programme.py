"""What is true of the whole programme."""

from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from scheduler.store.tables import Programme


def zone(session: Session) -> ZoneInfo:
    """Whose days are the programme's."""
    return ZoneInfo(session.exec(select(Programme.zone).where(col(Programme.id) == 1)).one())
