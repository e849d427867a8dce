"""What the leader reads seldom for its metrics."""

from scheduler.loop import Loop
from scheduler.metrics import Measured
from scheduler.store.db import Database
from scheduler.store.snapshot import database

MEASURED_S = 60
"""So often the files of the database are looked at."""


def measure_database(db: Database, loop: Loop, now: float, measured: Measured) -> bool:
    """Looks how large the database is, where that was not done for a minute; only the leader does. Whether it did."""
    if not loop.leads:
        measured.forget()
        return False
    if now - measured.sized_at < MEASURED_S:
        return False
    with db.snapshot() as session:
        measured.sized(database.size(session), now)
    return True
