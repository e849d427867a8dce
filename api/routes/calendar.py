"""The calendar: a pool over time."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.calls import Admitted
from api.deps import PersonReads, Since, Until
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import UnknownPool
from scheduler.store import calendars

router = APIRouter(prefix="/v1/calendar", tags=["calendar"], route_class=StrictRoute)

SHOWN = timedelta(hours=24)

OnePool = Annotated[wire.PoolName, Query(description="The pool to show.")]


@router.get("", response_model=wire.Calendar, summary="Show a pool over time", openapi_extra=own(UnknownPool))
def show_calendar(call: PersonReads, pool: OnePool, since: Since = None, until: Until = None) -> Response:
    """Free GPUs by node and the leases that take the others, from now on for a day unless said otherwise.

    Of other companies' leases a company sees times and sizes, not names.
    """

    def work(at: Admitted) -> wire.Calendar:
        start = since or datetime.fromtimestamp(int(at.now), UTC)
        end = until or min(start + SHOWN, wire.LATEST)
        return calendars.show(at.session, pool, since=start, until=end, actor=at.actor, now=at.now)

    return call.read(work)
