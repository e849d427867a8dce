"""What the policy says of the whole programme."""

from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlmodel import Session

_ZONE = text("SELECT value #>> '{programme,zone}' FROM policy_version ORDER BY number DESC LIMIT 1")


def zone(session: Session) -> ZoneInfo:
    """Whose days are the programme's, by the policy that is live."""
    return ZoneInfo(session.connection().execute(_ZONE).scalar_one())
