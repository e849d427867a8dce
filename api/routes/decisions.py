"""Decisions: from what they were made, and made again."""

from fastapi import APIRouter
from starlette.responses import Response

from api.deps import PersonReads
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import DecisionDiffers, HistoryIncomplete, UnknownDecision
from scheduler import decisions, replays

router = APIRouter(prefix="/v1/decisions", tags=["decisions"], route_class=StrictRoute)


@router.get(
    "/{decision}", response_model=wire.DecisionRecord, summary="Show a decision", openapi_extra=own(UnknownDecision)
)
def show_decision(decision: wire.Id, call: PersonReads) -> Response:
    """From what it was made, whom it looked at in which order, and what each got.

    A company sees those about its own leases, and of other companies' leases in them times and sizes, not names.
    """
    return call.read(lambda at: decisions.show(at.session, decision, actor=at.actor))


@router.post(
    "/{decision}/replay",
    response_model=wire.Replayed,
    summary="Make a decision again",
    openapi_extra=own(UnknownDecision, HistoryIncomplete, DecisionDiffers),
)
def replay_decision(decision: wire.Id, call: PersonReads) -> Response:
    """Rebuilds its inputs from the history, checks their digest, decides again, and compares byte for byte.

    Changes nothing. What does not come out the same is a problem that says what differs.
    """
    return call.read(lambda at: replays.replay(at.session, decision, actor=at.actor))
