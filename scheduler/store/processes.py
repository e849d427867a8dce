"""Which processes are there, as each says of itself. One that says nothing for a day is forgotten."""

from sqlalchemy import text
from sqlmodel import Session, col, select

from scheduler.store.tables import Process

FORGOTTEN_AFTER_S = 86_400.0

_SAY = text(
    """
    INSERT INTO process (name, kind, version, started_at, seen_at, leads, turned_at, step_s)
    VALUES (:name, :kind, :version, to_timestamp(:started_at), to_timestamp(:seen_at), :leads, to_timestamp(:turned_at), :step_s)
    ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, version = excluded.version, started_at = excluded.started_at,
        seen_at = excluded.seen_at, leads = excluded.leads, turned_at = excluded.turned_at, step_s = excluded.step_s
    """
)
_FORGET = text("DELETE FROM process WHERE seen_at < to_timestamp(:now) - :after * interval '1 second'")


def say(session: Session, found: Process) -> None:
    """Writes down how a process is; `seen_at` is now."""
    session.connection().execute(_SAY, found.model_dump())
    session.connection().execute(_FORGET, {"now": found.seen_at, "after": FORGOTTEN_AFTER_S})


def heard(session: Session) -> list[Process]:
    """All that are not forgotten, by kind and name."""
    return list(session.exec(select(Process).order_by(col(Process.kind), col(Process.name))))
