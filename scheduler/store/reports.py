"""One report of a node's agent, taken in within the caller's transaction. The API takes them in many at once: `intake`."""

from sqlmodel import Session

from dure import wire
from dure.errors import DureError
from scheduler import decoding
from scheduler.newest import Newest
from scheduler.store import intake
from scheduler.store.intake import Arrived


def take(
    session: Session, node: str, report: wire.Report, *, now: float, newest: Newest | None = None
) -> wire.ReportAnswer:
    """Takes in one report; the same one again changes nothing. `newest` is remembered as if the transaction were committed.

    Raises UnknownNode, StaleReport, SecondAgent, GpuClaimed, InvalidRequest.
    """
    known = newest or Newest()
    [taken] = intake.take_changes(session, [Arrived(node=node, report=decoding.of_wire(report))], known, now=now)
    if isinstance(taken, DureError):
        raise taken
    if taken.known is not None:
        known.remember(node, taken.known)
    return wire.ReportAnswer.model_validate_json(decoding.encoded(taken.answer))
