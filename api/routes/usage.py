"""Usage: GPU-seconds by company and pool."""

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter
from starlette.responses import Response

from api.calls import Admitted
from api.deps import OfCompany, PersonReads, Since, Until
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import UnknownCompany
from scheduler.store import usage

router = APIRouter(prefix="/v1/usage", tags=["usage"], route_class=StrictRoute)

SHOWN = timedelta(days=30)


@router.get("", response_model=wire.Usage, summary="What companies had and used", openapi_extra=own(UnknownCompany))
def show_usage(call: PersonReads, company: OfCompany = None, since: Since = None, until: Until = None) -> Response:
    """GPU-seconds over the last 30 days unless said otherwise; a company sees its own."""

    def work(at: Admitted) -> wire.Usage:
        end = until or datetime.fromtimestamp(int(at.now), UTC)
        start = since or max(end - SHOWN, wire.EARLIEST)
        return usage.show(at.session, actor=at.actor, company=company, since=start, until=end, now=at.now)

    return call.read(work)
